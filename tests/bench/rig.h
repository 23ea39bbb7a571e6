// rig: a Redis and a host for one measurement, and the runs started on them.
//
// Both are children of this process, the redis-server on a unix socket with its data in a temporary
// folder; they end with the rig, or with this process, whatever ends that. Only one rig is open at
// a time. What goes wrong ends the benchmark with one line: nothing here returns an error.
#ifndef WEIR_BENCH_RIG_H
#define WEIR_BENCH_RIG_H

#include "redis/script_call.h"

#include <hiredis.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    redisContext *redis;
    pid_t redis_pid;
    pid_t host_pid; // 0: no host
    ScriptCall call;
} Rig;

// The binary whose hosts are measured; how long all of it may take. Before anything else.
void rig_setup(const char *weir, unsigned seconds);

// Opens the rig on an empty Redis. `fsync`: always or everysec.
Rig *rig_open(const char *fsync);
void rig_close(Rig *rig);

// Starts `weir serve` with these flags (NULL ends them); returns when it is ready for runs.
void rig_serve(Rig *rig, const char *const *flags);

// Stops it as a supervisor would; returns when it has ended.
void rig_stop_host(Rig *rig);

// Prints the line and ends the benchmark; the rig goes with it.
__attribute__((format(printf, 1, 2), noreturn)) void give_up(const char *format, ...);

// Sleeps, unless the benchmark was interrupted or its time is over: that ends it.
void rest_ms(int64_t ms);

// The monotonic clock.
double now_s(void);

// CPU time a process has used, and its resident memory.
double cpu_s(pid_t pid);
int64_t resident_bytes(pid_t pid);

// The most that it was ever resident with.
int64_t peak_bytes(pid_t pid);

// Ends it as a crash would.
void rig_kill_host(Rig *rig);

// Runs `words` to its end; the seconds until its first byte on stdout.
double first_byte_s(const char *const *words);

// Runs `words` to its end; the seconds that took. A status other than 0 ends the benchmark.
double run_s(const char *const *words);

// The binary given to rig_setup; where the Redis of the rig is.
const char *rig_weir(void);
const char *rig_url(void);

// The URL of the rig's Redis.
const char *rig_url(void);

// One Redis command in the format of hiredis; the caller frees the reply.
redisReply *command(Rig *rig, const char *format, ...);
int64_t info_integer(Rig *rig, const char *field);

// Sends the groups as a client does, as one call of weir's script, and frees the batch. The reply
// is the caller's; `groups` is the part with a reply for each.
redisReply *call(Rig *rig, Batch *batch, redisReply **groups);

// The same as this worker of a simulated host. When its lease is lost there are no groups.
redisReply *call_as(Rig *rig, const char *worker, Batch *batch, redisReply **groups);

// Forgets which calls were slow; the longest of weir's own since then, in ms, and how many of them
// took longer than `over_ms`.
void forget_calls(Rig *rig);
double longest_call_ms(Rig *rig, double over_ms, int *over);

// Records the end of a run from outside, as the command line does.
void cancel_run(Rig *rig, const char *id);

// ---- runs ---------------------------------------------------------------------------------------

// Starts runs `<prefix><first>` and up, in one call: none is claimed before all are there.
void start_runs(Rig *rig, const char *prefix, int first, int count, const char *workflow,
                const char *data);

// Waits until this run has completed; one that ended otherwise ends the benchmark.
void wait_completed(Rig *rig, const char *id);

// The same for a run that has to end cancelled.
void wait_cancelled(Rig *rig, const char *id);

// Waits until so many runs stand in a sorted set: "delayed" (they wait), "ready:<queue>".
void wait_standing(Rig *rig, const char *set, int64_t count);

// When a run began and ended, by Redis' clock.
typedef struct {
    int64_t started_at, finished_at;
} Span;

// The spans of runs `<prefix><first>` and up followed by `suffix`, all of which have to be
// completed, or come to it soon.
void read_spans(Rig *rig, const char *prefix, int first, int count, const char *suffix,
                Span *spans);

// When operations i1 to i<count> of a run began.
void read_operations(Rig *rig, const char *id, int count, int64_t *started_at);

// The same of a run that goes on: how many of them have begun.
int read_begun(Rig *rig, const char *id, int count, int64_t *started_at);

// The clock of Redis.
int64_t redis_ms(Rig *rig);

#endif

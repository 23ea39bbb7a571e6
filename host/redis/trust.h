// trust: whether the Redis at the other end of a new connection may be written to.
//
// A store looks at two things before it uses a connection: the settings of that Redis, and the
// history of the dataset in it. Each process of Redis begins an epoch of the dataset (see
// redis-scripts/worker/epoch.lua). A host keeps a mark: the epoch, and the number of the last
// change that it saw acknowledged in it. So a Redis that was restored from older data, emptied or
// swapped is known by the first connection to it, and the changes that are gone are counted.
//
// All connections of a host share one Trust. Any thread.
#ifndef WEIR_TRUST_H
#define WEIR_TRUST_H

#include "config/config.h"
#include "redis/batch.h"
#include "redis/redis_facts.h"

typedef struct Trust Trust;

// `on_refused` is called once, on any thread, with the status to exit with. The log has the reason.
// NULL: the state folder cannot be used, and `fault` says why.
enum { TRUST_FAULT_SIZE = 512 };
Trust *trust_open(const Config *config, void (*on_refused)(void *owner, int status), void *owner,
                  char fault[TRUST_FAULT_SIZE]);
void trust_close(Trust *trust);

typedef enum {
    TRUSTED,
    TRUST_ASK_AGAIN, // the epoch: the mark has changed meanwhile, or a dataset is to be created
    TRUST_WAIT,      // not now: `why` begins as an error of the table in redis_error.c
    TRUST_REFUSED    // the host ends
} TrustVerdict;

enum { TRUST_WHY_SIZE = UNSAFE_SIZE + 32 };

// Judges the settings, before anything is written.
TrustVerdict trust_check(Trust *trust, const RedisFacts *facts, char why[TRUST_WHY_SIZE]);

// One connection's view of the history.
typedef struct {
    int64_t version; // of the mark, when the question was asked and when it was answered
    int64_t commit;  // of the mark, when the question was asked
    bool restarted;  // Redis is another process than that of the mark, as far as it tells
    int64_t losses;  // how often Redis had lost changes by then: what was read before may be wrong
} TrustView;

// Adds the group `epoch` to a batch, then judges its reply.
void trust_ask(Trust *trust, const RedisFacts *facts, TrustView *view, Batch *batch);
TrustVerdict trust_judge(Trust *trust, TrustView *view, const Reply *reply,
                         char why[TRUST_WHY_SIZE]);

// A change of that number was acknowledged, at an instant of Redis' clock. False: another process
// of Redis serves the dataset by now, so the answer does not count.
bool trust_saw(Trust *trust, const TrustView *view, int64_t commit, int64_t now_ms);

// The host serves: from here on it waits for settings that are unsafe to be mended.
void trust_serve(Trust *trust);

// The settings were read again. Returns whether they have become safe.
bool trust_settings(Trust *trust, const RedisFacts *facts);

// Whether the settings have become unsafe: then the host takes no more runs.
bool trust_is_unsafe(const Trust *trust);

// Writes the mark to the state folder if it has changed. It waits for the disk.
void trust_save(Trust *trust);

#endif

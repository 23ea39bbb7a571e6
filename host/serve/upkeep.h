// upkeep: what a host does as a whole, on the main thread, so that no Lua can keep it waiting: it
// gets and renews the lease, wakes what is due, takes back what dead hosts held, hears wake-ups.
//
// The lease is one number: `register` gives it, `heartbeat` renews it, `deregister` ends it. When
// another host takes it, what was held under it is somebody else's, and this host cannot go on.
#ifndef WEIR_UPKEEP_H
#define WEIR_UPKEEP_H

#include "config/config.h"
#include "redis/batch.h"
#include "redis/redis_error.h"

#include <uv.h>

typedef struct Upkeep Upkeep;

typedef struct {
    void *owner;
    // There is a lease, wake-ups are heard, what was to be announced is.
    void (*on_enlisted)(void *owner, int64_t host);
    // The lease runs until this instant, by clock_awake_ms.
    void (*on_renewed)(void *owner, int64_t until_ms);
    // There may be runs for this worker; 0: for all of them.
    void (*on_wake)(void *owner, int worker);
    // It cannot go on; the reason is in the log.
    void (*on_failed)(void *owner, int status);
    void (*on_retired)(void *owner);
} UpkeepEvents;

Upkeep *upkeep_open(uv_loop_t *loop, const Config *config, Outage *outage, UpkeepEvents events);

// A batch with the groups to send once, before the host is enlisted for the first time.
Batch *upkeep_batch(const Upkeep *upkeep);
void upkeep_start(Upkeep *upkeep, Batch *announcement);

// How long Redis has not answered, in ms. While it is there it answers a heartbeat every 300.
int64_t upkeep_silence(const Upkeep *upkeep);

// A worker was told that the lease with this number is gone.
void upkeep_lost(Upkeep *upkeep, int64_t host);

// A worker is in a long turn: Redis is told of the run that has it, and gets back those that wait
// behind it. The calls in this order: upkeep_stalled, upkeep_waiting for each, upkeep_relieve.
void upkeep_stalled(Upkeep *upkeep, int worker, const char *run_id, int64_t turn, int64_t turn_ms);
void upkeep_waiting(Upkeep *upkeep, const char *run_id, int64_t turn);
void upkeep_relieve(Upkeep *upkeep);

// A worker is in a long turn: what its other runs have said before is sent for it.
void upkeep_send_for(Upkeep *upkeep, int worker, const Batch *gathered);

// The workers of this host take no more runs: Redis must not count on them.
void upkeep_leave(Upkeep *upkeep);

// Says that this run keeps its worker from turning, then aborts the process.
void upkeep_abort(Upkeep *upkeep, const char *run_id);

// Gives back what the host holds, and the lease.
void upkeep_retire(Upkeep *upkeep);

void upkeep_close(Upkeep *upkeep);

#endif

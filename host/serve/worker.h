// worker: one thread with a loop, a Lua state and a connection of its own.
//
// It claims runs as long as its host has a lease, gives them turns, and sends their effects in
// batches, of which two may be under way. It shares the constant configuration, the Outage and its
// turn watch with other threads. The functions below are for the main thread; they leave a message
// for the worker's thread.
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "assets/bundle.h"
#include "config/config.h"
#include "redis/primary.h"
#include "redis/redis_error.h"
#include "redis/trust.h"
#include "serve/turn_watch.h"

#include <stdint.h>

typedef struct Worker Worker;

typedef struct {
    void *owner;
    // On the worker's thread. The lease of this host is gone: the worker has dropped all runs, and
    // does nothing any more.
    void (*on_lost)(void *owner, int64_t host);
    // On the worker's thread. A turn begins, and the main thread does not look at worker_watch.
    void (*on_turn)(void *owner);
    // On the worker's thread, its last act: it was stopped, and Redis has all its effects.
    void (*on_stopped)(void *owner);
} WorkerEvents;

// `number` counts from 1; in Redis it is "<host>.<number>".
Worker *worker_start(const Config *config, int number, Primary *primary, Trust *trust,
                     Outage *outage, WorkerEvents events);

// The host has a lease, under this number. Call it once.
void worker_set_host(Worker *worker, int64_t host);

// There may be runs for this worker.
void worker_wake(Worker *worker);

// New attempts will need this bundle soon: the worker loads it before they wait for it.
void worker_preload(Worker *worker, const char *name, const Bundle *bundle);

// This waiting run was taken from the worker at this turn: its coroutine is of no use any more.
void worker_drop(Worker *worker, int64_t turn, const char *run_id);

// The worker claims no more runs, gives back those that wait for a turn, and ends once Redis has
// its effects.
void worker_stop(Worker *worker);

// Lets the worker's loop turn once, also when there is nothing to do. A worker that is in Lua does
// it later.
void worker_ping(Worker *worker);

// How often its loop has turned.
uint64_t worker_loops(const Worker *worker);

// It was stopped, and its loop turns no more.
bool worker_has_ended(const Worker *worker);

// The runs that it had when its loop turned last.
typedef struct {
    size_t active; // that do not wait
    size_t waiting;
} WorkerLoad;
WorkerLoad worker_load(const Worker *worker);

// Logs what the worker is doing.
void worker_describe(Worker *worker);

// The lease runs until this instant, by clock_awake_ms. No turn begins later.
void worker_renew(Worker *worker, int64_t until_ms);

// The turns of the worker, for the main thread to watch.
TurnWatch *worker_watch(Worker *worker);

// Waits for the thread, which must have been told to stop, and frees the worker.
void worker_join(Worker *worker);

#endif

// worker: one thread with a loop, a Lua state and a connection of its own.
//
// It takes runs as long as its host has a lease, gives each its turns, and sends what they say in
// batches, of which two may be under way. Shares nothing with other threads but the constant
// config and what troubles the host; the functions below are for the main thread, and only leave it
// a message.
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "config/config.h"
#include "redis/redis_error.h"
#include "serve/turn_watch.h"

#include <stdint.h>

typedef struct Worker Worker;

typedef struct {
    void *owner;
    // On the worker's thread. The lease of this host is gone: the worker has dropped all it held,
    // and does nothing any more.
    void (*on_lost)(void *owner, int64_t host);
    // On the worker's thread. A turn begins, and worker_watch has not been looked at lately.
    void (*on_turn)(void *owner);
    // On the worker's thread, its last act: it was stopped and all it had to say was acknowledged.
    void (*on_stopped)(void *owner);
} WorkerEvents;

// `number` counts from 1; in Redis it is "<host>.<number>".
Worker *worker_start(const Config *config, int number, Outage *outage, WorkerEvents events);

// The host has its lease, under this number. Once.
void worker_set_host(Worker *worker, int64_t host);

// There may be runs for it.
void worker_wake(Worker *worker);

// It takes no more runs, gives back those that wait for a turn, and ends once Redis has what was
// said.
void worker_stop(Worker *worker);

// Writes what it is doing to the log.
void worker_describe(Worker *worker);

// The lease runs until this instant, by clock_awake_ms. No turn begins later.
void worker_renew(Worker *worker, int64_t until_ms);

// Its turns, for the main thread to watch.
TurnWatch *worker_watch(Worker *worker);

// Waits for its thread, which must have been told to stop, and frees it.
void worker_join(Worker *worker);

#endif

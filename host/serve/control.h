// control: the main thread's two connections to Redis: one for calls, one that listens.
//
// Membership, maintenance, deployment and long turns share it. Lua never runs on this thread once
// the host serves, so none of them waits for a run.
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include "config/config.h"
#include "redis/batch.h"
#include "redis/primary.h"
#include "redis/redis_error.h"
#include "redis/trust.h"

#include <uv.h>

typedef struct Control Control;

typedef struct {
    void *owner;
    // Redis answered that the lease of this host is gone.
    void (*on_lost)(void *owner, int64_t host);
    // The earliest wake-up of any run, by the clock of Redis.
    void (*on_due)(void *owner, int64_t due_ms);
    // The host is subscribed, for the first time or again after messages may have been missed.
    void (*on_listening)(void *owner);
    // There may be runs for this worker.
    void (*on_wake)(void *owner, int worker);
    // This run was taken from this worker, which kept its coroutine since that turn.
    void (*on_taken)(void *owner, int worker, int64_t turn, const char *run_id);
    // Before the host serves: an error that only a person can end. It is in the log.
    void (*on_failed)(void *owner, int status);
} ControlEvents;

// `primary` is that of a Redis under Sentinel, or NULL.
Control *control_open(uv_loop_t *loop, const Config *config, Primary *primary, Trust *trust,
                      Outage *outage, ControlEvents events);
void control_close(Control *control);

Batch *control_batch(const Control *control);
void control_call(Control *control, Batch *batch);

// Sends a copy of a worker's batch in the name of that worker.
void control_call_for(Control *control, int worker, const Batch *batch);

// The host's number, in whose name calls are made from now on; 0: it has none.
void control_set_host(Control *control, int64_t host);
int64_t control_host(const Control *control);

// Subscribes to the wake-ups of this host. Once.
void control_listen(Control *control);

// Reads the settings of Redis again: see store_read_settings.
void control_read_settings(Control *control, void (*on_safe)(void *owner), void *owner);

// The host serves: from here on it waits for a Redis that has an error, whatever it is.
void control_serve(Control *control);

// The clock of Redis now, by its last answer.
int64_t control_redis_ms(const Control *control);

// For how long Redis has answered nothing. While it is there it answers each heartbeat.
int64_t control_silence_ms(const Control *control);

#endif

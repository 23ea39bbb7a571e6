// control: see control.h.
#include "serve/control.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "redis/script_call.h"
#include "redis/store.h"
#include "serve/notify.h"

#include <stdio.h>
#include <sysexits.h>

enum { REPLY_MS = 500 }; // time limit of a reply: a heartbeat sent again must still be in time

struct Control {
    uv_loop_t *loop;
    const Config *config;
    Primary *primary; // NULL: not under Sentinel
    Outage *outage;
    ControlEvents events;
    Store *store;
    Store *listener; // NULL until control_listen
    int64_t host;
    int64_t clock_gap_ms; // the clock of Redis less the loop's
    int64_t answered_ms;  // when Redis answered last, by the loop's clock; 0: never
    bool serves;
};

// ---- errors -------------------------------------------------------------------------------------

// The host waits for a Redis that is away: after a power failure all programs start at once, in any
// order. Before it serves, it does not wait for the end of an error that only a person can end. A
// host that started its Redis itself has seen it answer.
static bool keeps_from_starting(const Control *control, const RedisError *error) {
    if (error->kind == REDIS_ERROR_UNREACHABLE)
        return !control->answered_ms && control->config->command != COMMAND_SERVE;
    bool passes = error->kind == REDIS_ERROR_STARTING || error->kind == REDIS_ERROR_BACKPRESSURE;
    return !passes && !control->serves;
}

static int status_of(const RedisError *error) {
    if (error->kind == REDIS_ERROR_UNREACHABLE) return EX_UNAVAILABLE;
    if (error->kind == REDIS_ERROR_NAME) return EX_CONFIG;
    return error->kind == REDIS_ERROR_OTHER ? EX_SOFTWARE : EX_NOPERM;
}

static void on_error(void *owner, const RedisError *before, const RedisError *now,
                     const char *why) {
    Control *control = owner;
    const Config *config = control->config;
    if (!now || !keeps_from_starting(control, now)) {
        outage_change(control->outage, before, now, why);
        if (now && !control->answered_ms)
            notify_status("", "waiting for Redis at %s", config->redis.url);
        return;
    }
    char text[REDIS_ERROR_TEXT];
    redis_error_text(now, why, &config->redis, config->prefix, text);
    log_error("redis at %s: %s", config->redis.url, text);
    control->events.on_failed(control->events.owner, status_of(now));
}

// ---- calls --------------------------------------------------------------------------------------

Batch *control_batch(const Control *control) {
    return store_batch(control->store);
}

static void on_replied(void *owner, const StoreCall *call, const Answer *answer) {
    Control *control = owner;
    if (answer) {
        control->answered_ms = (int64_t)uv_now(control->loop);
        control->clock_gap_ms = answer->now_ms - control->answered_ms;
    }
    bool lost = answer && answer->lost;
    batch_settle(call->batch, answer && !lost ? answer->groups : NULL);
    if (lost)
        control->events.on_lost(control->events.owner, control->host);
    else if (answer && answer->next_due_ms)
        control->events.on_due(control->events.owner, answer->next_due_ms);
}

void control_call(Control *control, Batch *batch) {
    store_call(control->store, batch, 0, on_replied, control);
}

void control_call_for(Control *control, int worker, const Batch *batch) {
    char name[WORKER_NAME_SIZE];
    snprintf(name, sizeof name, "%lld.%d", (long long)control->host, worker);
    store_call_for(control->store, name, batch, on_replied, control);
}

void control_set_host(Control *control, int64_t host) {
    char name[WORKER_NAME_SIZE] = "";
    control->host = host;
    if (host) snprintf(name, sizeof name, "%lld.0", (long long)host); // workers count from 1
    store_set_worker(control->store, name);
}

int64_t control_host(const Control *control) {
    return control->host;
}

// ---- wake-ups -----------------------------------------------------------------------------------

static void on_connected(void *owner) {
    Control *control = owner;
    control->events.on_listening(control->events.owner);
}

// Of a worker: "<thread>", or "<thread> <turn> <run>".
static void on_message(void *owner, const char *channel, const char *text) {
    Control *control = owner;
    char *rest;
    int64_t number = strtoll(text, &rest, 10);
    if (strcmp(channel, "due") == 0) {
        control->events.on_due(control->events.owner, number);
    } else if (number > 0 && *rest == ' ') {
        int64_t turn = strtoll(rest, &rest, 10);
        if (*rest == ' ')
            control->events.on_taken(control->events.owner, (int)number, turn, rest + 1);
    } else if (number > 0) {
        control->events.on_wake(control->events.owner, (int)number);
    }
}

void control_listen(Control *control) {
    char wake[8 + INTEGER_TEXT];
    snprintf(wake, sizeof wake, "wake:%lld", (long long)control->host);
    const char *channels[] = {wake, "due"};
    StoreEvents events = {.owner = control,
                          .on_connected = on_connected,
                          .on_error = on_error,
                          .on_message = on_message};
    control->listener = store_subscribe(control->loop, control->config, events, channels, 2);
    store_follow(control->listener, control->primary);
}

// ---- the rest -----------------------------------------------------------------------------------

void control_serve(Control *control) {
    control->serves = true;
}

int64_t control_redis_ms(const Control *control) {
    return control->clock_gap_ms + (int64_t)uv_now(control->loop);
}

int64_t control_silence_ms(const Control *control) {
    return (int64_t)uv_now(control->loop) - control->answered_ms;
}

void control_read_settings(Control *control, void (*on_safe)(void *owner), void *owner) {
    store_read_settings(control->store, on_safe, owner);
}

Control *control_open(uv_loop_t *loop, const Config *config, Primary *primary, Trust *trust,
                      Outage *outage, ControlEvents events) {
    Control *control = xcalloc(1, sizeof *control);
    control->loop = loop;
    control->config = config;
    control->primary = primary;
    control->outage = outage;
    control->events = events;
    control->store =
        store_open(loop, config, (StoreEvents){.owner = control, .on_error = on_error});
    store_follow(control->store, primary);
    store_trust(control->store, trust);
    store_set_reply_timeout(control->store, REPLY_MS);
    return control;
}

void control_close(Control *control) {
    store_close(control->store);
    if (control->listener) store_close(control->listener);
    free(control);
}

// upkeep: see upkeep.h for what it promises.
//
//   ENLISTING ------> LISTENING ------> ANNOUNCING ------> SERVING ------> RETIRING ------> RETIRED
//     |   ^   a number     channels are                                                        ^
//     +---+   was given    subscribed                                                          |
//   name held                    |                  |             |                            |
//   elsewhere                    +------------------+-------------+---- the lease was taken ---+
#include "serve/upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "redis/script_call.h"
#include "redis/store.h"
#include "serve/supervisor.h"

#include <assert.h>
#include <stdio.h>
#include <sysexits.h>

enum {
    LEASE_MS = 1200,
    BEAT_MS = 300,
    ABORT_MS = 3000,  // what telling Redis whom to blame may take
    PATIENCE_MS = 500 // with a Redis that does not reply: a beat sent again must still count
};

typedef enum {
    UPKEEP_ENLISTING,
    UPKEEP_LISTENING,
    UPKEEP_ANNOUNCING,
    UPKEEP_SERVING,
    UPKEEP_RETIRING,
    UPKEEP_RETIRED
} UpkeepState;

struct Upkeep {
    uv_loop_t *loop;
    const Config *config;
    Outage *outage;
    UpkeepEvents events;
    UpkeepState state;
    Identity identity;
    Store *store;
    Store *listener; // once there is a host number
    Batch *announcement;
    uv_timer_t beat;
    uv_timer_t sweep; // the next step, when there is more to delete
    uv_timer_t due;   // the next wake-up of any run
    uv_timer_t wait;  // for a lease to run out
    size_t open_timers;

    int64_t host;
    int64_t asked_ms;     // when the lease was asked for last, by clock_awake_ms
    int64_t relieved;     // how often Redis was told of a long turn
    Batch *relief;        // the next time
    int64_t rival;        // who held our node's name when we asked last
    int64_t rival_until;  // and until when
    int64_t due_ms;       // by Redis' clock, 0: none
    int64_t clock_gap_ms; // Redis' clock less the loop's
    int64_t answered_ms;  // when Redis did last, by the loop's clock; 0: it has not yet
    bool beating;
    bool promoting;
    bool sweeping;
};

static void enlist(Upkeep *upkeep, int64_t takeover);
static void sweep(Upkeep *upkeep, Batch *batch);
static void on_error(void *owner, const RedisError *before, const RedisError *now, const char *why);

static void fail(Upkeep *upkeep, int status) {
    upkeep->events.on_failed(upkeep->events.owner, status);
}

// ---- calls --------------------------------------------------------------------------------------

static void set_due(Upkeep *upkeep, int64_t due_ms);

static void on_replied(void *owner, const StoreCall *done, const Answer *answer) {
    Upkeep *upkeep = owner;
    if (answer) {
        upkeep->answered_ms = (int64_t)uv_now(upkeep->loop);
        upkeep->clock_gap_ms = answer->now_ms - (int64_t)uv_now(upkeep->loop);
    }
    if (answer && answer->lost) {
        batch_settle(done->batch, NULL);
        upkeep_lost(upkeep, upkeep->host);
        return;
    }
    batch_settle(done->batch, answer ? answer->groups : NULL);
    if (answer && answer->next_due_ms) set_due(upkeep, answer->next_due_ms);
}

static void call(Upkeep *upkeep, Batch *batch) {
    store_call(upkeep->store, batch, 0, on_replied, upkeep);
}

// ---- enlist -------------------------------------------------------------------------------------

static void subscribe(Upkeep *upkeep);

// Whose lease it is that is in the way: {"alive", host, boot, namespace, pid, started, expires_at}.
enum { RIVAL_HOST = 1, RIVAL_BOOT, RIVAL_NAMESPACE, RIVAL_PID, RIVAL_STARTED, RIVAL_UNTIL };

static bool same_machine(const Upkeep *upkeep, const Reply *rival) {
    return reply_is(reply_at(rival, RIVAL_BOOT), upkeep->identity.boot) &&
           reply_is(reply_at(rival, RIVAL_NAMESPACE), upkeep->identity.pidns);
}

static void on_waited(uv_timer_t *timer) {
    enlist(timer->data, 0);
}

static void wait_for_lease(Upkeep *upkeep, int64_t rival, int64_t until) {
    const char *node = upkeep->config->node;
    if (rival == upkeep->rival && until > upkeep->rival_until) {
        log_error("node %s is alive on another machine; give this one another --node", node);
        fail(upkeep, EX_CONFIG);
        return;
    }
    log_info("node %s is held by a host on another machine: waiting for its lease to run out",
             node);
    upkeep->rival = rival;
    upkeep->rival_until = until;
    int64_t left = until - upkeep->clock_gap_ms - (int64_t)uv_now(upkeep->loop);
    uv_timer_start(&upkeep->wait, on_waited, left > 0 ? (uint64_t)left + 1 : 1, 0);
}

static void resolve_name_conflict(Upkeep *upkeep, const Reply *reply) {
    int64_t rival = reply_integer(reply_at(reply, RIVAL_HOST));
    int64_t pid = reply_integer(reply_at(reply, RIVAL_PID));
    uint64_t started = (uint64_t)reply_integer(reply_at(reply, RIVAL_STARTED));
    const Identity *self = &upkeep->identity;
    if (!same_machine(upkeep, reply)) {
        wait_for_lease(upkeep, rival, reply_integer(reply_at(reply, RIVAL_UNTIL)));
    } else if (pid == self->pid && started == self->started) {
        upkeep->host = rival; // it was given to us by a reply that was lost
        subscribe(upkeep);
    } else if (!supervisor_alive(pid, started)) {
        enlist(upkeep, rival);
    } else {
        log_error("node %s is alive here, as process %lld; give this one another --node",
                  upkeep->config->node, (long long)pid);
        fail(upkeep, EX_CONFIG);
    }
}

static void on_enlisted(void *about, const Reply *reply) {
    Upkeep *upkeep = about;
    if (!reply || upkeep->state != UPKEEP_ENLISTING) return;
    if (reply_is(reply_at(reply, 0), "registered")) {
        upkeep->host = reply_integer(reply_at(reply, 1));
        subscribe(upkeep);
    } else if (reply_is(reply_at(reply, 0), "alive")) {
        resolve_name_conflict(upkeep, reply);
    } else {
        log_error("cannot enlist: %s", reply_text(reply_at(reply, 1)));
        fail(upkeep, EX_SOFTWARE);
    }
}

// `takeover` is a host known to be dead, whose runs may be taken back at once; or 0.
static void enlist(Upkeep *upkeep, int64_t takeover) {
    const Identity *self = &upkeep->identity;
    Batch *batch = store_batch(upkeep->store);
    upkeep->state = UPKEEP_ENLISTING;
    store_set_worker(upkeep->store, "");
    sweep(upkeep, batch);
    upkeep->asked_ms = clock_awake_ms();
    batch_group(batch, "register", 9, on_enlisted, upkeep);
    batch_text(batch, upkeep->config->node);
    batch_text(batch, self->boot);
    batch_text(batch, self->pidns);
    batch_integer(batch, self->pid);
    batch_integer(batch, (int64_t)self->started);
    batch_integer(batch, upkeep->config->workers);
    batch_integer(batch, LEASE_MS);
    if (takeover)
        batch_integer(batch, takeover);
    else
        batch_text(batch, "");
    batch_integer(batch, upkeep->config->payload_bytes);
    call(upkeep, batch);
}

// Somebody has taken it, and goes on with what was held here. A host that stood still for so long
// does not know what else has changed: it ends, and its supervisor starts another.
void upkeep_lost(Upkeep *upkeep, int64_t host) {
    if (host != upkeep->host || upkeep->state == UPKEEP_RETIRED) return;
    upkeep->host = 0;
    if (upkeep->state == UPKEEP_RETIRING) {
        upkeep->state = UPKEEP_RETIRED;
        upkeep->events.on_retired(upkeep->events.owner);
        return;
    }
    log_error("the lease of this host was taken: either it was not renewed for %d ms, and other "
              "hosts go on with its runs, or all data was removed from Redis (FLUSHALL): weir list "
              "shows what is there",
              LEASE_MS);
    upkeep->state = UPKEEP_RETIRED;
    uv_timer_stop(&upkeep->beat);
    fail(upkeep, EX_CONFIG);
}

// ---- listen -------------------------------------------------------------------------------------

static void announce(Upkeep *upkeep);

static void on_listening(void *owner) {
    Upkeep *upkeep = owner;
    if (upkeep->state == UPKEEP_LISTENING) {
        announce(upkeep);
    } else { // what was said while the connection was gone was not heard
        set_due(upkeep, upkeep->clock_gap_ms + (int64_t)uv_now(upkeep->loop));
        upkeep->events.on_wake(upkeep->events.owner, 0);
    }
}

static void on_heard(void *owner, const char *channel, const char *text) {
    Upkeep *upkeep = owner;
    int64_t number = strtoll(text, NULL, 10);
    if (strcmp(channel, "due") == 0)
        set_due(upkeep, number);
    else if (number > 0)
        upkeep->events.on_wake(upkeep->events.owner, (int)number);
}

static void subscribe(Upkeep *upkeep) {
    char wake[8 + INTEGER_TEXT];
    snprintf(wake, sizeof wake, "wake:%lld", (long long)upkeep->host);
    const char *channels[] = {wake, "due"};
    StoreEvents events = {.owner = upkeep,
                          .on_connected = on_listening,
                          .on_error = on_error,
                          .on_message = on_heard};
    upkeep->state = UPKEEP_LISTENING;
    upkeep->listener = store_subscribe(upkeep->loop, upkeep->config, events, channels, 2);
}

// ---- beat, sweep and promote --------------------------------------------------------------------

static void on_sweep(uv_timer_t *timer);

// {"swept", runs, ms until the next step, 0 when there is none}
static void on_swept(void *about, const Reply *reply) {
    Upkeep *upkeep = about;
    upkeep->sweeping = false;
    int64_t rest = reply_integer(reply_at(reply, 2));
    if (upkeep->state == UPKEEP_SERVING && rest > 0)
        uv_timer_start(&upkeep->sweep, on_sweep, (uint64_t)rest, 0);
}

// It goes along with beats, and as a host begins: a Redis that is full takes what that says only in
// a batch that makes room.
static void sweep(Upkeep *upkeep, Batch *batch) {
    if (upkeep->sweeping) return;
    upkeep->sweeping = true;
    batch_group(batch, "sweep", 0, on_swept, upkeep);
}

static void on_sweep(uv_timer_t *timer) {
    Upkeep *upkeep = timer->data;
    if (upkeep->sweeping || upkeep->state != UPKEEP_SERVING) return;
    Batch *batch = store_batch(upkeep->store);
    sweep(upkeep, batch);
    call(upkeep, batch);
}

static void send_beat(Upkeep *upkeep);

// From when it was asked for, which is earlier than Redis gave it.
static void renew(Upkeep *upkeep) {
    upkeep->events.on_renewed(upkeep->events.owner, upkeep->asked_ms + LEASE_MS);
}

// {"heartbeat", reaped, "1" when there is more to reap, worker…} | {"lease_lost"}
static void on_beaten(void *about, const Reply *reply) {
    enum { REAPED = 1, MORE, WORKERS };
    Upkeep *upkeep = about;
    upkeep->beating = false;
    if (reply_is(reply_at(reply, 0), "lease_lost")) {
        upkeep_lost(upkeep, upkeep->host);
        return;
    }
    if (!reply_is(reply_at(reply, 0), "heartbeat")) return; // refused; the next one is on its way
    renew(upkeep);
    for (size_t i = WORKERS; i < reply_count(reply); i++)
        upkeep->events.on_wake(upkeep->events.owner, (int)reply_integer(reply_at(reply, i)));
    int64_t reaped = reply_integer(reply_at(reply, REAPED));
    if (reaped > 0) log_info("took back %lld runs of a dead host", (long long)reaped);
    if (reply_is(reply_at(reply, MORE), "1")) send_beat(upkeep);
}

// One at a time: while Redis is away, one is enough.
static void send_beat(Upkeep *upkeep) {
    if (upkeep->beating || upkeep->state < UPKEEP_ANNOUNCING) return;
    upkeep->beating = true;
    upkeep->asked_ms = clock_awake_ms();
    Batch *batch = store_batch(upkeep->store);
    batch_group(batch, "heartbeat", 3, on_beaten, upkeep);
    batch_integer(batch, upkeep->host);
    batch_integer(batch, LEASE_MS);
    batch_integer(batch, upkeep->config->crashes);
    if (upkeep->state == UPKEEP_SERVING) sweep(upkeep, batch);
    call(upkeep, batch);
}

static void on_beat(uv_timer_t *timer) {
    send_beat(timer->data);
}

static void on_promoted(void *about, const Reply *reply) {
    (void)reply;
    ((Upkeep *)about)->promoting = false;
}

static void on_due(uv_timer_t *timer) {
    Upkeep *upkeep = timer->data;
    upkeep->due_ms = 0; // the answer brings the next one
    if (upkeep->promoting || upkeep->state != UPKEEP_SERVING) return;
    upkeep->promoting = true;
    Batch *batch = store_batch(upkeep->store);
    batch_group(batch, "promote", 0, on_promoted, upkeep);
    call(upkeep, batch);
}

// The timer is set anew also for the same instant: Redis' clock may have been put forward, and the
// loop's stands still while the machine sleeps.
static void set_due(Upkeep *upkeep, int64_t due_ms) {
    if (!upkeep->due_ms || due_ms < upkeep->due_ms) upkeep->due_ms = due_ms;
    int64_t left = upkeep->due_ms - upkeep->clock_gap_ms - (int64_t)uv_now(upkeep->loop);
    uv_timer_start(&upkeep->due, on_due, left > 1 ? (uint64_t)left : 1, 0);
}

// ---- announce -----------------------------------------------------------------------------------

static void serve(Upkeep *upkeep) {
    upkeep->state = UPKEEP_SERVING;
    log_info("host %lld: node %s, %lld workers", (long long)upkeep->host, upkeep->config->node,
             (long long)upkeep->config->workers);
    uv_timer_start(&upkeep->beat, on_beat, BEAT_MS, BEAT_MS);
    upkeep->events.on_enlisted(upkeep->events.owner, upkeep->host);
    renew(upkeep);
}

static void on_announced(void *owner, const StoreCall *done, const Answer *answer) {
    Upkeep *upkeep = owner;
    const Reply *groups = answer ? answer->groups : NULL;
    on_replied(upkeep, done, answer);
    if (upkeep->state != UPKEEP_ANNOUNCING) return;
    for (size_t i = 0; i + 2 < reply_count(groups);
         i++) { // those of the sweep, and on safety, last
        const Reply *reply = reply_at(groups, i);
        if (!reply_is(reply_at(reply, 0), "error")) continue;
        log_error("cannot announce the workflows: %s", reply_text(reply_at(reply, 1)));
        fail(upkeep, EX_SOFTWARE);
        return;
    }
    serve(upkeep);
}

// {"safety", aof, policy}; an error where the user of Redis may not ask
static void on_safety(void *about, const Reply *reply) {
    const char *url = ((Upkeep *)about)->config->redis.url;
    if (!reply_is(reply_at(reply, 0), "safety")) return;
    const char *policy = reply_text(reply_at(reply, 2));
    if (reply_is(reply_at(reply, 1), "0"))
        log_warn("redis at %s has no append-only file: what was acknowledged is lost when it is "
                 "restarted; redis-cli config set appendonly yes, and the same in redis.conf",
                 url);
    if (*policy && strcmp(policy, "noeviction") != 0)
        log_warn("redis at %s may throw runs away when its memory is full: maxmemory-policy is %s; "
                 "redis-cli config set maxmemory-policy noeviction, and the same in redis.conf",
                 url, policy);
}

// A host that started its Redis itself knows how.
static void ask_safety(Upkeep *upkeep, Batch *batch) {
    batch_group(batch, "safety", 0, upkeep->config->command == COMMAND_SERVE ? on_safety : NULL,
                upkeep);
}

static void announce(Upkeep *upkeep) {
    char name[2 * INTEGER_TEXT];
    snprintf(name, sizeof name, "%lld.0", (long long)upkeep->host); // 0: no worker's
    store_set_worker(upkeep->store, name);
    upkeep->state = UPKEEP_ANNOUNCING;
    send_beat(upkeep);
    if (!upkeep->announcement) {
        serve(upkeep);
        return;
    }
    Batch *announcement = upkeep->announcement;
    upkeep->announcement = NULL;
    assert(!upkeep->sweeping); // what went with `register` was answered
    sweep(upkeep, announcement);
    ask_safety(upkeep, announcement);
    store_call(upkeep->store, announcement, 0, on_announced, upkeep);
}

// ---- long turns ---------------------------------------------------------------------------------

void upkeep_stalled(Upkeep *upkeep, int worker, const char *run_id, int64_t turn, int64_t turn_ms) {
    upkeep->relief = store_batch(upkeep->store);
    batch_group(upkeep->relief, "stalled", 6, NULL, NULL);
    batch_integer(upkeep->relief, upkeep->host);
    batch_integer(upkeep->relief, ++upkeep->relieved);
    batch_integer(upkeep->relief, worker);
    batch_text(upkeep->relief, run_id);
    batch_integer(upkeep->relief, turn);
    batch_integer(upkeep->relief, turn_ms);
}

void upkeep_waiting(Upkeep *upkeep, const char *run_id, int64_t turn) {
    batch_group(upkeep->relief, "relieve", 2, NULL, NULL);
    batch_text(upkeep->relief, run_id);
    batch_integer(upkeep->relief, turn);
}

void upkeep_relieve(Upkeep *upkeep) {
    Batch *batch = upkeep->relief;
    upkeep->relief = NULL;
    if (upkeep->state == UPKEEP_SERVING)
        call(upkeep, batch);
    else
        batch_free(batch);
}

void upkeep_send_for(Upkeep *upkeep, int worker, const Batch *gathered) {
    char name[WORKER_NAME_SIZE];
    if (upkeep->state != UPKEEP_SERVING) return;
    snprintf(name, sizeof name, "%lld.%d", (long long)upkeep->host, worker);
    store_call_for(upkeep->store, name, gathered, on_replied, upkeep);
}

// ---- the end ------------------------------------------------------------------------------------

void upkeep_leave(Upkeep *upkeep) {
    if (upkeep->state != UPKEEP_SERVING) return;
    Batch *batch = store_batch(upkeep->store);
    batch_group(batch, "leave", 1, NULL, NULL);
    batch_integer(batch, upkeep->host);
    call(upkeep, batch);
}

static void on_given_back(void *about, const Reply *reply);

void upkeep_retire(Upkeep *upkeep) {
    if (upkeep->state != UPKEEP_SERVING && upkeep->state != UPKEEP_RETIRING) {
        upkeep->state = UPKEEP_RETIRED; // it holds nothing
        upkeep->events.on_retired(upkeep->events.owner);
        return;
    }
    upkeep->state = UPKEEP_RETIRING;
    Batch *batch = store_batch(upkeep->store);
    batch_group(batch, "deregister", 1, on_given_back, upkeep);
    batch_integer(batch, upkeep->host);
    call(upkeep, batch);
}

// {"deregistered", "1" when there is more to give back}
static void on_given_back(void *about, const Reply *reply) {
    Upkeep *upkeep = about;
    if (!reply || upkeep->state != UPKEEP_RETIRING) return;
    if (reply_is(reply_at(reply, 1), "1")) {
        upkeep_retire(upkeep);
        return;
    }
    upkeep->state = UPKEEP_RETIRED;
    upkeep->events.on_retired(upkeep->events.owner);
}

static void give_up(void) {
    log_flush();
    abort();
}

static void on_blamed(void *about, const Reply *reply) {
    (void)about;
    (void)reply;
    give_up();
}

static void on_abort(uv_timer_t *timer) {
    (void)timer;
    give_up();
}

void upkeep_abort(Upkeep *upkeep, const char *run_id) {
    Batch *batch = store_batch(upkeep->store);
    batch_group(batch, "suspect", 1, on_blamed, NULL);
    batch_text(batch, run_id);
    call(upkeep, batch);
    uv_timer_start(&upkeep->wait, on_abort, ABORT_MS, 0);
}

// ---- open and close -----------------------------------------------------------------------------

// A Redis that is away is waited for: after a power failure everything starts at once, and in any
// order. Before the host serves, it does not wait for what only a person can change. One that
// started its Redis itself has seen it answer.
static bool keeps_from_starting(const Upkeep *upkeep, const RedisError *error) {
    if (error->kind == REDIS_ERROR_UNREACHABLE)
        return !upkeep->answered_ms && upkeep->config->command != COMMAND_SERVE;
    bool passes = error->kind == REDIS_ERROR_STARTING || error->kind == REDIS_ERROR_BACKPRESSURE;
    return !passes && upkeep->state < UPKEEP_SERVING;
}

static int status_of(const RedisError *error) {
    if (error->kind == REDIS_ERROR_UNREACHABLE) return EX_UNAVAILABLE;
    return error->kind == REDIS_ERROR_OTHER ? EX_SOFTWARE : EX_NOPERM;
}

static void on_error(void *owner, const RedisError *before, const RedisError *now,
                     const char *why) {
    Upkeep *upkeep = owner;
    if (!now || !keeps_from_starting(upkeep, now)) {
        outage_change(upkeep->outage, before, now, why);
        if (now && !upkeep->answered_ms)
            supervisor_notify("STATUS=waiting for Redis at %s", upkeep->config->redis.url);
        return;
    }
    char text[REDIS_ERROR_TEXT];
    const Config *config = upkeep->config;
    redis_error_text(now, why, &config->redis, config->prefix, text);
    log_error("redis at %s: %s", config->redis.url, text);
    fail(upkeep, status_of(now));
}

Upkeep *upkeep_open(uv_loop_t *loop, const Config *config, Outage *outage, UpkeepEvents events) {
    Upkeep *upkeep = xcalloc(1, sizeof *upkeep);
    upkeep->loop = loop;
    upkeep->config = config;
    upkeep->outage = outage;
    upkeep->events = events;
    upkeep->identity = supervisor_identity();
    upkeep->store = store_open(loop, config, (StoreEvents){.owner = upkeep, .on_error = on_error});
    store_set_reply_timeout(upkeep->store, PATIENCE_MS);
    uv_timer_t *timers[] = {&upkeep->beat, &upkeep->sweep, &upkeep->due, &upkeep->wait};
    upkeep->open_timers = sizeof timers / sizeof *timers;
    for (size_t i = 0; i < upkeep->open_timers; i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = upkeep;
    }
    return upkeep;
}

Batch *upkeep_batch(const Upkeep *upkeep) {
    return store_batch(upkeep->store);
}

int64_t upkeep_silence(const Upkeep *upkeep) {
    return (int64_t)uv_now(upkeep->loop) - upkeep->answered_ms;
}

void upkeep_start(Upkeep *upkeep, Batch *announcement) {
    upkeep->announcement = announcement;
    enlist(upkeep, 0);
}

static void on_closed(uv_handle_t *timer) {
    Upkeep *upkeep = timer->data;
    if (--upkeep->open_timers == 0) free(upkeep);
}

void upkeep_close(Upkeep *upkeep) {
    upkeep->state = UPKEEP_RETIRED;
    store_close(upkeep->store);
    if (upkeep->listener) store_close(upkeep->listener);
    batch_free(upkeep->announcement);
    uv_close((uv_handle_t *)&upkeep->beat, on_closed);
    uv_close((uv_handle_t *)&upkeep->sweep, on_closed);
    uv_close((uv_handle_t *)&upkeep->due, on_closed);
    uv_close((uv_handle_t *)&upkeep->wait, on_closed);
}

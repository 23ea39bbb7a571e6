// membership: see membership.h.
//
// clang-format off
//   REGISTERING ------> REGISTERED ------> SERVING ------> DEREGISTERING ------> OVER
//     |   ^   a number       |                |                  |                ^
//     +---+   was given      +----------------+------------------+----------------+
//   another process                           the lease was taken
//   holds the name
// clang-format on
#include "serve/membership.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "serve/process.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum {
    LEASE_MS = 1200,
    HEARTBEAT_MS = 300,
    ABORT_MS = 3000 // how long membership_abort waits for Redis
};

typedef enum {
    MEMBERSHIP_REGISTERING,
    MEMBERSHIP_REGISTERED,
    MEMBERSHIP_SERVING,
    MEMBERSHIP_DEREGISTERING,
    MEMBERSHIP_OVER
} MembershipState;

struct Membership {
    const Config *config;
    Control *control;
    Maintenance *maintenance;
    MembershipEvents events;
    MembershipState state;
    ProcessIdentity self;
    uv_timer_t heartbeat;
    uv_timer_t wait; // for another lease to run out, or to abort
    size_t open_timers;

    int64_t asked_ms;    // when the lease was asked for last, by clock_awake_ms
    int64_t rival;       // the host that held our node's name when we asked last
    int64_t rival_until; // the end of its lease
    bool beating;        // a heartbeat is under way
};

static void ask_for_lease(Membership *membership, int64_t takeover);

static void fail(Membership *membership, int status) {
    membership->events.on_failed(membership->events.owner, status);
}

// ---- register -----------------------------------------------------------------------------------

static void begin(Membership *membership, int64_t host) {
    membership->state = MEMBERSHIP_REGISTERED;
    control_set_host(membership->control, host);
    membership->events.on_registered(membership->events.owner);
}

// The lease in the way: {"alive", host, boot, namespace, pid, started, expires_at}.
enum { RIVAL_HOST = 1, RIVAL_BOOT, RIVAL_NAMESPACE, RIVAL_PID, RIVAL_STARTED, RIVAL_UNTIL };

static bool same_machine(const Membership *membership, const Reply *rival) {
    return reply_is(reply_at(rival, RIVAL_BOOT), membership->self.boot) &&
           reply_is(reply_at(rival, RIVAL_NAMESPACE), membership->self.pidns);
}

static void on_waited(uv_timer_t *timer) {
    ask_for_lease(timer->data, 0);
}

// From here the process of the other machine cannot be seen. A lease that is renewed shows that it
// is alive.
static void wait_for_lease(Membership *membership, int64_t rival, int64_t until) {
    const char *node = membership->config->node;
    if (rival == membership->rival && until > membership->rival_until) {
        log_error("node %s is alive on another machine; give this one another --node", node);
        fail(membership, EX_CONFIG);
        return;
    }
    log_info("node %s is held by a host on another machine: waiting for its lease to run out",
             node);
    membership->rival = rival;
    membership->rival_until = until;
    int64_t left = until - control_redis_ms(membership->control);
    uv_timer_start(&membership->wait, on_waited, left > 0 ? (uint64_t)left + 1 : 1, 0);
}

static void resolve_name_conflict(Membership *membership, const Reply *reply) {
    int64_t rival = reply_integer(reply_at(reply, RIVAL_HOST));
    int64_t pid = reply_integer(reply_at(reply, RIVAL_PID));
    uint64_t started = (uint64_t)reply_integer(reply_at(reply, RIVAL_STARTED));
    const ProcessIdentity *self = &membership->self;
    if (!same_machine(membership, reply)) {
        wait_for_lease(membership, rival, reply_integer(reply_at(reply, RIVAL_UNTIL)));
    } else if (pid == self->pid && started == self->started) {
        begin(membership, rival); // Redis gave it to us in a reply that was lost
    } else if (!process_is_alive(pid, started)) {
        ask_for_lease(membership, rival);
    } else {
        log_error("node %s is alive here, as process %lld; give this one another --node",
                  membership->config->node, (long long)pid);
        fail(membership, EX_CONFIG);
    }
}

static void on_registered(void *about, const Reply *reply) {
    Membership *membership = about;
    if (!reply || membership->state != MEMBERSHIP_REGISTERING) return;
    if (reply_is(reply_at(reply, 0), "registered")) {
        begin(membership, reply_integer(reply_at(reply, 1)));
    } else if (reply_is(reply_at(reply, 0), "alive")) {
        resolve_name_conflict(membership, reply);
    } else {
        log_error("Redis refused to register this host: %s", reply_text(reply_at(reply, 1)));
        fail(membership, EX_SOFTWARE);
    }
}

// Separated by commas, which no name of a queue has.
static void add_queues(Batch *batch, const TextList *queues) {
    size_t size = 1;
    for (int64_t i = 0; i < queues->count; i++) size += strlen(queues->items[i]) + 1;
    char *joined = xmalloc(size), *end = joined;
    *end = '\0';
    for (int64_t i = 0; i < queues->count; i++)
        end += sprintf(end, "%s%s", i > 0 ? "," : "", queues->items[i]);
    batch_text(batch, joined);
    free(joined);
}

// `takeover` is a host known to be dead, whose runs Redis may take back at once; or 0.
static void ask_for_lease(Membership *membership, int64_t takeover) {
    const ProcessIdentity *self = &membership->self;
    Batch *batch = control_batch(membership->control);
    control_set_host(membership->control, 0);
    maintenance_add_sweep(membership->maintenance, batch);
    membership->asked_ms = clock_awake_ms();
    batch_group(batch, "register", 10, on_registered, membership);
    batch_text(batch, membership->config->node);
    batch_text(batch, self->boot);
    batch_text(batch, self->pidns);
    batch_integer(batch, self->pid);
    batch_integer(batch, (int64_t)self->started);
    batch_integer(batch, membership->config->workers);
    batch_integer(batch, LEASE_MS);
    if (takeover)
        batch_integer(batch, takeover);
    else
        batch_text(batch, "");
    batch_integer(batch, membership->config->payload_bytes);
    add_queues(batch, &membership->config->queues);
    control_call(membership->control, batch);
}

void membership_register(Membership *membership) {
    ask_for_lease(membership, 0);
}

// ---- heartbeat ----------------------------------------------------------------------------------

// The lease counts from the instant of the request, which is earlier than that of Redis.
static void tell_renewed(Membership *membership) {
    membership->events.on_renewed(membership->events.owner, membership->asked_ms + LEASE_MS);
}

static void wake_workers(Membership *membership, const Reply *reply, size_t from) {
    for (size_t i = from; i < reply_count(reply); i++)
        membership->events.on_wake(membership->events.owner,
                                   (int)reply_integer(reply_at(reply, i)));
}

// {"heartbeat", recovered, "1" when there is more to recover, worker…} | {"renewed", worker…} |
// {"lease_lost"}
static void on_heartbeat(void *about, const Reply *reply) {
    enum { RECOVERED = 1, MORE, WORKERS };
    Membership *membership = about;
    membership->beating = false;
    if (reply_is(reply_at(reply, 0), "lease_lost")) {
        membership_lost(membership, control_host(membership->control));
        return;
    }
    bool did_rounds = reply_is(reply_at(reply, 0), "heartbeat");
    // Otherwise it was refused: the next one follows soon.
    if (!did_rounds && !reply_is(reply_at(reply, 0), "renewed")) return;
    tell_renewed(membership);
    wake_workers(membership, reply, did_rounds ? WORKERS : 1);
    if (!did_rounds) return;
    int64_t recovered = reply_integer(reply_at(reply, RECOVERED));
    if (recovered > 0) log_info("took back %lld runs of a dead host", (long long)recovered);
    if (reply_is(reply_at(reply, MORE), "1")) membership_renew(membership);
}

// One heartbeat at a time: while Redis is away, one is enough.
void membership_renew(Membership *membership) {
    bool registered =
        membership->state > MEMBERSHIP_REGISTERING && membership->state < MEMBERSHIP_OVER;
    if (membership->beating || !registered) return;
    membership->beating = true;
    membership->asked_ms = clock_awake_ms();
    Batch *batch = control_batch(membership->control);
    batch_group(batch, "heartbeat", 3, on_heartbeat, membership);
    batch_integer(batch, control_host(membership->control));
    batch_integer(batch, LEASE_MS);
    batch_integer(batch, membership->config->crashes);
    if (maintenance_is_active(membership->maintenance))
        maintenance_add_sweep(membership->maintenance, batch);
    control_call(membership->control, batch);
}

static void on_interval(uv_timer_t *timer) {
    membership_renew(timer->data);
}

void membership_serve(Membership *membership) {
    membership->state = MEMBERSHIP_SERVING;
    uv_timer_start(&membership->heartbeat, on_interval, HEARTBEAT_MS, HEARTBEAT_MS);
    tell_renewed(membership);
}

// Another host has taken the lease and goes on with the runs that were held here. A host that stood
// still for so long does not know what else has changed: it ends, and its supervisor starts
// another.
void membership_lost(Membership *membership, int64_t host) {
    if (host != control_host(membership->control) || membership->state == MEMBERSHIP_OVER) return;
    bool deregistering = membership->state == MEMBERSHIP_DEREGISTERING;
    membership->state = MEMBERSHIP_OVER;
    uv_timer_stop(&membership->heartbeat);
    if (deregistering) {
        membership->events.on_deregistered(membership->events.owner);
        return;
    }
    log_error("the lease of this host was taken: either it was not renewed for %d ms, and other "
              "hosts go on with its runs, or all data was removed from Redis (FLUSHALL): weir list "
              "shows what is there",
              LEASE_MS);
    fail(membership, EX_TEMPFAIL);
}

// ---- the end ------------------------------------------------------------------------------------

void membership_leave(Membership *membership) {
    if (membership->state != MEMBERSHIP_SERVING) return;
    Batch *batch = control_batch(membership->control);
    batch_group(batch, "leave", 1, NULL, NULL);
    batch_integer(batch, control_host(membership->control));
    control_call(membership->control, batch);
}

static void end(Membership *membership) {
    membership->state = MEMBERSHIP_OVER;
    membership->events.on_deregistered(membership->events.owner);
}

// {"deregistered", "1" when there is more to give back}
static void on_deregistered(void *about, const Reply *reply) {
    Membership *membership = about;
    if (!reply || membership->state != MEMBERSHIP_DEREGISTERING) return;
    if (reply_is(reply_at(reply, 1), "1"))
        membership_deregister(membership);
    else
        end(membership);
}

void membership_deregister(Membership *membership) {
    if (membership->state != MEMBERSHIP_SERVING && membership->state != MEMBERSHIP_DEREGISTERING) {
        end(membership); // it holds nothing
        return;
    }
    membership->state = MEMBERSHIP_DEREGISTERING;
    Batch *batch = control_batch(membership->control);
    batch_group(batch, "deregister", 1, on_deregistered, membership);
    batch_integer(batch, control_host(membership->control));
    control_call(membership->control, batch);
}

static void flush_and_abort(void) {
    log_flush();
    abort();
}

static void on_blamed(void *about, const Reply *reply) {
    (void)about, (void)reply;
    flush_and_abort();
}

static void on_abort(uv_timer_t *timer) {
    (void)timer;
    flush_and_abort();
}

void membership_abort(Membership *membership, const char *run_id) {
    Batch *batch = control_batch(membership->control);
    batch_group(batch, "suspect", 1, on_blamed, NULL);
    batch_text(batch, run_id);
    control_call(membership->control, batch);
    uv_timer_start(&membership->wait, on_abort, ABORT_MS, 0);
}

// ---- open and close -----------------------------------------------------------------------------

Membership *membership_open(uv_loop_t *loop, const Config *config, Control *control,
                            Maintenance *maintenance, MembershipEvents events) {
    Membership *membership = xcalloc(1, sizeof *membership);
    membership->config = config;
    membership->control = control;
    membership->maintenance = maintenance;
    membership->events = events;
    membership->self = process_identity();
    uv_timer_init(loop, &membership->heartbeat);
    uv_timer_init(loop, &membership->wait);
    membership->heartbeat.data = membership->wait.data = membership;
    membership->open_timers = 2;
    return membership;
}

static void on_closed(uv_handle_t *timer) {
    Membership *membership = timer->data;
    if (--membership->open_timers == 0) free(membership);
}

void membership_close(Membership *membership) {
    membership->state = MEMBERSHIP_OVER;
    uv_close((uv_handle_t *)&membership->heartbeat, on_closed);
    uv_close((uv_handle_t *)&membership->wait, on_closed);
}

// host: see host.h for what it promises.
//
// clang-format off
//   REGISTERING ---> LISTENING ---> ANNOUNCING ---> SERVING ---> DRAINING ---> DEREGISTERING ---> OVER
//        |  has a lease  |  is subscribed |  bundles    |  stopped    |  workers have  |           ^
//        |               |                |  announced  |             |  ended         |           |
//        +---------------+----------------+-------------+-------------+----------------+-----------+
//           cannot go on; --drain is over; Redis does not answer a host that is stopping
// clang-format on
#include "serve/host.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/report.h"
#include "base/xmalloc.h"
#include "serve/control.h"
#include "serve/deployment.h"
#include "serve/health.h"
#include "serve/long_turns.h"
#include "serve/maintenance.h"
#include "serve/membership.h"
#include "serve/reload.h"
#include "serve/safety.h"
#include "serve/worker.h"

#include <stdatomic.h>
#include <sysexits.h>

enum {
    TICK_MS = 500,
    SILENCE_MS = 2000, // a host that is stopping waits no longer for a Redis that cannot serve
    LISTEN_MS = 100    // from one look for that to the next
};

typedef enum {
    HOST_REGISTERING,
    HOST_LISTENING,
    HOST_ANNOUNCING,
    HOST_SERVING,
    HOST_DRAINING,
    HOST_DEREGISTERING,
    HOST_OVER
} HostState;

struct Host {
    uv_loop_t *loop;
    const Config *config;
    HostEvents events;
    HostState state;
    int status; // to exit with, as far as it is known
    Outage outage;
    Primary *primary; // NULL: not under Sentinel
    Trust *trust;
    Safety *safety;
    Control *control;
    Maintenance *maintenance;
    Membership *membership;
    LongTurns *long_turns;
    Health *health;
    Reload *reload; // NULL: what was read at the start is all
    Deployment deployment;
    Batch *announcement; // NULL once it was sent
    Worker **workers;
    int worker_count;
    uv_async_t message;
    uv_timer_t tick;
    uv_timer_t drain;
    uv_timer_t listen; // while the host stops: whether Redis answers
    size_t open_handles;

    // messages of other threads
    atomic_bool stop_asked, turn_begun;
    atomic_int refused;         // the status of a Redis that cannot be trusted; 0: it can
    _Atomic int64_t lost;       // the host number whose lease a worker was told is gone
    atomic_int stopped_workers; // threads that have ended
};

static void finish(Host *host, int status) {
    if (host->state == HOST_OVER) return;
    host->state = HOST_OVER;
    if (host->status == STATUS_DONE) host->status = status;
    uv_stop(host->loop);
}

static void on_failed(void *owner, int status) {
    finish(owner, status);
}

static void on_refused(void *owner, int status) {
    Host *host = owner;
    atomic_store(&host->refused, status);
    uv_async_send(&host->message);
}

// ---- workers ------------------------------------------------------------------------------------

static void on_worker_lost(void *owner, int64_t number) {
    Host *host = owner;
    atomic_store(&host->lost, number);
    uv_async_send(&host->message);
}

static void on_worker_stopped(void *owner) {
    Host *host = owner;
    atomic_fetch_add(&host->stopped_workers, 1);
    uv_async_send(&host->message);
}

static void on_worker_turn(void *owner) {
    Host *host = owner;
    atomic_store(&host->turn_begun, true);
    uv_async_send(&host->message);
}

static void start_workers(Host *host) {
    WorkerEvents events = {host, on_worker_lost, on_worker_turn, on_worker_stopped};
    int count = (int)host->config->workers;
    host->workers = xcalloc((size_t)count, sizeof(Worker *));
    for (int i = 0; i < count; i++) {
        host->workers[i] =
            worker_start(host->config, i + 1, host->primary, host->trust, &host->outage, events);
        long_turns_add(host->long_turns, i + 1, worker_watch(host->workers[i]));
        health_add(host->health, host->workers[i]);
        worker_set_host(host->workers[i], control_host(host->control));
    }
    host->worker_count = count;
}

static void wake_all(Host *host) {
    for (int i = 0; i < host->worker_count; i++) worker_wake(host->workers[i]);
}

// Workers took no runs meanwhile.
static void on_safe(void *owner) {
    wake_all(owner);
}

static void on_wake(void *owner, int worker) {
    Host *host = owner;
    if (worker > 0 && worker <= host->worker_count) worker_wake(host->workers[worker - 1]);
}

static void on_taken(void *owner, int worker, int64_t turn, const char *run_id) {
    Host *host = owner;
    if (worker > 0 && worker <= host->worker_count)
        worker_drop(host->workers[worker - 1], turn, run_id);
}

static void on_stuck(void *owner, int worker, const char *run_id) {
    Host *host = owner;
    log_error("run %s has kept worker %d for more than %g s (--max-stuck): this process ends",
              run_id, worker, (double)host->config->stuck_ms / 1000);
    membership_abort(host->membership, run_id);
}

// ---- from registering to serving ----------------------------------------------------------------

static void serve(Host *host);
static void stop(Host *host);

static void on_registered(void *owner) {
    Host *host = owner;
    if (host->state != HOST_REGISTERING) return;
    host->state = HOST_LISTENING;
    control_listen(host->control);
}

static void announce(Host *host) {
    Batch *batch = host->announcement;
    host->announcement = NULL;
    host->state = HOST_ANNOUNCING;
    membership_renew(host->membership);
    maintenance_add_sweep(host->maintenance, batch);
    control_call(host->control, batch);
    if (!host->deployment.waiting) serve(host);
}

// Again, after a new connection: messages sent meanwhile were missed.
static void on_listening(void *owner) {
    Host *host = owner;
    if (host->state == HOST_LISTENING) {
        announce(host);
        return;
    }
    maintenance_due(host->maintenance, control_redis_ms(host->control));
    wake_all(host);
}

static void on_deployed(void *owner, int status) {
    Host *host = owner;
    if (host->state != HOST_ANNOUNCING) return;
    if (status == STATUS_DONE)
        serve(host);
    else
        finish(host, status);
}

// Runs that need nothing from Redis meanwhile may still reach their next yield.
static void give_up(Host *host) {
    if (host->state != HOST_SERVING) return;
    log_error("redis at %s: a script of weir has failed for %d s: this host ends",
              host->config->redis.url, OUTAGE_LASTS_MS / 1000);
    host->status = EX_SOFTWARE;
    stop(host);
}

static void on_tick(uv_timer_t *timer) {
    Host *host = timer->data;
    reports_tick(clock_ms());
    health_tick(host->health);
    safety_tick(host->safety);
    if (outage_lasts(&host->outage)) give_up(host);
}

static void serve(Host *host) {
    host->state = HOST_SERVING;
    trust_serve(host->trust);
    trust_save(host->trust); // before anything is acknowledged
    log_info("host %lld: node %s, %lld workers", (long long)control_host(host->control),
             host->config->node, (long long)host->config->workers);
    control_serve(host->control);
    maintenance_start(host->maintenance);
    start_workers(host);
    membership_serve(host->membership);
    uv_timer_start(&host->tick, on_tick, TICK_MS, TICK_MS);
    health_ready(host->health);
    if (host->events.on_ready) host->events.on_ready(host->events.owner);
    if (host->reload) reload_start(host->reload);
}

// ---- the lease ----------------------------------------------------------------------------------

static void on_renewed(void *owner, int64_t until_ms) {
    Host *host = owner;
    for (int i = 0; i < host->worker_count; i++) worker_renew(host->workers[i], until_ms);
}

static void on_lost(void *owner, int64_t number) {
    membership_lost(((Host *)owner)->membership, number);
}

static void on_due(void *owner, int64_t due_ms) {
    maintenance_due(((Host *)owner)->maintenance, due_ms);
}

static void on_deregistered(void *owner) {
    finish(owner, STATUS_DONE);
}

// ---- stop ---------------------------------------------------------------------------------------

static void on_drain_over(uv_timer_t *timer) {
    Host *host = timer->data;
    log_warn("not everything came to its end within --drain");
    finish(host, STATUS_DONE);
}

// The host waits for Redis alone, which may be away or full for long: a supervisor would kill the
// host. For the runs that it holds this is as if the host had died.
static void on_listen(uv_timer_t *timer) {
    Host *host = timer->data;
    bool silent = control_silence_ms(host->control) >= SILENCE_MS;
    bool refuses = outage_ms(&host->outage) >= SILENCE_MS;
    if (!(silent || refuses) || long_turns_in_lua(host->long_turns)) return;
    log_warn("Redis cannot serve now: stopping without it; the runs of this host go on elsewhere "
             "once its lease has run out");
    finish(host, STATUS_DONE);
}

static void deregister(Host *host) {
    host->state = HOST_DEREGISTERING;
    maintenance_stop(host->maintenance);
    membership_deregister(host->membership);
}

static void stop(Host *host) {
    if (host->state >= HOST_DRAINING) return;
    host->state = HOST_DRAINING;
    health_stopping(host->health);
    uv_timer_start(&host->drain, on_drain_over, (uint64_t)host->config->drain_ms, 0);
    uv_timer_start(&host->listen, on_listen, LISTEN_MS, LISTEN_MS);
    membership_leave(host->membership);
    if (host->reload) reload_stop(host->reload);
    for (int i = 0; i < host->worker_count; i++) worker_stop(host->workers[i]);
    if (!host->worker_count) deregister(host);
}

static void on_message(uv_async_t *async) {
    Host *host = async->data;
    if (host->state == HOST_OVER) return;
    int refused = atomic_load(&host->refused);
    if (refused) {
        finish(host, refused);
        return;
    }
    int64_t lost = atomic_exchange(&host->lost, 0);
    if (lost) membership_lost(host->membership, lost);
    if (atomic_exchange(&host->turn_begun, false)) long_turns_look(host->long_turns);
    if (atomic_load(&host->stop_asked)) stop(host);
    if (host->state == HOST_DRAINING && atomic_load(&host->stopped_workers) == host->worker_count)
        deregister(host);
}

void host_stop(Host *host) {
    atomic_store(&host->stop_asked, true);
    uv_async_send(&host->message);
}

void host_describe(Host *host) {
    for (int i = 0; i < host->worker_count; i++) worker_describe(host->workers[i]);
}

void host_reload(Host *host) {
    if (host->reload) reload_ask(host->reload);
}

// ---- open, run, close ---------------------------------------------------------------------------

static void open_handles(Host *host) {
    uv_async_init(host->loop, &host->message, on_message);
    uv_timer_init(host->loop, &host->tick);
    uv_timer_init(host->loop, &host->drain);
    uv_timer_init(host->loop, &host->listen);
    host->message.data = host->tick.data = host->drain.data = host->listen.data = host;
    host->open_handles = 4;
}

Host *host_open(uv_loop_t *loop, const Config *config, HostEvents events) {
    Host *host = xcalloc(1, sizeof *host);
    host->loop = loop;
    host->config = config;
    host->events = events;
    open_handles(host);
    outage_open(&host->outage, &config->redis, config->prefix);
    if (config->redis.primary) host->primary = primary_open(loop, &config->redis);
    char fault[TRUST_FAULT_SIZE];
    host->trust = trust_open(config, on_refused, host, fault);
    if (!host->trust) log_error("%s", fault);
    host->control = control_open(
        loop, config, host->primary, host->trust, &host->outage,
        (ControlEvents){host, on_lost, on_due, on_listening, on_wake, on_taken, on_failed});
    host->maintenance = maintenance_open(loop, host->control);
    host->membership = membership_open(
        loop, config, host->control, host->maintenance,
        (MembershipEvents){host, on_registered, on_renewed, on_wake, on_failed, on_deregistered});
    host->long_turns = long_turns_open(loop, host->control, config->stuck_ms, on_stuck, host);
    host->health = health_open(loop, config, &host->outage);
    host->safety = safety_open(loop, host->trust, host->control, on_safe, host);
    return host;
}

static void on_reloading(void *owner) {
    health_reloading(((Host *)owner)->health);
}

static void on_reloaded(void *owner) {
    health_reloaded(((Host *)owner)->health);
}

static void on_loaded(void *owner, const char *name, const Bundle *bundle) {
    Host *host = owner;
    for (int i = 0; i < host->worker_count; i++) worker_preload(host->workers[i], name, bundle);
}

static void on_read(void *owner, char (*seen)[BUNDLE_NAME_SIZE]) {
    Host *host = owner;
    if (host->events.on_read) host->events.on_read(host->events.owner, seen);
}

// The one run of `weir run` ends before a file is saved.
static void watch_folders(Host *host, Bundle *bundles) {
    if (host->config->command == COMMAND_RUN) return;
    ReloadEvents events = {host, on_reloading, on_reloaded, on_loaded, on_read};
    host->reload = reload_open(host->loop, host->config, host->control, bundles, events);
}

int host_run(Host *host, Bundle *bundles, size_t bundle_count) {
    if (!host->trust) return EX_CONFIG;
    watch_folders(host, bundles);
    host->announcement = control_batch(host->control);
    const Config *config = host->config;
    host->deployment = (Deployment){.config = config,
                                    .goes_back = config->announce || config->command == COMMAND_DEV,
                                    .on_done = on_deployed,
                                    .owner = host};
    int status = deployment_load(&host->deployment, bundles, bundle_count, host->announcement);
    if (status != STATUS_DONE) return status;
    membership_register(host->membership);
    while (host->state != HOST_OVER) uv_run(host->loop, UV_RUN_DEFAULT);
    return host->status;
}

static void on_closed(uv_handle_t *handle) {
    Host *host = handle->data;
    if (--host->open_handles > 0) return;
    outage_close(&host->outage);
    free(host);
}

void host_close(Host *host) {
    host->state = HOST_OVER;
    safety_close(host->safety);
    control_close(host->control);
    membership_close(host->membership);
    maintenance_close(host->maintenance);
    long_turns_close(host->long_turns);
    health_close(host->health);
    if (host->reload) reload_close(host->reload);
    batch_abandon(host->announcement);
    uv_close((uv_handle_t *)&host->tick, on_closed);
    uv_close((uv_handle_t *)&host->drain, on_closed);
    uv_close((uv_handle_t *)&host->listen, on_closed);
    if (host->primary) primary_stop(host->primary);
    // A worker that has not ended is in Lua, or waits for Redis, and may still send a message. The
    // host is not freed then; the process is about to end.
    if (atomic_load(&host->stopped_workers) < host->worker_count) {
        uv_unref((uv_handle_t *)&host->message);
        return;
    }
    for (int i = 0; i < host->worker_count; i++) worker_join(host->workers[i]);
    free(host->workers);
    if (host->primary) primary_close(host->primary);
    trust_close(host->trust);
    host->trust = NULL;
    uv_close((uv_handle_t *)&host->message, on_closed);
}

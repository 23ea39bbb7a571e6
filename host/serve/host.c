// host: see host.h for what it promises.
//
//   STARTING -- enlisted --> SERVING -- stopped --> DRAINING -- workers ended --> RETIRING --> OVER
//      |                        |                       |                            |          ^
//      +------------------------+---- cannot go on -----+----------------------------+----------+
//                                                       +-- --drain over, Redis away-+
#include "serve/host.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/report.h"
#include "base/xmalloc.h"
#include "lua/vm.h"
#include "serve/upkeep.h"
#include "serve/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sysexits.h>

enum {
    TICK_MS = 500,
    SILENCE_MS = 2000, // of Redis: then a host that is stopping waits for it no more
    LISTEN_MS = 100,   // between two looks
    WATCH_MS = 10,     // while a worker is in Lua
    FLUSH_MS = 10,     // a turn that lasts longer holds up no outcome
    LONG_MS = 50       // a turn that lasts longer keeps others waiting
};

typedef enum { HOST_STARTING, HOST_SERVING, HOST_DRAINING, HOST_RETIRING, HOST_OVER } HostState;

struct Host {
    uv_loop_t *loop;
    const Config *config;
    HostEvents events;
    HostState state;
    int status; // to exit with, as far as it is known
    Outage outage;
    Upkeep *upkeep;
    Worker **workers;
    int worker_count;
    uv_async_t message;
    uv_timer_t tick;
    uv_timer_t watch; // looks at the workers' turns, while there are any
    uv_timer_t drain;
    uv_timer_t listen; // while it stops: whether Redis answers
    size_t open_handles;

    // messages of other threads
    atomic_bool stop_asked, turn_begun;
    _Atomic int64_t lost;       // number under which a worker was refused
    atomic_int stopped_workers; // threads that have ended
};

static void finish(Host *host, int status) {
    if (host->state == HOST_OVER) return;
    host->state = HOST_OVER;
    if (host->status == STATUS_DONE) host->status = status;
    uv_stop(host->loop);
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
    host->workers = xcalloc((size_t)host->config->workers, sizeof(Worker *));
    for (; host->worker_count < (int)host->config->workers; host->worker_count++)
        host->workers[host->worker_count] =
            worker_start(host->config, host->worker_count + 1, &host->outage, events);
}

// ---- from time to time --------------------------------------------------------------------------

static void stop(Host *host);

// Runs that need no more of Redis than it does may still come to their next yield.
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
    if (outage_lasts(&host->outage)) give_up(host);
}

// ---- long turns ---------------------------------------------------------------------------------

typedef struct {
    Upkeep *upkeep;
    int worker;
} Stall;

static void see_turn(void *about, const char *id, int64_t turn, int64_t turn_ms) {
    Stall *stall = about;
    upkeep_stalled(stall->upkeep, stall->worker, id, turn, turn_ms);
}

static void take_waiting(void *about, const char *id, int64_t turn) {
    upkeep_waiting(((Stall *)about)->upkeep, id, turn);
}

static void send_gathered(void *about, const Batch *gathered) {
    Stall *stall = about;
    upkeep_send_for(stall->upkeep, stall->worker, gathered);
}

static void condemn(Host *host, int number, TurnWatch *watch) {
    const char *id = turn_watch_condemn(watch, clock_ms(), host->config->stuck_ms);
    if (!id) return;
    log_error("run %s has kept worker %d for more than %lld s: giving up this process", id, number,
              (long long)host->config->stuck_ms / 1000);
    upkeep_abort(host->upkeep, id);
}

// The main thread does for a worker what that cannot do while it is in Lua: it sends what has
// gathered before a long turn, gives the runs that wait behind it back to Redis, and ends a turn
// that does not end, with the process.
static void on_watch(uv_timer_t *timer) {
    Host *host = timer->data;
    bool active = false;
    for (int i = 0; i < host->worker_count; i++) {
        TurnWatch *watch = worker_watch(host->workers[i]);
        Stall stall = {host->upkeep, i + 1};
        TurnTaker taker = {&stall, see_turn, take_waiting};
        turn_watch_flush(watch, clock_ms(), FLUSH_MS, send_gathered, &stall);
        if (turn_watch_take(watch, clock_ms(), LONG_MS, &taker)) upkeep_relieve(host->upkeep);
        condemn(host, i + 1, watch);
        active = turn_watch_look(watch) || active;
    }
    if (!active) uv_timer_stop(&host->watch);
}

static void watch_turns(Host *host) {
    if (!uv_is_active((uv_handle_t *)&host->watch))
        uv_timer_start(&host->watch, on_watch, WATCH_MS, WATCH_MS);
}

// ---- upkeep -------------------------------------------------------------------------------------

static void on_enlisted(void *owner, int64_t number) {
    Host *host = owner;
    if (host->state != HOST_STARTING) return;
    host->state = HOST_SERVING;
    start_workers(host);
    for (int i = 0; i < host->worker_count; i++) worker_set_host(host->workers[i], number);
    uv_timer_start(&host->tick, on_tick, TICK_MS, TICK_MS);
    if (host->events.on_ready) host->events.on_ready(host->events.owner);
}

static void on_renewed(void *owner, int64_t until_ms) {
    Host *host = owner;
    for (int i = 0; i < host->worker_count; i++) worker_renew(host->workers[i], until_ms);
}

static void on_wake(void *owner, int number) {
    Host *host = owner;
    if (number > host->worker_count) return;
    if (number > 0)
        worker_wake(host->workers[number - 1]);
    else
        for (int i = 0; i < host->worker_count; i++) worker_wake(host->workers[i]);
}

static void on_failed(void *owner, int status) {
    finish(owner, status);
}

static void on_retired(void *owner) {
    finish(owner, STATUS_DONE);
}

// ---- stop ---------------------------------------------------------------------------------------

static void on_drain_over(uv_timer_t *timer) {
    Host *host = timer->data;
    log_warn("not everything came to its end within --drain");
    finish(host, STATUS_DONE);
}

static bool in_lua(const Host *host) {
    for (int i = 0; i < host->worker_count; i++)
        if (turn_watch_has_turn(worker_watch(host->workers[i]))) return true;
    return false;
}

// Only Redis is still waited for, and it may be away for long: a supervisor would kill the host.
// What cannot be told now is as if the host had died.
static void on_listen(uv_timer_t *timer) {
    Host *host = timer->data;
    if (upkeep_silence(host->upkeep) < SILENCE_MS || in_lua(host)) return;
    log_warn("Redis does not answer: stopping without it; the runs of this host go on elsewhere "
             "once its lease has run out");
    finish(host, STATUS_DONE);
}

static void retire(Host *host) {
    host->state = HOST_RETIRING;
    upkeep_retire(host->upkeep);
}

static void stop(Host *host) {
    if (host->state >= HOST_DRAINING) return;
    host->state = HOST_DRAINING;
    uv_timer_start(&host->drain, on_drain_over, (uint64_t)host->config->drain_ms, 0);
    uv_timer_start(&host->listen, on_listen, LISTEN_MS, LISTEN_MS);
    upkeep_leave(host->upkeep);
    for (int i = 0; i < host->worker_count; i++) worker_stop(host->workers[i]);
    if (!host->worker_count) retire(host);
}

static void on_message(uv_async_t *async) {
    Host *host = async->data;
    int64_t lost = atomic_exchange(&host->lost, 0);
    if (lost) upkeep_lost(host->upkeep, lost);
    if (atomic_exchange(&host->turn_begun, false)) watch_turns(host);
    if (atomic_load(&host->stop_asked)) stop(host);
    if (host->state == HOST_DRAINING && atomic_load(&host->stopped_workers) == host->worker_count)
        retire(host);
}

void host_stop(Host *host) {
    atomic_store(&host->stop_asked, true);
    uv_async_send(&host->message);
}

void host_describe(Host *host) {
    for (int i = 0; i < host->worker_count; i++) worker_describe(host->workers[i]);
}

// ---- open, run, close ---------------------------------------------------------------------------

Host *host_open(uv_loop_t *loop, const Config *config, HostEvents events) {
    Host *host = xcalloc(1, sizeof *host);
    host->loop = loop;
    host->config = config;
    host->events = events;
    uv_async_init(loop, &host->message, on_message);
    uv_timer_init(loop, &host->tick);
    uv_timer_init(loop, &host->watch);
    host->tick.data = host;
    uv_timer_init(loop, &host->drain);
    uv_timer_init(loop, &host->listen);
    host->message.data = host->watch.data = host->drain.data = host->listen.data = host;
    host->open_handles = 5;
    outage_open(&host->outage, &config->redis, config->prefix);
    host->upkeep =
        upkeep_open(loop, config, &host->outage,
                    (UpkeepEvents){host, on_enlisted, on_renewed, on_wake, on_failed, on_retired});
    return host;
}

typedef void Tell(const char *line);

static void complain(const char *line) {
    fprintf(stderr, "weir: %s\n", line);
}

static void warn(const char *line) {
    log_warn("%s", line);
}

static void tell_lines(const char *lines, Tell *tell) {
    char *copy = xstrdup(lines ? lines : ""), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        tell(line);
    free(copy);
}

enum { NAMED = 20 }; // workflows in a line of the log

static void tell_workflows(const char *folder, const char *ids) {
    if (!ids) {
        log_warn("there is no workflow in %s: this host runs only what other hosts announced",
                 folder);
        return;
    }
    char *names = xstrdup(ids);
    size_t count = 1, cut = 0;
    for (char *at = names; (at = strchr(at, '\n')); *at++ = ' ')
        if (++count == NAMED + 1) cut = (size_t)(at - names);
    if (cut) names[cut] = '\0';
    char *more = cut ? xformat(" and %zu more", count - NAMED) : xstrdup("");
    log_info("workflows in %s: %s%s", folder, names, more);
    free(more);
    free(names);
}

// All that `weir run` needs of a folder: a workflow, or a file of it.
static const char *wanted_of(const Config *config) {
    if (config->command != COMMAND_RUN) return NULL;
    const char *what = config->arguments.items[0], *slash = strrchr(what, '/');
    size_t size = strlen(what);
    bool is_file = size > 4 && strcmp(what + size - 4, ".lua") == 0;
    return is_file && slash ? slash + 1 : what;
}

static int announce_folder(const Config *config, Vm *vm, Batch *batch, const char *folder,
                           const Bundle *bundle) {
    const char *wanted = wanted_of(config);
    size_t arguments = 0;
    Findings findings;
    int status = STATUS_DONE;
    tell_lines(bundle->notes, warn);
    if (vm_announce(vm, bundle->sources, bundle->count, wanted, &arguments, &findings) == 0) {
        batch_group(batch, "announce", arguments, NULL, NULL);
        vm_take_effects(vm, batch);
        tell_lines(findings.notes, warn);
        if (!wanted) tell_workflows(folder, findings.workflows);
    } else { // as every fault that keeps a process from starting, not as log lines
        tell_lines(findings.faults, complain);
        status = EX_CONFIG;
    }
    findings_free(&findings);
    return status;
}

// Loads each bundle once, here, where its faults can still keep the host from starting.
static int announce(Host *host, Batch *batch, const Bundle *bundles, size_t count) {
    int status = STATUS_DONE;
    Vm *vm = vm_open(host->config);
    if (!vm) return EX_SOFTWARE;
    for (size_t i = 0; i < count; i++) {
        const char *folder = host->config->folders.items[i];
        int told = announce_folder(host->config, vm, batch, folder, &bundles[i]);
        if (told != STATUS_DONE) status = told;
    }
    vm_close(vm);
    return status;
}

int host_run(Host *host, const Bundle *bundles, size_t bundle_count) {
    Batch *batch = upkeep_batch(host->upkeep);
    int status = announce(host, batch, bundles, bundle_count);
    if (status != STATUS_DONE) {
        batch_free(batch);
        return status;
    }
    upkeep_start(host->upkeep, batch);
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
    upkeep_close(host->upkeep);
    uv_close((uv_handle_t *)&host->tick, on_closed);
    uv_close((uv_handle_t *)&host->watch, on_closed);
    uv_close((uv_handle_t *)&host->drain, on_closed);
    uv_close((uv_handle_t *)&host->listen, on_closed);
    // A worker that has not ended is in Lua, or waits for Redis. It may still speak to the host,
    // which is left to it; the process is about to end.
    if (atomic_load(&host->stopped_workers) < host->worker_count) {
        uv_unref((uv_handle_t *)&host->message);
        return;
    }
    for (int i = 0; i < host->worker_count; i++) worker_join(host->workers[i]);
    free(host->workers);
    uv_close((uv_handle_t *)&host->message, on_closed);
}

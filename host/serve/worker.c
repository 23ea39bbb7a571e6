// worker: see worker.h for what it promises.
//
// In each iteration of the loop, replies make runs ready. Before the loop sleeps, `pump` gives
// ready runs their turns and sends their effects as one batch. While two batches are under way, the
// next batch gathers effects for a few milliseconds. Then the worker begins no turn until that
// batch is sent, so that no outcome waits for the Lua of other runs. The worker asks for as many
// runs as fill these batches. A worker that has no effects to send and has room for runs asks once;
// from then on Redis knows that it is idle, and wakes it.
#include "serve/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "redis/store.h"
#include "serve/run.h"

#include <assert.h>
#include <stdio.h>

enum {
    UNDER_WAY = 2,                          // batches that are sent and not answered
    CLAIMED = 50,                           // runs that the reply to one batch may bring
    FULL_COST = 1000,                       // of a batch, which keeps Redis busy for about 3 ms
    GROUP_COST = 8,                         // of a group, as a number of arguments
    GATHER_NS = 4000000,                    // how long a batch gathers before turns wait for it
    AHEAD_NS = (UNDER_WAY + 1) * GATHER_NS, // how long the turns of claimed runs may take together
    FULL_BYTES = 4 * 1024 * 1024,
    SWEEP_MS = 1000, // between two checks whether the host keeps up with deletions
    BEHIND_MS = 2,   // a pause of this length between two steps means that it does not
    STACK_BYTES = 8 * 1024 * 1024
};

// A run that was taken from the worker.
typedef struct Drop {
    struct Drop *next;
    int64_t turn;
    char run_id[];
} Drop;

// A bundle that is about to go live.
typedef struct Preload {
    struct Preload *next;
    char name[BUNDLE_NAME_SIZE];
    size_t count;
    Source sources[];
} Preload;

struct Worker {
    const Config *config;
    Primary *primary; // NULL: not under Sentinel
    Trust *trust;
    Outage *outage;
    WorkerEvents events;
    int number;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t message;
    uv_timer_t due;       // the earliest wake-up of a run suspended here
    uv_prepare_t pump;    // runs before the loop sleeps
    uv_idle_t unfinished; // keeps the loop from sleeping
    Store *store;
    Runs runs;

    // messages of the main thread
    _Atomic int64_t assigned_host;
    _Atomic int64_t lease_until_ms; // no turn begins later, by clock_awake_ms
    atomic_bool woken_by_main, stop_asked, describe_asked;
    uv_mutex_t listing;
    Drop *drops;         // under the mutex
    Preload *preloads;   // likewise, the last one first
    atomic_bool held_up; // turns wait for the lease, so the main thread must tell of its renewal

    // for the main thread to read
    _Atomic uint64_t loops;
    _Atomic size_t active, waiting; // runs
    atomic_bool ended;

    int64_t seen;      // the last value of `assigned_host`
    int64_t host;      // 0: no lease
    size_t under_way;  // batches sent and not answered
    int64_t asked_for; // runs that their replies may bring
    bool idle;         // Redis knows that there is room here
    bool woken;        // runs may be ready, so it asks again
    bool connected;    // it was connected at least once
    bool asking;       // it asks which runs it owns; the store repeats that until Redis answers
    bool stopping;
    bool behind;            // the host does not keep up with deletions
    uint64_t sweep_at;      // when to check that next, by the loop's clock
    uint64_t gathers_since; // when the batch got its first group, by uv_hrtime; 0: it has none
};

// ---- room for runs ------------------------------------------------------------------------------

// How many runs this worker may have at once: its part of --concurrency.
static int64_t share(const Worker *worker) {
    int64_t workers = worker->config->workers, all = worker->config->concurrency;
    int64_t rest = worker->number <= all % workers;
    return all / workers + rest > 0 ? all / workers + rest : 1;
}

// How many more runs should wait for a turn here: as many as will get it soon. With slow turns that
// is one run, and the runs that the batches under way may bring count as well.
static int64_t wanted(const Worker *worker) {
    int64_t ahead = worker->runs.turn_ns > 0 ? AHEAD_NS / worker->runs.turn_ns : CLAIMED;
    int64_t ready = (int64_t)worker->runs.ready;
    if (ahead >= CLAIMED) return CLAIMED - ready;
    return (ahead > 1 ? ahead : 1) - ready - worker->asked_for;
}

// How many runs a batch asks for: half of the room, so that the next batch can ask as well.
static int64_t room(const Worker *worker) {
    if (worker->stopping || trust_is_unsafe(worker->trust)) return 0;
    int64_t left = share(worker) - (int64_t)worker->runs.active - worker->asked_for;
    int64_t half = left > 0 ? (left + 1) / 2 : 0, want = wanted(worker);
    if (want > half) want = half;
    return want > 0 ? want : 0;
}

static bool must_ask(const Worker *worker) {
    return worker->under_way == 0 && (worker->woken || !worker->idle) && room(worker) > 0;
}

// ---- batches ------------------------------------------------------------------------------------

static void lose(Worker *worker);
static void on_replied(void *owner, const StoreCall *call, const Answer *answer);

static void on_swept(void *about, const Reply *reply) {
    ((Worker *)about)->behind = reply_integer(reply_at(reply, 2)) == BEHIND_MS;
}

// The host deletes expired runs with its heartbeat. When workers end runs faster than that, each
// batch of a worker does a step of the deletion as well.
static void sweep(Worker *worker, Batch *batch) {
    uint64_t now = uv_now(&worker->loop);
    if (!batch->group_count || (!worker->behind && now < worker->sweep_at)) return;
    worker->sweep_at = now + SWEEP_MS;
    batch_group(batch, "sweep", 0, on_swept, worker);
}

static void send_batch(Worker *worker) {
    Batch *batch = worker->runs.batch;
    sweep(worker, batch);
    int64_t capacity = room(worker);
    worker->runs.batch = store_batch(worker->store);
    worker->gathers_since = 0;
    worker->under_way++;
    worker->asked_for += capacity;
    if (capacity > 0) worker->woken = false;
    store_call(worker->store, batch, capacity, on_replied, worker);
}

static void on_due(uv_timer_t *timer);

// The timer alone keeps the earliest wake-up, by the loop's clock: if a person sets the clock of
// Redis back, an instant that was stored before would stay the earliest.
static void set_timer(Worker *worker, int64_t wake_ms) {
    if (!wake_ms || worker->stopping) return;
    int64_t left = wake_ms - worker->runs.now_ms;
    uint64_t delay = left > 1 ? (uint64_t)left : 1;
    bool sooner =
        uv_is_active((uv_handle_t *)&worker->due) && uv_timer_get_due_in(&worker->due) <= delay;
    if (!sooner) uv_timer_start(&worker->due, on_due, delay, 0);
}

static void on_due(uv_timer_t *timer) {
    Worker *worker = timer->data; // the answer to `promote` has the next wake-up
    batch_group(worker->runs.batch, "promote", 0, NULL, NULL);
}

static void on_replied(void *owner, const StoreCall *call, const Answer *answer) {
    Worker *worker = owner;
    Runs *runs = &worker->runs;
    worker->under_way--;
    worker->asked_for -= call->capacity;
    if (!answer || answer->lost) {
        batch_settle(call->batch, NULL);
        if (answer) lose(worker);
        return;
    }

    runs->now_ms = answer->now_ms;
    batch_settle(call->batch, answer->groups);
    size_t claims = reply_count(answer->claims);
    for (size_t i = 0; i < claims; i++) runs_claim(runs, reply_at(answer->claims, i));

    if (call->resent)
        worker->idle = false; // when it was sent again, it asked for no runs
    else if (call->capacity > 0)
        worker->idle = claims == 0;
    set_timer(worker, runs->wake_ms);
    set_timer(worker, answer->next_due_ms);
    runs->wake_ms = 0;
}

// ---- turns --------------------------------------------------------------------------------------

// A batch stays below 4 MiB. A larger turn gets a batch of its own.
static void keep_light(Worker *worker) {
    Runs *runs = &worker->runs;
    if (batch_weight(runs->batch) <= FULL_BYTES || runs->batch->group_count < 2) return;
    Batch *large = batch_split(runs->batch);
    send_batch(worker);
    batch_free(runs->batch);
    runs->batch = large;
}

static bool full(const Worker *worker) {
    const Batch *batch = worker->runs.batch;
    size_t cost = batch->arguments + GROUP_COST * batch->group_count;
    return cost >= FULL_COST || batch_weight(batch) > FULL_BYTES;
}

// A host that was stopped for a while may have lost its lease unnoticed. Then other hosts run its
// runs.
static bool has_lease(Worker *worker) {
    if (clock_awake_ms() < atomic_load(&worker->lease_until_ms)) return true;
    atomic_store(&worker->held_up, true);
    return clock_awake_ms() < atomic_load(&worker->lease_until_ms); // it was renewed meanwhile
}

static bool overdue(Worker *worker) {
    if (!worker->runs.batch->group_count) return false;
    if (!worker->gathers_since) worker->gathers_since = uv_hrtime();
    return uv_hrtime() - worker->gathers_since >= GATHER_NS;
}

static bool has_turns(Worker *worker) {
    return runs_have_turn(&worker->runs) && !worker->stopping && !full(worker) &&
           !overdue(worker) && has_lease(worker);
}

static void finish(Worker *worker);

static void on_idled(uv_idle_t *idle) {
    (void)idle;
}

static void send_gathered(Worker *worker) {
    Runs *runs = &worker->runs;
    if (worker->host && worker->under_way < UNDER_WAY &&
        (runs->batch->group_count > 0 || must_ask(worker)))
        send_batch(worker);
}

static void give_turns(Worker *worker) {
    Runs *runs = &worker->runs;
    runs_drop_taken(runs);
    if (overdue(worker)) send_gathered(worker);
    while (has_turns(worker)) {
        // The time of the first turn counts: after a long turn its effects are sent at once.
        if (!runs->batch->group_count) worker->gathers_since = uv_hrtime();
        runs_turn(runs);
        keep_light(worker);
    }
    if (worker->stopping && worker->host) runs_give_back(runs);
}

// Only the worker's thread writes these.
static void publish(Worker *worker) {
    uint64_t loops = atomic_load_explicit(&worker->loops, memory_order_relaxed);
    atomic_store_explicit(&worker->loops, loops + 1, memory_order_relaxed);
    atomic_store_explicit(&worker->active, worker->runs.active, memory_order_relaxed);
    atomic_store_explicit(&worker->waiting, worker->runs.warm, memory_order_relaxed);
}

static void on_prepared(uv_prepare_t *prepare) {
    Worker *worker = prepare->data;
    publish(worker);
    give_turns(worker);
    send_gathered(worker);

    bool collects = vm_collect(worker->runs.vm);
    if (has_turns(worker) || collects)
        uv_idle_start(&worker->unfinished, on_idled);
    else
        uv_idle_stop(&worker->unfinished);
    if (worker->stopping && !worker->under_way && !worker->runs.batch->group_count) finish(worker);
}

// ---- the connection -----------------------------------------------------------------------------

static void ask_held(Worker *worker, const char *cursor);

// {"owned", cursor, run…}. A run that Redis names and this worker lacks was in a lost reply.
static void on_held(void *about, const Reply *reply) {
    Worker *worker = about;
    worker->asking = false;
    if (!reply_is(reply_at(reply, 0), "owned")) return;
    for (size_t i = 2; i < reply_count(reply); i++)
        runs_recover(&worker->runs, reply_text(reply_at(reply, i)));
    const char *cursor = reply_text(reply_at(reply, 1));
    if (strcmp(cursor, "0") != 0) ask_held(worker, cursor);
}

static void ask_held(Worker *worker, const char *cursor) {
    batch_group(worker->runs.batch, "owned", 1, on_held, worker);
    batch_text(worker->runs.batch, cursor);
}

static void on_connected(void *owner) {
    Worker *worker = owner;
    if (worker->connected && worker->host && !worker->asking) {
        worker->asking = true;
        ask_held(worker, "0");
    }
    worker->connected = true;
    worker->idle = false;
}

static void on_error(void *owner, const RedisError *before, const RedisError *now,
                     const char *why) {
    outage_change(((Worker *)owner)->outage, before, now, why);
}

// ---- the lease ----------------------------------------------------------------------------------

static void drop_all(Worker *worker) {
    Runs *runs = &worker->runs;
    store_abandon(worker->store);
    batch_abandon(runs->batch);
    runs->batch = store_batch(worker->store);
    runs_clear(runs);
    uv_timer_stop(&worker->due);
}

// Other workers may own the runs by now. The worker drops all its runs and sends nothing more, and
// the host ends.
static void lose(Worker *worker) {
    int64_t host = worker->host;
    worker->host = 0;
    drop_all(worker);
    worker->events.on_lost(worker->events.owner, host);
}

// Coroutines may be ahead of their journals. Redis names the runs that it takes for this worker's,
// and they are replayed.
static void on_loss(void *owner) {
    drop_all(owner);
}

// Called once: a host that loses its lease ends, and Redis gives it no other number.
static void set_host(Worker *worker, int64_t host) {
    char name[2 * INTEGER_TEXT];
    assert(!worker->host);
    snprintf(name, sizeof name, "%lld.%d", (long long)host, worker->number);
    store_set_worker(worker->store, name);
    worker->host = worker->seen = host;
}

// ---- messages -----------------------------------------------------------------------------------

static void describe(Worker *worker) {
    log_info("worker %d: %zu runs active, %zu waiting, %zu batches under way, %zu bundles",
             worker->number, worker->runs.active, worker->runs.warm, worker->under_way,
             worker->runs.loaded.count);
    runs_describe(&worker->runs);
}

static void on_line(void *watch, const char *line) {
    log_info("run %s is at %s", ((TurnWatch *)watch)->id, line);
}

static Drop *take_drops(Worker *worker) {
    uv_mutex_lock(&worker->listing);
    Drop *drops = worker->drops;
    worker->drops = NULL;
    uv_mutex_unlock(&worker->listing);
    return drops;
}

static Preload *take_preloads(Worker *worker) {
    uv_mutex_lock(&worker->listing);
    Preload *preloads = worker->preloads;
    worker->preloads = NULL;
    uv_mutex_unlock(&worker->listing);
    return preloads;
}

static void free_preload(Preload *preload) {
    for (size_t i = 0; i < preload->count; i++) {
        free(preload->sources[i].path);
        free(preload->sources[i].text);
    }
    free(preload);
}

static void carry_out_preloads(Worker *worker) {
    for (Preload *preload = take_preloads(worker), *next; preload; preload = next) {
        next = preload->next;
        runs_preload(&worker->runs, preload->name, preload->sources, preload->count);
        free_preload(preload);
    }
}

static void carry_out_drops(Worker *worker) {
    for (Drop *drop = take_drops(worker), *next; drop; drop = next) {
        next = drop->next;
        runs_drop(&worker->runs, drop->run_id, drop->turn);
        free(drop);
    }
}

static void on_message(uv_async_t *async) {
    Worker *worker = async->data;
    carry_out_drops(worker);
    carry_out_preloads(worker);
    int64_t assigned = atomic_load(&worker->assigned_host);
    if (assigned != worker->seen) set_host(worker, assigned);
    if (atomic_exchange(&worker->woken_by_main, false)) worker->woken = true;
    if (atomic_exchange(&worker->describe_asked, false)) describe(worker);
    if (atomic_load(&worker->stop_asked)) worker->stopping = true;
}

void worker_set_host(Worker *worker, int64_t host) {
    atomic_store(&worker->assigned_host, host);
    uv_async_send(&worker->message);
}

void worker_wake(Worker *worker) {
    atomic_store(&worker->woken_by_main, true);
    uv_async_send(&worker->message);
}

void worker_preload(Worker *worker, const char *name, const Bundle *bundle) {
    Preload *preload = xmalloc(sizeof *preload + bundle->count * sizeof *preload->sources);
    snprintf(preload->name, sizeof preload->name, "%s", name);
    preload->count = bundle->count;
    for (size_t i = 0; i < bundle->count; i++) {
        const Source *source = &bundle->sources[i];
        char *text = xmalloc(source->size + 1);
        memcpy(text, source->text, source->size);
        text[source->size] = '\0';
        preload->sources[i] = (Source){xstrdup(source->path), text, source->size};
    }
    uv_mutex_lock(&worker->listing);
    preload->next = worker->preloads;
    worker->preloads = preload;
    uv_mutex_unlock(&worker->listing);
    uv_async_send(&worker->message);
}

void worker_drop(Worker *worker, int64_t turn, const char *run_id) {
    size_t size = strlen(run_id) + 1;
    Drop *drop = xmalloc(sizeof *drop + size);
    drop->turn = turn;
    memcpy(drop->run_id, run_id, size);
    uv_mutex_lock(&worker->listing);
    drop->next = worker->drops;
    worker->drops = drop;
    uv_mutex_unlock(&worker->listing);
    uv_async_send(&worker->message);
}

void worker_stop(Worker *worker) {
    atomic_store(&worker->stop_asked, true);
    uv_async_send(&worker->message);
}

// A worker that executes Lua cannot log before its turn is over.
void worker_describe(Worker *worker) {
    char *turn = turn_watch_describe(&worker->runs.watch, clock_ms());
    if (turn) log_info("worker %d: %s", worker->number, turn);
    free(turn);
    atomic_store(&worker->describe_asked, true);
    uv_async_send(&worker->message);
}

void worker_renew(Worker *worker, int64_t until_ms) {
    atomic_store(&worker->lease_until_ms, until_ms);
    if (atomic_exchange(&worker->held_up, false)) uv_async_send(&worker->message);
}

void worker_ping(Worker *worker) {
    uv_async_send(&worker->message);
}

uint64_t worker_loops(const Worker *worker) {
    return atomic_load(&worker->loops);
}

bool worker_has_ended(const Worker *worker) {
    return atomic_load(&worker->ended);
}

WorkerLoad worker_load(const Worker *worker) {
    return (WorkerLoad){atomic_load(&worker->active), atomic_load(&worker->waiting)};
}

TurnWatch *worker_watch(Worker *worker) {
    return &worker->runs.watch;
}

// ---- the thread ---------------------------------------------------------------------------------

static void finish(Worker *worker) {
    atomic_store(&worker->ended, true);
    store_close(worker->store);
    uv_close((uv_handle_t *)&worker->due, NULL);
    uv_close((uv_handle_t *)&worker->pump, NULL);
    uv_close((uv_handle_t *)&worker->unfinished, NULL);
    uv_close((uv_handle_t *)&worker->message, NULL);
}

static void run_thread(void *data) {
    Worker *worker = data;
    Runs *runs = &worker->runs;
    runs->vm = vm_open(worker->config);
    if (!runs->vm) abort(); // the main thread could open one, so memory is used up
    vm_watch(runs->vm, (LimitEvents){&runs->watch, turn_watch_progress, turn_watch_step,
                                     turn_watch_wants_line, on_line});
    worker->store = store_open(&worker->loop, worker->config,
                               (StoreEvents){.owner = worker,
                                             .on_connected = on_connected,
                                             .on_loss = on_loss,
                                             .on_error = on_error});
    store_trust(worker->store, worker->trust);
    store_follow(worker->store, worker->primary);
    if (config_waits_for_replica(worker->config)) store_wait_for_replica(worker->store);
    runs->batch = store_batch(worker->store);
    uv_prepare_start(&worker->pump, on_prepared);

    uv_run(&worker->loop, UV_RUN_DEFAULT);
    runs_clear(runs);
    batch_free(runs->batch);
    vm_close(runs->vm);
    worker->events.on_stopped(worker->events.owner);
}

// Called on the thread of another worker, when that has left the quarantine.
static void on_free(void *about) {
    uv_async_send(&((Worker *)about)->message);
}

Worker *worker_start(const Config *config, int number, Primary *primary, Trust *trust,
                     Outage *outage, WorkerEvents events) {
    Worker *worker = xcalloc(1, sizeof *worker);
    worker->config = config;
    worker->number = number;
    worker->primary = primary;
    worker->trust = trust;
    worker->outage = outage;
    worker->events = events;
    runs_open(&worker->runs, config);
    uv_mutex_init(&worker->listing);
    worker->runs.seat.on_free = on_free;
    worker->runs.seat.about = worker;
    worker->runs.watch.on_first = events.on_turn;
    worker->runs.watch.about = events.owner;
    uv_loop_init(&worker->loop);
    uv_async_init(&worker->loop, &worker->message, on_message);
    uv_timer_init(&worker->loop, &worker->due);
    uv_prepare_init(&worker->loop, &worker->pump);
    uv_idle_init(&worker->loop, &worker->unfinished);
    worker->message.data = worker->due.data = worker->pump.data = worker;
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK_BYTES};
    int code = uv_thread_create_ex(&worker->thread, &options, run_thread, worker);
    if (code < 0) {
        log_error("cannot start a thread: %s", uv_strerror(code));
        log_flush();
        abort();
    }
    return worker;
}

void worker_join(Worker *worker) {
    uv_thread_join(&worker->thread);
    int code = uv_loop_close(&worker->loop);
    assert(code == 0);
    (void)code;
    runs_close(&worker->runs);
    for (Drop *drop = take_drops(worker), *next; drop; drop = next) {
        next = drop->next;
        free(drop);
    }
    for (Preload *preload = take_preloads(worker), *next; preload; preload = next) {
        next = preload->next;
        free_preload(preload);
    }
    uv_mutex_destroy(&worker->listing);
    free(worker);
}

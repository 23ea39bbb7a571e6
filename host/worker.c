// worker: see worker.h for what it promises.
//
// Each iteration of the loop: replies are read and mark runs ready; right before the loop would
// sleep, `pump` gives ready runs their turns and sends what they said as one batch. While two
// batches are under way the next one gathers. A worker that has nothing to say and room for runs
// asks once; then Redis knows that it is idle and wakes it.
#include "worker.h"

#include "log.h"
#include "run.h"
#include "store.h"
#include "xmalloc.h"

#include <assert.h>
#include <stdio.h>

enum {
    UNDER_WAY = 2,    // batches
    CLAIMED = 50,     // runs that one of them may bring
    FULL_COST = 1000, // of a batch: about 3 ms of Redis, which answers nobody else then
    GROUP_COST = 8,   // in arguments
    FULL_BYTES = 4 * 1024 * 1024,
    SWEEP_MS = 1000, // between two looks whether the host keeps up with what is to be deleted
    BEHIND_MS = 2,   // so short a rest between two steps means that it does not
    STACK_BYTES = 8 * 1024 * 1024
};

struct Worker {
    const Config *config;
    Troubles *troubles;
    WorkerEvents events;
    int number;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t message;
    uv_timer_t due;       // the earliest wake-up of a run suspended here
    uv_prepare_t pump;    // before the loop sleeps
    uv_idle_t unfinished; // keeps it from sleeping
    Store *store;
    Runs runs;

    // messages of the main thread
    _Atomic int64_t enlisted;
    atomic_bool woken_by_main, stop_asked, describe_asked;

    int64_t seen;      // the last of `enlisted`
    int64_t host;      // 0: no lease
    size_t under_way;  // batches sent and not answered
    int64_t asked_for; // runs that they may bring
    bool idle;         // Redis knows that there is room here
    bool woken;        // there may be runs: ask again
    bool connected;    // once, at least
    bool asking;       // what it holds: a question not answered is sent again by the store
    bool stopping;
    bool behind;       // more is to be deleted than the host keeps up with
    uint64_t sweep_at; // when to look next whether it does, by the loop's clock
};

// ---- room for runs ------------------------------------------------------------------------------

// What this worker may run at once: its part of --concurrency.
static int64_t share(const Worker *worker) {
    int64_t workers = worker->config->workers, all = worker->config->concurrency;
    int64_t rest = worker->number <= all % workers;
    return all / workers + rest > 0 ? all / workers + rest : 1;
}

// Half of the room goes with each batch, so that the one gathered meanwhile has some, too.
static int64_t room(const Worker *worker) {
    if (worker->stopping) return 0;
    int64_t left = share(worker) - (int64_t)worker->runs.active - worker->asked_for;
    int64_t half = left > 0 ? (left + 1) / 2 : 0;
    return half < CLAIMED ? half : CLAIMED;
}

static bool must_ask(const Worker *worker) {
    return worker->under_way == 0 && (worker->woken || !worker->idle) && room(worker) > 0;
}

// ---- batches ------------------------------------------------------------------------------------

static void lose(Worker *worker);
static void on_replied(void *owner, Batch *batch, const Answer *answer);

static void on_swept(void *about, const Reply *reply) {
    ((Worker *)about)->behind = reply_integer(reply_at(reply, 2)) == BEHIND_MS;
}

// The host sweeps beside its heartbeat. While that does not keep up with the runs that workers end,
// for Redis has more of their batches to do, each of these does a step of its own.
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
    worker->under_way++;
    worker->asked_for += capacity;
    if (capacity > 0) worker->woken = false;
    store_call(worker->store, batch, capacity, on_replied, worker);
}

static void on_due(uv_timer_t *timer);

// The timer alone keeps the earliest wake-up: it runs in the loop's time. Redis' clock may be put
// back, and an instant of before would be earlier than all that come after it.
static void set_timer(Worker *worker, int64_t wake_ms) {
    if (!wake_ms || worker->stopping) return;
    int64_t left = wake_ms - worker->runs.now_ms;
    uint64_t delay = left > 1 ? (uint64_t)left : 1;
    bool sooner =
        uv_is_active((uv_handle_t *)&worker->due) && uv_timer_get_due_in(&worker->due) <= delay;
    if (!sooner) uv_timer_start(&worker->due, on_due, delay, 0);
}

static void on_due(uv_timer_t *timer) {
    Worker *worker = timer->data; // the answer brings the next one
    batch_group(worker->runs.batch, "promote", 0, NULL, NULL);
}

static void on_replied(void *owner, Batch *batch, const Answer *answer) {
    Worker *worker = owner;
    Runs *runs = &worker->runs;
    worker->under_way--;
    worker->asked_for -= batch->capacity;
    if (!answer || answer->lost) {
        batch_settle(batch, NULL);
        if (answer) lose(worker);
        return;
    }

    runs->now_ms = answer->now_ms;
    batch_settle(batch, answer->groups);
    size_t claims = reply_count(answer->claims);
    for (size_t i = 0; i < claims; i++) runs_claim(runs, reply_at(answer->claims, i));

    if (batch->unknown)
        worker->idle = false; // it asked for none this time
    else if (batch->capacity > 0)
        worker->idle = (int64_t)claims < batch->capacity;
    set_timer(worker, runs->wake_ms);
    set_timer(worker, answer->next_due_ms);
    runs->wake_ms = 0;
}

// ---- turns --------------------------------------------------------------------------------------

// A batch stays below 4 MiB, but for one turn that is larger than that: it goes alone.
static void keep_light(Worker *worker) {
    Runs *runs = &worker->runs;
    if (batch_weight(runs->batch) <= FULL_BYTES || runs->batch->group_count < 2) return;
    Batch *alone = batch_split(runs->batch);
    send_batch(worker);
    batch_free(runs->batch);
    runs->batch = alone;
}

static bool full(const Worker *worker) {
    const Batch *batch = worker->runs.batch;
    size_t cost = batch->arguments + GROUP_COST * batch->group_count;
    return cost >= FULL_COST || batch_weight(batch) > FULL_BYTES;
}

static bool has_turns(const Worker *worker) {
    return runs_have_turn(&worker->runs) && !worker->stopping && !full(worker);
}

static void finish(Worker *worker);

static void on_idled(uv_idle_t *idle) {
    (void)idle;
}

static void on_prepared(uv_prepare_t *prepare) {
    Worker *worker = prepare->data;
    Runs *runs = &worker->runs;
    while (has_turns(worker)) {
        runs_turn(runs);
        keep_light(worker);
    }
    if (worker->host && worker->under_way < UNDER_WAY &&
        (runs->batch->group_count > 0 || must_ask(worker)))
        send_batch(worker);

    if (has_turns(worker))
        uv_idle_start(&worker->unfinished, on_idled);
    else
        uv_idle_stop(&worker->unfinished);
    if (worker->stopping && !worker->under_way && !runs->batch->group_count) finish(worker);
}

// ---- the connection -----------------------------------------------------------------------------

static void ask_held(Worker *worker, const char *cursor);

// {"held", cursor, run…}: those not in flight here were given by a reply that was lost.
static void on_held(void *about, const Reply *reply) {
    Worker *worker = about;
    worker->asking = false;
    if (!reply_is(reply_at(reply, 0), "held")) return;
    for (size_t i = 2; i < reply_count(reply); i++)
        runs_adopt(&worker->runs, reply_text(reply_at(reply, i)));
    const char *cursor = reply_text(reply_at(reply, 1));
    if (strcmp(cursor, "0") != 0) ask_held(worker, cursor);
}

static void ask_held(Worker *worker, const char *cursor) {
    batch_group(worker->runs.batch, "held", 1, on_held, worker);
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

static void on_trouble(void *owner, const Trouble *before, const Trouble *now, const char *why) {
    troubles_change(((Worker *)owner)->troubles, before, now, why);
}

// ---- the lease ----------------------------------------------------------------------------------

// What was under way is of no interest any more, and what is held may be somebody else's by now.
// The host ends for that; until then nothing more is said.
static void lose(Worker *worker) {
    Runs *runs = &worker->runs;
    int64_t host = worker->host;
    worker->host = 0;
    store_abandon(worker->store);
    batch_settle(runs->batch, NULL);
    batch_free(runs->batch);
    runs->batch = store_batch(worker->store);
    runs_clear(runs);
    uv_timer_stop(&worker->due);
    worker->events.on_lost(worker->events.owner, host);
}

// Once: a host that loses its lease ends, it gets no other number.
static void enlist(Worker *worker, int64_t host) {
    char name[2 * INTEGER_TEXT];
    assert(!worker->host);
    snprintf(name, sizeof name, "%lld.%d", (long long)host, worker->number);
    store_name(worker->store, name);
    worker->host = worker->seen = host;
}

// ---- messages -----------------------------------------------------------------------------------

static void describe(Worker *worker) {
    log_info("worker %d: %zu runs in flight, %zu waiting, %zu batches under way", worker->number,
             worker->runs.active, worker->runs.warm, worker->under_way);
    runs_describe(&worker->runs);
}

static void on_message(uv_async_t *async) {
    Worker *worker = async->data;
    int64_t enlisted = atomic_load(&worker->enlisted);
    if (enlisted != worker->seen) enlist(worker, enlisted);
    if (atomic_exchange(&worker->woken_by_main, false)) worker->woken = true;
    if (atomic_exchange(&worker->describe_asked, false)) describe(worker);
    if (atomic_load(&worker->stop_asked)) worker->stopping = true;
}

void worker_enlist(Worker *worker, int64_t host) {
    atomic_store(&worker->enlisted, host);
    uv_async_send(&worker->message);
}

void worker_wake(Worker *worker) {
    atomic_store(&worker->woken_by_main, true);
    uv_async_send(&worker->message);
}

void worker_stop(Worker *worker) {
    atomic_store(&worker->stop_asked, true);
    uv_async_send(&worker->message);
}

void worker_describe(Worker *worker) {
    atomic_store(&worker->describe_asked, true);
    uv_async_send(&worker->message);
}

bool worker_in_lua(Worker *worker) {
    return turn_runs(&worker->runs.watch);
}

const char *worker_condemn(Worker *worker, int64_t now_ms) {
    return turn_condemn(&worker->runs.watch, now_ms, worker->config->stuck_ms);
}

// ---- the thread ---------------------------------------------------------------------------------

static void finish(Worker *worker) {
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
    if (!runs->vm) abort(); // it could be opened in the main thread
    vm_on_progress(runs->vm, turn_progress, &runs->watch);
    worker->store = store_open(
        &worker->loop, worker->config,
        (StoreEvents){.owner = worker, .on_connected = on_connected, .on_trouble = on_trouble});
    runs->batch = store_batch(worker->store);
    uv_prepare_start(&worker->pump, on_prepared);

    uv_run(&worker->loop, UV_RUN_DEFAULT);
    runs_clear(runs);
    batch_free(runs->batch);
    vm_close(runs->vm);
    worker->events.on_stopped(worker->events.owner);
}

Worker *worker_start(const Config *config, int number, Troubles *troubles, WorkerEvents events) {
    Worker *worker = xcalloc(1, sizeof *worker);
    worker->config = config;
    worker->number = number;
    worker->troubles = troubles;
    worker->events = events;
    runs_open(&worker->runs, config);
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
    free(worker);
}

// long_turns: see long_turns.h.
#include "serve/long_turns.h"

#include "base/clock.h"
#include "base/xmalloc.h"

enum {
    LOOK_MS = 10,  // from one look to the next
    FLUSH_MS = 10, // a turn that lasts longer holds up no outcome
    LONG_MS = 50   // a turn that lasts longer keeps no run waiting
};

struct LongTurns {
    Control *control;
    uv_timer_t look;
    int64_t limit_ms;
    void (*on_stuck)(void *owner, int worker, const char *run_id);
    void *owner;
    TurnWatch **watches; // by worker, from 0
    int count;
    int64_t reported; // how many long turns Redis was told of
};

// One long turn, while it is reported.
typedef struct {
    LongTurns *turns;
    int worker;
    Batch *batch;
} Report;

static void report_turn(void *about, const char *id, int64_t turn, int64_t turn_ms) {
    Report *report = about;
    LongTurns *turns = report->turns;
    report->batch = control_batch(turns->control);
    batch_group(report->batch, "stalled", 6, NULL, NULL);
    batch_integer(report->batch, control_host(turns->control));
    batch_integer(report->batch, ++turns->reported);
    batch_integer(report->batch, report->worker);
    batch_text(report->batch, id);
    batch_integer(report->batch, turn);
    batch_integer(report->batch, turn_ms);
}

static void on_requeued(void *taken, const Reply *reply) {
    (void)reply; // also without one: the host is ending then
    turn_watch_returned(taken);
}

static void give_back(void *about, const char *id, int64_t turn, TakenRun *taken) {
    Report *report = about;
    batch_group(report->batch, "requeue", 2, on_requeued, taken);
    batch_text(report->batch, id);
    batch_integer(report->batch, turn);
}

static void send_gathered(void *about, const Batch *gathered) {
    Report *report = about;
    control_call_for(report->turns->control, report->worker, gathered);
}

static void look_at(LongTurns *turns, int worker, TurnWatch *watch) {
    Report report = {.turns = turns, .worker = worker};
    TurnTaker taker = {&report, report_turn, give_back};
    turn_watch_flush(watch, clock_ms(), FLUSH_MS, send_gathered, &report);
    if (turn_watch_take(watch, clock_ms(), LONG_MS, &taker))
        control_call(turns->control, report.batch);
    const char *stuck = turn_watch_condemn(watch, clock_ms(), turns->limit_ms);
    if (stuck) turns->on_stuck(turns->owner, worker, stuck);
}

static void on_look(uv_timer_t *timer) {
    LongTurns *turns = timer->data;
    bool active = false;
    for (int i = 0; i < turns->count; i++) {
        look_at(turns, i + 1, turns->watches[i]);
        active = turn_watch_look(turns->watches[i]) || active;
    }
    if (!active) uv_timer_stop(&turns->look);
}

void long_turns_look(LongTurns *turns) {
    if (!uv_is_active((uv_handle_t *)&turns->look))
        uv_timer_start(&turns->look, on_look, LOOK_MS, LOOK_MS);
}

bool long_turns_in_lua(const LongTurns *turns) {
    for (int i = 0; i < turns->count; i++)
        if (turn_watch_has_turn(turns->watches[i])) return true;
    return false;
}

void long_turns_add(LongTurns *turns, int worker, TurnWatch *watch) {
    turns->watches = xrealloc(turns->watches, (size_t)worker * sizeof *turns->watches);
    turns->watches[worker - 1] = watch;
    turns->count = worker;
}

LongTurns *long_turns_open(uv_loop_t *loop, Control *control, int64_t limit_ms,
                           void (*on_stuck)(void *owner, int worker, const char *run_id),
                           void *owner) {
    LongTurns *turns = xcalloc(1, sizeof *turns);
    turns->control = control;
    turns->limit_ms = limit_ms;
    turns->on_stuck = on_stuck;
    turns->owner = owner;
    uv_timer_init(loop, &turns->look);
    turns->look.data = turns;
    return turns;
}

static void on_closed(uv_handle_t *timer) {
    LongTurns *turns = timer->data;
    free(turns->watches);
    free(turns);
}

void long_turns_close(LongTurns *turns) {
    uv_close((uv_handle_t *)&turns->look, on_closed);
}

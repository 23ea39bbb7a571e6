// maintenance: see maintenance.h.
#include "serve/maintenance.h"

#include "base/xmalloc.h"

struct Maintenance {
    Control *control;
    uv_timer_t sweep; // the next step, when there is more to delete
    uv_timer_t due;   // the next wake-up of any run
    size_t open_timers;
    int64_t due_ms; // by the clock of Redis, 0: none
    bool active;
    bool sweeping;
    bool promoting;
};

// ---- sweep --------------------------------------------------------------------------------------

static void on_sweep(uv_timer_t *timer);

// {"swept", runs, ms until the next step, 0: there is none}
static void on_swept(void *about, const Reply *reply) {
    Maintenance *maintenance = about;
    maintenance->sweeping = false;
    int64_t pause_ms = reply_integer(reply_at(reply, 2));
    if (maintenance->active && pause_ms > 0)
        uv_timer_start(&maintenance->sweep, on_sweep, (uint64_t)pause_ms, 0);
}

// A full Redis accepts the other groups only in a batch that frees memory. So a step goes with each
// heartbeat, and with the batches that begin a host.
void maintenance_add_sweep(Maintenance *maintenance, Batch *batch) {
    if (maintenance->sweeping) return;
    maintenance->sweeping = true;
    batch_group(batch, "sweep", 0, on_swept, maintenance);
}

static void on_sweep(uv_timer_t *timer) {
    Maintenance *maintenance = timer->data;
    if (maintenance->sweeping || !maintenance->active) return;
    Batch *batch = control_batch(maintenance->control);
    maintenance_add_sweep(maintenance, batch);
    control_call(maintenance->control, batch);
}

// ---- promote ------------------------------------------------------------------------------------

static void on_promoted(void *about, const Reply *reply) {
    (void)reply;
    ((Maintenance *)about)->promoting = false;
}

static void on_due(uv_timer_t *timer) {
    Maintenance *maintenance = timer->data;
    maintenance->due_ms = 0; // the answer brings the next one
    if (maintenance->promoting || !maintenance->active) return;
    maintenance->promoting = true;
    Batch *batch = control_batch(maintenance->control);
    batch_group(batch, "promote", 0, on_promoted, maintenance);
    control_call(maintenance->control, batch);
}

// Starts the timer again also for the same instant: the clock of Redis may have been put forward,
// and the loop's stands still while the machine sleeps.
void maintenance_due(Maintenance *maintenance, int64_t due_ms) {
    if (!maintenance->due_ms || due_ms < maintenance->due_ms) maintenance->due_ms = due_ms;
    int64_t left = maintenance->due_ms - control_redis_ms(maintenance->control);
    uv_timer_start(&maintenance->due, on_due, left > 1 ? (uint64_t)left : 1, 0);
}

// ---- open and close -----------------------------------------------------------------------------

void maintenance_start(Maintenance *maintenance) {
    maintenance->active = true;
}

void maintenance_stop(Maintenance *maintenance) {
    maintenance->active = false;
}

bool maintenance_is_active(const Maintenance *maintenance) {
    return maintenance->active;
}

Maintenance *maintenance_open(uv_loop_t *loop, Control *control) {
    Maintenance *maintenance = xcalloc(1, sizeof *maintenance);
    maintenance->control = control;
    uv_timer_init(loop, &maintenance->sweep);
    uv_timer_init(loop, &maintenance->due);
    maintenance->sweep.data = maintenance->due.data = maintenance;
    maintenance->open_timers = 2;
    return maintenance;
}

static void on_closed(uv_handle_t *timer) {
    Maintenance *maintenance = timer->data;
    if (--maintenance->open_timers == 0) free(maintenance);
}

void maintenance_close(Maintenance *maintenance) {
    maintenance->active = false;
    uv_close((uv_handle_t *)&maintenance->sweep, on_closed);
    uv_close((uv_handle_t *)&maintenance->due, on_closed);
}

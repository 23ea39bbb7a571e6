// safety: see safety.h.
#include "serve/safety.h"

#include "base/xmalloc.h"

#include <stdbool.h>

enum { LOOK_TICKS = 6, SAVE_TICKS = 2 };

struct Safety {
    uv_loop_t *loop;
    Trust *trust;
    Control *control;
    void (*on_safe)(void *owner);
    void *owner;
    uv_work_t save;
    uv_sem_t saved; // posted by the thread that has saved the mark
    int ticks;
    bool saving, closed;
};

static void on_save(uv_work_t *work) {
    Safety *safety = work->data;
    trust_save(safety->trust);
    uv_sem_post(&safety->saved);
}

static void discard(Safety *safety) {
    uv_sem_destroy(&safety->saved);
    free(safety);
}

static void on_saved(uv_work_t *work, int status) {
    (void)status;
    Safety *safety = work->data;
    safety->saving = false;
    if (safety->closed)
        discard(safety);
    else
        uv_sem_wait(&safety->saved);
}

// On another thread: the disk may take longer than the lease lasts.
static void save(Safety *safety) {
    if (safety->saving) return;
    safety->saving = uv_queue_work(safety->loop, &safety->save, on_save, on_saved) == 0;
}

void safety_tick(Safety *safety) {
    safety->ticks++;
    if (safety->ticks % SAVE_TICKS == 0) save(safety);
    if (safety->ticks % LOOK_TICKS == 0)
        control_read_settings(safety->control, safety->on_safe, safety->owner);
}

Safety *safety_open(uv_loop_t *loop, Trust *trust, Control *control, void (*on_safe)(void *owner),
                    void *owner) {
    Safety *safety = xcalloc(1, sizeof *safety);
    safety->loop = loop;
    safety->trust = trust;
    safety->control = control;
    safety->on_safe = on_safe;
    safety->owner = owner;
    safety->save.data = safety;
    if (uv_sem_init(&safety->saved, 0) < 0) abort();
    return safety;
}

// The other thread must be done: it writes the same file, and the trust is freed next.
void safety_close(Safety *safety) {
    bool writes = safety->saving && uv_cancel((uv_req_t *)&safety->save) < 0;
    if (writes) uv_sem_wait(&safety->saved);
    trust_save(safety->trust);
    safety->closed = true;
    if (!safety->saving) discard(safety);
}

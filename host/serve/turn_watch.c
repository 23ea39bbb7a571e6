// turn_watch: see turn_watch.h for what it promises.
#include "serve/turn_watch.h"

#include "base/clock.h"
#include "base/xmalloc.h"

#include <string.h>
#include <unistd.h>
#include <utlist.h>

struct TakenRun {
    TakenRun *prev, *next;
    TurnWatch *watch;
    char *id;
};

void turn_watch_open(TurnWatch *watch) {
    *watch = (TurnWatch){.unwatched = true};
    pthread_mutex_init(&watch->lock, NULL);
}

void turn_watch_close(TurnWatch *watch) {
    pthread_mutex_destroy(&watch->lock);
}

// ---- the worker's thread ------------------------------------------------------------------------

void turn_watch_add(TurnWatch *watch, WaitingRun *run) {
    pthread_mutex_lock(&watch->lock);
    DL_APPEND(watch->waiting, run);
    pthread_mutex_unlock(&watch->lock);
}

void turn_watch_ready(TurnWatch *watch, WaitingRun *run, bool last) {
    pthread_mutex_lock(&watch->lock);
    run->ready = true;
    run->last = last;
    if (!run->taken) {
        DL_DELETE(watch->waiting, run);
        DL_APPEND(watch->waiting, run);
    }
    pthread_mutex_unlock(&watch->lock);
}

void turn_watch_remove(TurnWatch *watch, WaitingRun *run) {
    pthread_mutex_lock(&watch->lock);
    if (run->taken)
        DL_DELETE(watch->taken, run);
    else
        DL_DELETE(watch->waiting, run);
    run->taken = run->ready = false;
    pthread_mutex_unlock(&watch->lock);
}

WaitingRun *turn_watch_next(TurnWatch *watch, bool suspects) {
    WaitingRun *run, *suspect = NULL;
    pthread_mutex_lock(&watch->lock);
    DL_FOREACH(watch->waiting, run) {
        if (run->ready && !run->last) break;
        if (run->ready && !suspect) suspect = run;
    }
    if (!run && suspects) run = suspect;
    if (run) {
        DL_DELETE(watch->waiting, run);
        run->ready = false;
    }
    pthread_mutex_unlock(&watch->lock);
    return run;
}

WaitingRun *turn_watch_taken(TurnWatch *watch) {
    pthread_mutex_lock(&watch->lock);
    WaitingRun *run = watch->taken;
    pthread_mutex_unlock(&watch->lock);
    return run;
}

bool turn_watch_is_returning(TurnWatch *watch, const char *id) {
    TakenRun *taken;
    pthread_mutex_lock(&watch->lock);
    DL_FOREACH(watch->returning, taken) if (strcmp(taken->id, id) == 0) break;
    pthread_mutex_unlock(&watch->lock);
    return taken;
}

void turn_watch_begin(TurnWatch *watch, const WaitingRun *run, const struct Batch *gathered) {
    pthread_mutex_lock(&watch->lock);
    bool first = watch->unwatched;
    watch->unwatched = watch->reported = watch->flushed = false;
    watch->gathered = gathered;
    watch->turns++;
    watch->id = run->id;
    watch->turn = run->turn;
    watch->entered_ms = clock_ms();
    atomic_store(&watch->since_ms, watch->entered_ms);
    pthread_mutex_unlock(&watch->lock);
    if (first && watch->on_first) watch->on_first(watch->about);
}

void turn_watch_end(TurnWatch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->id = NULL;
    *watch->step = '\0'; // Lua may have been left by an error
    atomic_store(&watch->line_wanted, false);
    bool condemned = watch->condemned;
    pthread_mutex_unlock(&watch->lock);
    while (condemned) pause(); // the main thread blames this run and aborts
}

void turn_watch_progress(void *watch) {
    atomic_store(&((TurnWatch *)watch)->since_ms, clock_ms());
}

void turn_watch_step(void *about, const char *id, const char *line) {
    TurnWatch *watch = about;
    pthread_mutex_lock(&watch->lock);
    if (id)
        snprintf(watch->step, sizeof watch->step, "\"%s\" at %s", id, line ? line : "?");
    else
        *watch->step = '\0';
    pthread_mutex_unlock(&watch->lock);
}

bool turn_watch_wants_line(void *watch) {
    return atomic_exchange(&((TurnWatch *)watch)->line_wanted, false);
}

// ---- the main thread ----------------------------------------------------------------------------

bool turn_watch_has_turn(TurnWatch *watch) {
    pthread_mutex_lock(&watch->lock);
    bool has_turn = watch->id;
    pthread_mutex_unlock(&watch->lock);
    return has_turn;
}

char *turn_watch_describe(TurnWatch *watch, int64_t now_ms) {
    char *text = NULL;
    pthread_mutex_lock(&watch->lock);
    if (watch->id) {
        text = xformat("run %s has had its turn for %.3f s, %s%s", watch->id,
                       (double)(now_ms - watch->entered_ms) / 1000,
                       *watch->step ? "in step " : "outside of a step", watch->step);
        atomic_store(&watch->line_wanted, true);
    }
    pthread_mutex_unlock(&watch->lock);
    return text;
}

bool turn_watch_look(TurnWatch *watch) {
    pthread_mutex_lock(&watch->lock);
    bool active = watch->id || watch->turns != watch->turns_seen;
    watch->turns_seen = watch->turns;
    watch->unwatched = !active;
    pthread_mutex_unlock(&watch->lock);
    return active;
}

void turn_watch_flush(TurnWatch *watch, int64_t now_ms, int64_t limit_ms,
                      void (*send)(void *about, const struct Batch *gathered), void *about) {
    pthread_mutex_lock(&watch->lock);
    bool over = watch->id && !watch->flushed && now_ms - watch->entered_ms >= limit_ms;
    if (over) {
        watch->flushed = true;
        if (watch->gathered) send(about, watch->gathered);
    }
    pthread_mutex_unlock(&watch->lock);
}

static TakenRun *add_returning(TurnWatch *watch, const WaitingRun *run) {
    TakenRun *taken = xmalloc(sizeof *taken);
    *taken = (TakenRun){.watch = watch, .id = xstrdup(run->id)};
    DL_APPEND(watch->returning, taken);
    return taken;
}

void turn_watch_returned(TakenRun *taken) {
    TurnWatch *watch = taken->watch;
    pthread_mutex_lock(&watch->lock);
    DL_DELETE(watch->returning, taken);
    pthread_mutex_unlock(&watch->lock);
    free(taken->id);
    free(taken);
}

bool turn_watch_take(TurnWatch *watch, int64_t now_ms, int64_t limit_ms, const TurnTaker *taker) {
    WaitingRun *run, *next;
    pthread_mutex_lock(&watch->lock);
    int64_t turn_ms = now_ms - watch->entered_ms;
    bool over = watch->id && !watch->reported && turn_ms >= limit_ms;
    if (over) {
        watch->reported = true;
        taker->see(taker->about, watch->id, watch->turn, turn_ms);
        DL_FOREACH_SAFE(watch->waiting, run, next) {
            taker->take(taker->about, run->id, run->turn, add_returning(watch, run));
            DL_DELETE(watch->waiting, run);
            DL_APPEND(watch->taken, run);
            run->taken = true;
        }
    }
    pthread_mutex_unlock(&watch->lock);
    return over;
}

const char *turn_watch_condemn(TurnWatch *watch, int64_t now_ms, int64_t limit_ms) {
    pthread_mutex_lock(&watch->lock);
    bool over =
        watch->id && !watch->condemned && now_ms - atomic_load(&watch->since_ms) >= limit_ms;
    if (over) watch->condemned = true;
    const char *id = over ? watch->id : NULL;
    pthread_mutex_unlock(&watch->lock);
    return id;
}

// turn_watch: the runs that wait for their turn on a worker, and the one that has it, for the main
// thread to see.
//
// A worker's thread cannot act while it is in Lua. So the main thread looks here: it takes away
// runs that wait behind a long turn, tells Redis which run has the turn, and condemns a turn that
// does not end. The worker's thread owns the runs; it adds, takes and frees them under the lock of
// the watch.
#ifndef WEIR_TURN_WATCH_H
#define WEIR_TURN_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// The part of a run that other threads may read. Its owner embeds it.
typedef struct WaitingRun WaitingRun;
struct WaitingRun {
    WaitingRun *prev, *next;
    const char *id;
    int64_t turn; // the number of the turn that it waits for
    bool ready;   // it may have it now
    bool last;    // a suspect: it has its turn when no other run is ready
    bool taken;   // the main thread gives it back to Redis; the worker must forget it
};

// A run that was taken away, until Redis has answered that it has it back.
typedef struct TakenRun TakenRun;

enum { TURN_STEP_SIZE = 256 };

typedef struct {
    pthread_mutex_t lock;
    WaitingRun *waiting;           // for their turn, first come first
    WaitingRun *taken;             // taken away, until the worker forgets them
    TakenRun *returning;           // taken away, until Redis has answered
    const struct Batch *gathered;  // effects of other runs that were not sent yet, or NULL
    const char *id;                // the run whose turn it is, NULL: none
    int64_t turn;                  // its number
    int64_t entered_ms;            // when the turn began, by clock_ms
    _Atomic int64_t since_ms;      // when the turn began or last replayed an operation
    uint64_t turns;                // begun so far
    uint64_t turns_seen;           // by the last look
    bool unwatched;                // the main thread does not look until it is told of a turn
    bool reported;                 // the main thread has told Redis of this turn
    bool flushed;                  // and has sent what had gathered before it
    char step[TURN_STEP_SIZE];     // `"id" at file:line`: its body runs; "": none does
    atomic_bool line_wanted;       // the worker logs where in Lua the turn is
    bool condemned;                // the turn never ends: the process is about to abort
    void (*on_first)(void *about); // a turn begins that the main thread does not watch; may be NULL
    void *about;
} TurnWatch;

void turn_watch_open(TurnWatch *watch);
void turn_watch_close(TurnWatch *watch);

// ---- for the worker's thread

// The run waits for its turn; it may have it now, behind all others; it waits no more, also when it
// was taken.
void turn_watch_add(TurnWatch *watch, WaitingRun *run);
void turn_watch_ready(TurnWatch *watch, WaitingRun *run, bool last);
void turn_watch_remove(TurnWatch *watch, WaitingRun *run);
// Takes out the next ready run, or NULL; with `suspects`, a suspect when no other run is ready.
WaitingRun *turn_watch_next(TurnWatch *watch, bool suspects);
// A run that the main thread has taken away, or NULL.
WaitingRun *turn_watch_taken(TurnWatch *watch);
// Whether a run of this id was taken away and Redis has not answered: it may still say that the
// worker owns the run.
bool turn_watch_is_returning(TurnWatch *watch, const char *id);
// Until the turn ends nothing is added to `gathered`.
void turn_watch_begin(TurnWatch *watch, const WaitingRun *run, const struct Batch *gathered);
// Does not return when the turn was condemned: the process is about to abort.
void turn_watch_end(TurnWatch *watch);
// The turn has replayed an operation: the time that it may take begins anew. `watch` is a
// TurnWatch.
void turn_watch_progress(void *watch);

// Notes the step that the run executes in its turn. `watch` is a TurnWatch; see LimitEvents.
void turn_watch_step(void *watch, const char *id, const char *line);
bool turn_watch_wants_line(void *watch);

// ---- for the main thread

// One line about the turn that is under way, to be freed; NULL: none is. When Lua runs, the worker
// gets to know by turn_watch_wants_line that its line is wanted, too.
char *turn_watch_describe(TurnWatch *watch, int64_t now_ms);

// Whether Lua runs.
bool turn_watch_has_turn(TurnWatch *watch);

// Whether a turn was under way since the last look. If not, `on_first` tells of the next one.
bool turn_watch_look(TurnWatch *watch);

// When the turn has lasted for `limit_ms`: calls `send`, once and under the lock, with the effects
// that had gathered before it, if there are any. The worker will send them, too.
void turn_watch_flush(TurnWatch *watch, int64_t now_ms, int64_t limit_ms,
                      void (*send)(void *about, const struct Batch *gathered), void *about);

// When the turn has lasted for `limit_ms`, once: calls `see` with the run that has the turn and for
// how long, then `take` for each run that waits, which is thereby taken away. Both are called under
// the lock and must be short. `taken` goes to turn_watch_returned once Redis has answered, or when
// Redis is not asked any more.
typedef struct {
    void *about;
    void (*see)(void *about, const char *id, int64_t turn, int64_t turn_ms);
    void (*take)(void *about, const char *id, int64_t turn, TakenRun *taken);
} TurnTaker;
bool turn_watch_take(TurnWatch *watch, int64_t now_ms, int64_t limit_ms, const TurnTaker *taker);
void turn_watch_returned(TakenRun *taken);

// The run whose turn has lasted for `limit_ms` without replaying an operation, or NULL. The worker
// stops for good at the end of that turn, so the id stays valid; the caller must abort.
const char *turn_watch_condemn(TurnWatch *watch, int64_t now_ms, int64_t limit_ms);

#endif

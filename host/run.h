// run: the runs of one worker, each from its claim until it is settled or lost.
//
// A run that Redis gave to this worker is in `Runs` exactly as long as the worker may speak for it.
// What a run has to say is appended to `batch`, which the worker sends; each group's reply comes
// back here. Knows states and turns, not verbs, not sockets, not threads.
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include "batch.h"
#include "config.h"
#include "vm.h"

#include <stdatomic.h>

typedef struct Run Run;
typedef struct Fetch Fetch;

// Where another thread sees that a turn does not end. The worker writes the beginning, then 0.
typedef struct {
    _Atomic int64_t began_ms; // 0: Lua does not run; TURN_CONDEMNED: it never ends its turn
    const char *_Atomic id;   // of the run whose turn it is
} TurnWatch;

enum { TURN_CONDEMNED = -1 };

typedef struct {
    const Config *config;
    Vm *vm;
    Batch *batch;    // gathers; never NULL
    int64_t now_ms;  // Redis' clock in the last answer
    int64_t wake_ms; // earliest wake-up of the runs that this answer suspends, 0: none
    size_t active;   // runs that are not waiting
    size_t warm;     // runs that are
    TurnWatch watch;

    Run *by_id;
    Run *ready;   // first come first
    Run *waiting; // least recently used first
    Run *alone;   // a suspect: no other turn begins before its own is recorded
    Fetch *fetches;
} Runs;

// The worker's thread gives it `vm` and `batch`.
void runs_open(Runs *runs, const Config *config);
// Forgets them all. No group that speaks of one may be under way.
void runs_clear(Runs *runs);

// Takes one claim: {"cold", …} or {"warm", …}.
void runs_claim(Runs *runs, const Reply *claim);

// Redis counts this run as running here. If it is not in flight, the reply that gave it was lost.
void runs_adopt(Runs *runs, const char *id);

// Whether a run may have its turn now.
bool runs_have_turn(const Runs *runs);
// Gives it its turn.
void runs_turn(Runs *runs);

// What each of them is doing, to the log.
void runs_describe(Runs *runs);

// The turn that `watch`, a TurnWatch, sees has come on: its time counts anew.
void turn_progress(void *watch);

// Whether Lua runs. Any thread.
bool turn_runs(TurnWatch *watch);

// For the watchdog, from any thread: the run whose turn has taken longer than `limit_ms`, or NULL.
// Its worker is stopped at the end of that turn for good, so the id stays valid: the caller must
// abort.
const char *turn_condemn(TurnWatch *watch, int64_t now_ms, int64_t limit_ms);

#endif

// run: the runs of one worker, each from its claim until Redis gives it to another worker or has
// recorded its end.
//
// A run is in `Runs` exactly as long as the worker may send effects for it. This file appends the
// groups of a run to `batch`, which the worker sends, and handles their replies. This file knows
// the states and turns of runs, but no durable verbs and no sockets. Other threads read a run only
// through turn_watch.h and quarantine.h.
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include "config/config.h"
#include "lua/vm.h"
#include "redis/batch.h"
#include "serve/loaded.h"
#include "serve/quarantine.h"
#include "serve/turn_watch.h"

typedef struct Run Run;
typedef struct Fetch Fetch;

typedef struct {
    const Config *config;
    Vm *vm;
    Batch *batch;      // the next batch to send; never NULL
    int64_t now_ms;    // the clock of Redis in the last answer
    int64_t wake_ms;   // earliest wake-up of the runs that this answer suspends, 0: none
    size_t active;     // runs that are not suspended
    size_t warm;       // suspended runs
    size_t warm_bytes; // Lua memory of the suspended runs
    size_t ready;      // runs that wait for their turn
    size_t suspects;   // ready runs that must be in quarantine for their turn
    int64_t turn_ns;   // the average length of the last turns
    TurnWatch watch;   // the ready runs, in order
    Seat seat;         // in the quarantine of suspects
    LoadedBundles loaded;

    Run *by_id;
    Run *waiting;  // least recently used first
    Run *isolated; // the suspect that is in quarantine
    Fetch *fetches;
} Runs;

// The worker sets `vm` and `batch` on its thread.
void runs_open(Runs *runs, const Config *config);
// Drops all runs. No group of a run may be under way.
void runs_clear(Runs *runs);
// Call it after runs_clear, when no other thread reads the runs.
void runs_close(Runs *runs);

// Takes a run that Redis gave to this worker: {"cold", …} or {"warm", …}.
void runs_claim(Runs *runs, const Reply *claim);

// Redis says that this worker owns the run. If the worker has no such run, the reply with its claim
// was lost, and the worker loads it.
void runs_recover(Runs *runs, const char *id);

// Redis took this waiting run away at this turn. If it has come back since, it is at another turn.
void runs_drop(Runs *runs, const char *id, int64_t turn);

// Loads a bundle that new attempts will need soon.
void runs_preload(Runs *runs, const char *name, const Source *sources, size_t count);

// Whether a run may get its turn now.
bool runs_have_turn(const Runs *runs);
// Gives the next run its turn.
void runs_turn(Runs *runs);

// Gives back the runs that wait for a turn, as this worker begins no more turns.
void runs_give_back(Runs *runs);

// Drops the runs that the main thread has taken away and gives back to Redis.
void runs_drop_taken(Runs *runs);

// Logs the state of runs, first of those that do not wait, and of some dozens at most.
void runs_describe(Runs *runs);

#endif

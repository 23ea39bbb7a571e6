// run: the runs of one worker, each from its claim until it is settled or lost.
//
// A run that Redis gave to this worker is in `Runs` exactly as long as the worker may speak for it.
// What a run has to say is appended to `batch`, which the worker sends; each group's reply comes
// back here. Knows states and turns, not verbs, not sockets, not threads.
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include "config/config.h"
#include "lua/vm.h"
#include "redis/batch.h"
#include "serve/quarantine.h"
#include "serve/turn_watch.h"

typedef struct Run Run;
typedef struct Fetch Fetch;

typedef struct {
    const Config *config;
    Vm *vm;
    Batch *batch;      // gathers; never NULL
    int64_t now_ms;    // Redis' clock in the last answer
    int64_t wake_ms;   // earliest wake-up of the runs that this answer suspends, 0: none
    size_t active;     // runs that are not waiting
    size_t warm;       // runs that are
    size_t warm_bytes; // of Lua memory that these hold
    size_t ready;      // runs that wait for their turn
    size_t suspects;   // of these, those that must have it alone
    int64_t turn_ns;   // how long a turn takes, by what the last ones took
    TurnWatch watch;   // has those that are ready, in order
    Seat seat;         // in the quarantine of suspects

    Run *by_id;
    Run *waiting;  // least recently used first
    Run *isolated; // the suspect that is inside the quarantine
    Fetch *fetches;
} Runs;

// The worker's thread gives it `vm` and `batch`.
void runs_open(Runs *runs, const Config *config);
// Forgets them all. No group that speaks of one may be under way.
void runs_clear(Runs *runs);
// After runs_clear, when no other thread looks any more.
void runs_close(Runs *runs);

// Takes one claim: {"cold", …} or {"warm", …}.
void runs_claim(Runs *runs, const Reply *claim);

// Redis counts this run as running here. If it is not in flight, the reply that gave it was lost.
void runs_recover(Runs *runs, const char *id);

// Whether a run may have its turn now.
bool runs_have_turn(const Runs *runs);
// Gives it its turn.
void runs_turn(Runs *runs);

// Gives back what waits for its turn, as this worker begins no more turns.
void runs_give_back(Runs *runs);

// Forgets what the main thread has taken away and gives back to Redis.
void runs_drop_taken(Runs *runs);

// What each of them is doing, to the log.
void runs_describe(Runs *runs);

#endif

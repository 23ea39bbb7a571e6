// run: see run.h for what it promises.
//
// clang-format off
//            claim cold                             claim warm
//                |                                      |
//                +---- its bundle is not here           +---- its coroutine is not here
//                |          |                           |          |
//                |      FETCHING -- sources came --> LOADING <-----+-- a page came, not the last
//                |                                   |  |
//                |  +------ all of it has come ------+  |
//                v  v                                   v
//              READY <------------------------------ WAITING
//               |  ^                                    ^
//          turn |  | running: more has come             | suspended: it stays warm
//               v  |                                    |
//           RUNNING -- effects are in the batch --> CALLING -- done, not owner --> freed
//                                                     | conflict: its record is asked for
//                                                     v
//                                                  LOADING
// clang-format on
//
// In LOADING and CALLING exactly one group of the run is under way, and only its reply changes the
// state. In READY, FETCHING and WAITING no group is. While a run waits for its turn (LOADING,
// FETCHING, READY), the main thread may take it away and give it back to Redis (turn_watch.h).
#include "serve/run.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "redis/reply.h"

#include <assert.h>
#include <stdio.h>
#include <uthash.h>
#include <utlist.h>
#include <uv.h>

typedef enum {
    RUN_LOADING,  // the worker has asked for its record
    RUN_FETCHING, // the worker has asked for the sources of its bundle
    RUN_READY,    // it waits for its turn
    RUN_RUNNING,  // it executes Lua
    RUN_CALLING,  // the effects of its turn are on the way to Redis
    RUN_WAITING,  // warm: suspended in Redis, its coroutine is kept here
} RunState;

static const char *const state_names[] = {"loading", "fetching", "ready",
                                          "running", "calling",  "waiting"}; // ORDER RunState

struct Run {
    WaitingRun place; // in the turn watch; first, so that its address is the run's
    UT_hash_handle hh;
    Run *prev, *next; // in `waiting`
    Runs *runs;
    VmRun *lua;           // NULL while FETCHING, and while LOADING before the first page
    Fetch *fetch;         // when FETCHING
    LoadedBundle *bundle; // of `lua`; also NULL for the bundle without a name
    char *fault;          // why its bundle could not be loaded
    RunState state;
    int64_t known;         // highest number of the outcomes delivered here
    int64_t crashes;       // processes that crashed while they ran it, in a row
    int64_t recorded_ms;   // when Redis recorded its last turn here
    size_t warm_bytes;     // when WAITING: its part of Runs.warm_bytes
    bool never_speculates; // because a speculation of it was wrong
    bool refused;          // Redis refused the effects of its last turn
    bool in_line;          // it is in the turn watch
    bool asked;            // a group under way asks for its record
    bool disowned;         // the worker dropped it meanwhile: the reply to that group frees it
    Reports reports;       // of its last turn, which Redis has not recorded yet
    char id[];
};

// One request for the sources of a bundle, for all runs that need them.
struct Fetch {
    Fetch *prev, *next;
    Runs *runs;
    char hash[];
};

static const char FIRST_PAGE[] = "0";

// ---- bookkeeping --------------------------------------------------------------------------------

static Run *find(Runs *runs, const char *id) {
    Run *run;
    HASH_FIND_STR(runs->by_id, id, run);
    return run;
}

static Run *add(Runs *runs, const char *id) {
    size_t length = strlen(id);
    Run *run = xcalloc(1, sizeof *run + length + 1);
    memcpy(run->id, id, length + 1);
    run->place.id = run->id;
    run->runs = runs;
    run->state = RUN_LOADING;
    HASH_ADD_KEYPTR(hh, runs->by_id, run->id, length, run);
    runs->active++;
    return run;
}

enum { SUSPECT_CRASHES = 2 };

static bool is_suspect(const Run *run) {
    return run->crashes >= SUSPECT_CRASHES;
}

static void count_ready(Run *run, size_t change) {
    run->runs->ready += change;
    if (run->place.last) run->runs->suspects += change;
}

// From here on the main thread may take the run away, as the number of its turn is known.
static void enter_line(Run *run) {
    if (run->in_line) return;
    run->in_line = true;
    turn_watch_add(&run->runs->watch, &run->place);
}

static void make_ready(Run *run) {
    run->state = RUN_READY;
    enter_line(run);
    turn_watch_ready(&run->runs->watch, &run->place, is_suspect(run));
    count_ready(run, 1);
}

// The run no longer waits for its turn.
static void leave_line(Run *run) {
    if (!run->in_line) return;
    if (run->state == RUN_READY) count_ready(run, (size_t)-1);
    run->in_line = false;
    turn_watch_remove(&run->runs->watch, &run->place);
}

static void count_warm(Run *run, size_t bytes) {
    run->runs->warm_bytes += bytes - run->warm_bytes;
    run->warm_bytes = bytes;
}

static void leave_warm(Run *run) {
    DL_DELETE(run->runs->waiting, run);
    run->runs->warm--;
    count_warm(run, 0);
}

static void leave_bundle(Run *run) {
    if (run->bundle) loaded_leave(&run->runs->loaded, run->runs->vm, run->bundle);
    run->bundle = NULL;
    free(run->fault);
    run->fault = NULL;
}

static void forget(Run *run) {
    Runs *runs = run->runs;
    leave_line(run);
    if (run->state == RUN_WAITING) {
        leave_warm(run);
    } else {
        runs->active--;
    }
    if (run->lua) vm_forget(runs->vm, run->lua);
    leave_bundle(run);
    reports_clear(&run->reports);
    HASH_DEL(runs->by_id, run);
    run->disowned = run->asked;
    if (!run->asked) free(run);
}

static void know(Run *run, int64_t number) {
    if (number > run->known) run->known = number;
}

// ---- claim --------------------------------------------------------------------------------------
// {"cold", id, turn, crashes, bundle, number, cursor, field, value, …}
// {"warm", id, turn, outcome, …}

enum {
    CLAIM_WORD,
    CLAIM_ID,
    CLAIM_TURN,
    WARM_OUTCOMES,
    COLD_CRASHES = 3,
    COLD_BUNDLE,
    COLD_NUMBER,
    COLD_CURSOR,
    COLD_FIELDS
};

static void fetch(Run *run, const char *hash);
static void load(Run *run, const char *cursor);

// Returns true when the code of the run is loaded, or cannot be loaded. It stays loaded while the
// worker has the run.
static bool has_code(Run *run, const char *hash) {
    Runs *runs = run->runs;
    if (run->bundle || !*hash) return true;
    run->bundle = loaded_use(&runs->loaded, hash);
    if (!run->bundle && run->fault) {
        log_error("run %s: bundle %.*s cannot be loaded: %s", run->id, BUNDLE_SHOWN, hash,
                  run->fault);
        run->bundle = loaded_refuse(&runs->loaded, runs->vm, hash, run->fault);
    }
    return run->bundle != NULL;
}

// Takes a page of a run's record, and asks for the next page or makes the run ready. Outcomes that
// Redis recorded after the first page are delivered to the first turn, although a later page may
// hold some of them as well.
static void begin(Run *run, const Reply *claim) {
    Runs *runs = run->runs;
    const char *hash = reply_text(reply_at(claim, COLD_BUNDLE));
    const char *cursor = reply_text(reply_at(claim, COLD_CURSOR));
    run->place.turn = reply_integer(reply_at(claim, CLAIM_TURN));
    run->crashes = reply_integer(reply_at(claim, COLD_CRASHES));
    enter_line(run);
    if (!has_code(run, hash)) {
        fetch(run, hash);
        return;
    }
    const VmPage page = {.reply = claim, .skip = COLD_FIELDS, .last = !*cursor};
    if (run->lua) {
        vm_more(runs->vm, run->lua, run->id, &page);
    } else {
        run->known = reply_integer(reply_at(claim, COLD_NUMBER));
        run->lua = vm_begin(runs->vm, run->id, hash, run->known, &page);
    }
    if (!page.last) {
        load(run, cursor);
        return;
    }
    if (run->never_speculates) vm_disable_speculation(runs->vm, run->lua);
    make_ready(run);
}

static void deliver(Run *run, const Reply *outcomes, size_t skip) {
    for (size_t i = skip; i < reply_count(outcomes); i++)
        know(run, reply_integer(reply_at(outcomes, i))); // "<number>\t…"
    vm_deliver(run->runs->vm, run->lua, outcomes, skip);
}

// Continues the kept coroutine. Returns false when it is at another turn than Redis says, as Redis
// may have lost turns in a failover. Then the run must be loaded from its journal.
static bool resume(Run *run, const Reply *claim) {
    Runs *runs = run->runs;
    if (run->place.turn != reply_integer(reply_at(claim, CLAIM_TURN))) return false;
    leave_warm(run);
    runs->active++;
    deliver(run, claim, WARM_OUTCOMES);
    make_ready(run);
    return true;
}

void runs_claim(Runs *runs, const Reply *claim) {
    const char *id = reply_text(reply_at(claim, CLAIM_ID));
    bool warm = reply_is(reply_at(claim, CLAIM_WORD), "warm");
    Run *run = find(runs, id);
    if (run && run->state != RUN_WAITING && !run->place.taken) {
        log_warn("run %s was given to this worker, where it is %s", id, state_names[run->state]);
        return;
    }
    if (run && !run->place.taken && warm && resume(run, claim)) return;
    if (run) forget(run); // Redis no longer has this worker as its owner
    run = add(runs, id);
    if (warm) {
        run->place.turn = reply_integer(reply_at(claim, CLAIM_TURN));
        enter_line(run);
        load(run, FIRST_PAGE);
    } else {
        begin(run, claim);
    }
}

void runs_recover(Runs *runs, const char *id) {
    Run *run = find(runs, id);
    if (run && run->state != RUN_WAITING) return;
    if (turn_watch_is_returning(&runs->watch, id)) return; // it goes to another worker
    if (run) forget(run);                                  // its outcomes were in the lost reply
    load(add(runs, id), FIRST_PAGE);
}

void runs_drop(Runs *runs, const char *id, int64_t turn) {
    Run *run = find(runs, id);
    if (run && run->state == RUN_WAITING && run->place.turn == turn) forget(run);
}

// A bundle that does not load here is none of any run yet: the first one that needs it says so.
void runs_preload(Runs *runs, const char *name, const Source *sources, size_t count) {
    char *faults = NULL;
    loaded_add(&runs->loaded, runs->vm, name, sources, count, &faults);
    free(faults);
}

// ---- load: the record of a run without a coroutine here -----------------------------------------

static void on_loaded(void *about, const Reply *reply) {
    Run *run = about;
    run->asked = false;
    if (run->disowned) {
        free(run);
        return;
    }
    assert(run->state == RUN_LOADING);
    if (reply_is(reply_at(reply, CLAIM_WORD), "cold"))
        begin(run, reply);
    else
        forget(run); // another worker has it
}

static void load(Run *run, const char *cursor) {
    Batch *batch = run->runs->batch;
    run->state = RUN_LOADING;
    run->asked = true;
    batch_group(batch, "load", 2, on_loaded, run);
    batch_text(batch, run->id);
    batch_text(batch, cursor);
}

// ---- fetch: the sources of its bundle -----------------------------------------------------------

// Another client of Redis can change the sources there. Then they are not those that a host has
// announced under this name. Returns the reason why they are not loaded; the caller frees it.
static char *load_sources(Runs *runs, const char *hash, Source *sources, size_t count) {
    char name[BUNDLE_NAME_SIZE], *faults = NULL;
    bundle_name(sources, count, name);
    if (strcmp(name, hash) != 0)
        return xstrdup("its sources in Redis are not those that were announced; "
                       "SIGHUP makes a host that has them announce them again");
    loaded_add(&runs->loaded, runs->vm, hash, sources, count, &faults);
    return faults;
}

static char *load_bundle(Runs *runs, const char *hash, const Reply *reply) {
    if (!reply_is(reply_at(reply, 0), "sources")) return xstrdup("it is gone from Redis");
    size_t count = (reply_count(reply) - 1) / 2;
    Source *sources = xcalloc(count, sizeof *sources);
    for (size_t i = 0; i < count; i++) {
        sources[i].path = (char *)reply_text(reply_at(reply, 1 + 2 * i));
        sources[i].text = (char *)reply_bytes(reply_at(reply, 2 + 2 * i), &sources[i].size);
    }
    char *fault = load_sources(runs, hash, sources, count);
    free(sources);
    return fault;
}

// The records of the runs were freed with their reply, so the worker asks for them again. If the
// bundle cannot be loaded, its runs fail, except those that another worker has taken meanwhile: the
// last of them may have been the reason why Redis kept the sources.
static void on_fetched(void *about, const Reply *reply) {
    Fetch *done = about;
    Runs *runs = done->runs;
    Run *run, *next;
    char *fault = reply ? load_bundle(runs, done->hash, reply) : NULL;
    HASH_ITER(hh, runs->by_id, run, next) {
        if (run->fetch != done) continue;
        run->fetch = NULL;
        if (reply) {
            if (fault) run->fault = xstrdup(fault);
            load(run, FIRST_PAGE);
        } else {
            forget(run);
        }
    }
    free(fault);
    DL_DELETE(runs->fetches, done);
    free(done);
}

static void fetch(Run *run, const char *hash) {
    Runs *runs = run->runs;
    run->state = RUN_FETCHING;
    DL_FOREACH(runs->fetches, run->fetch) {
        if (strcmp(run->fetch->hash, hash) == 0) return;
    }
    size_t size = strlen(hash) + 1;
    run->fetch = xcalloc(1, sizeof *run->fetch + size);
    run->fetch->runs = runs;
    memcpy(run->fetch->hash, hash, size);
    DL_APPEND(runs->fetches, run->fetch);
    batch_group(runs->batch, "sources", 1, on_fetched, run->fetch);
    batch_text(runs->batch, hash);
}

// ---- turn ---------------------------------------------------------------------------------------

static void end_isolation(Run *run) {
    if (run->runs->isolated != run) return;
    run->runs->isolated = NULL;
    quarantine_leave(&run->runs->seat);
}

enum { AVERAGED_TURNS = 8, LONGEST_SHARE = 4, SHORTEST_TURN_NS = 1000 };

// A turn counts as a few average ones at most. Otherwise one long turn among many short ones, or a
// turn during which the machine gave the core to another process, would make the worker ask for one
// run at a time.
static void count_turn(Runs *runs, int64_t turn_ns) {
    int64_t longest = LONGEST_SHARE * runs->turn_ns;
    if (turn_ns > longest) turn_ns = longest;
    runs->turn_ns += (turn_ns - runs->turn_ns) / AVERAGED_TURNS;
    if (runs->turn_ns < SHORTEST_TURN_NS) runs->turn_ns = SHORTEST_TURN_NS;
}

// Returns 0 and the number of effects, or a negative code.
static int enter_lua(Run *run, size_t *effects) {
    Runs *runs = run->runs;
    uint64_t began = uv_hrtime();
    turn_watch_begin(&runs->watch, &run->place, runs->batch->group_count ? runs->batch : NULL);
    int code = vm_turn(runs->vm, run->lua, runs->now_ms, run->recorded_ms, effects);
    turn_watch_end(&runs->watch);
    count_turn(runs, (int64_t)(uv_hrtime() - began));
    return code;
}

static void on_turned(void *about, const Reply *reply);

static void give_turn(Run *run) {
    Runs *runs = run->runs;
    Batch *batch = runs->batch;
    size_t effects = 0;
    run->state = RUN_RUNNING;
    if (enter_lua(run, &effects) < 0) {
        log_error("run %s stays as it is in Redis: Lua could not even end it", run->id);
        end_isolation(run);
        forget(run);
        return;
    }
    run->state = RUN_CALLING;
    batch_group(batch, "turn", 3 + effects, on_turned, run);
    batch_text(batch, run->id);
    batch_integer(batch, run->place.turn);
    batch_integer(batch, run->known);
    vm_take_effects(runs->vm, batch);
    reports_clear(&run->reports);
    run->reports = vm_take_reports(runs->vm);
}

static void on_isolated(void *about, const Reply *reply) {
    Run *run = about;
    if (reply) {
        give_turn(run);
    } else {
        end_isolation(run);
        forget(run);
    }
}

// Redis records which suspect this process tries. From now on a crash counts for this run.
static void isolate(Run *run) {
    Batch *batch = run->runs->batch;
    run->runs->isolated = run;
    run->state = RUN_CALLING;
    batch_group(batch, "quarantine", 1, on_isolated, run);
    batch_text(batch, run->id);
}

static bool may_try_suspect(const Runs *runs) {
    return runs->suspects > 0 && !runs->isolated && !runs->seat.waits;
}

bool runs_have_turn(const Runs *runs) {
    return runs->ready > runs->suspects || may_try_suspect(runs);
}

// Suspects come last: when the process crashes after it has recorded a turn of another run, that
// run is no suspect.
void runs_turn(Runs *runs) {
    bool plain = runs->ready > runs->suspects;
    if (!plain && !(may_try_suspect(runs) && quarantine_enter(&runs->seat))) return;
    Run *run = (Run *)turn_watch_next(&runs->watch, !plain);
    if (!run) { // the main thread has taken it away
        if (!plain) quarantine_leave(&runs->seat);
        runs_drop_taken(runs);
        return;
    }
    count_ready(run, (size_t)-1);
    run->in_line = false;
    if (plain)
        give_turn(run);
    else
        isolate(run);
}

void runs_drop_taken(Runs *runs) {
    WaitingRun *taken;
    while ((taken = turn_watch_taken(&runs->watch))) forget((Run *)taken);
}

void runs_give_back(Runs *runs) {
    WaitingRun *next;
    runs_drop_taken(runs);
    while ((next = turn_watch_next(&runs->watch, true))) {
        Run *run = (Run *)next;
        count_ready(run, (size_t)-1);
        run->in_line = false;
        batch_group(runs->batch, "requeue", 2, NULL, NULL);
        batch_text(runs->batch, run->id);
        batch_integer(runs->batch, run->place.turn);
        forget(run);
    }
}

static void suspend(Run *run, int64_t wake_ms);
static void refuse(Run *run, const char *message);
static void reload(Run *run);

static void on_turned(void *about, const Reply *reply) {
    Run *run = about;
    assert(run->state == RUN_CALLING);
    end_isolation(run);
    const Reply *word = reply_at(reply, 0), *value = reply_at(reply, 1);
    if (reply_is(word, "error")) {
        refuse(run, reply_text(value));
        return;
    }
    if (reply_is(word, "conflict")) {
        reload(run);
        return;
    }
    run->place.turn++;
    run->recorded_ms = run->runs->now_ms;
    run->crashes = 0;
    run->refused = false;
    if (!reply_is(word, "not_owner")) reports_tell(&run->reports, run->id);
    if (reply_is(word, "running")) {
        deliver(run, reply, 1);
        make_ready(run);
    } else if (reply_is(word, "suspended")) {
        suspend(run, reply_integer(value));
    } else { // it has ended, or another worker continues it from the journal
        forget(run);
    }
}

// A script raised an error and wrote nothing of this turn. The worker can only try to end the run.
static void refuse(Run *run, const char *message) {
    log_error("run %s: Redis refused a turn: %s", run->id, message);
    if (run->refused) {
        forget(run);
        return;
    }
    run->refused = true;
    vm_kill(run->runs->vm, run->lua, "error", message);
    make_ready(run);
}

// The coroutine speculated on an outcome, and Redis recorded another one first. The run is replayed
// from its journal.
static void reload(Run *run) {
    run->never_speculates = true;
    vm_forget(run->runs->vm, run->lua);
    run->lua = NULL;
    load(run, FIRST_PAGE);
}

// ---- suspended ----------------------------------------------------------------------------------

static bool too_warm(const Runs *runs) {
    return runs->warm > (size_t)runs->config->warm ||
           runs->warm_bytes > (size_t)(runs->config->warm_bytes / runs->config->workers);
}

// Drops the least recently used coroutines. Any worker may then claim their runs cold. A coroutine
// may hold less memory than when it was suspended, as Lua has collected garbage since.
static void evict(Runs *runs) {
    while (runs->waiting && too_warm(runs)) {
        Run *run = runs->waiting;
        count_warm(run, vm_memory(run->lua));
        if (!too_warm(runs)) return;
        batch_group(runs->batch, "release", 1, NULL, NULL);
        batch_text(runs->batch, run->id);
        forget(run);
    }
}

static void suspend(Run *run, int64_t wake_ms) {
    Runs *runs = run->runs;
    run->state = RUN_WAITING;
    DL_APPEND(runs->waiting, run);
    runs->active--;
    runs->warm++;
    if (wake_ms && (!runs->wake_ms || wake_ms < runs->wake_ms)) runs->wake_ms = wake_ms;
    count_warm(run, vm_memory(run->lua));
    evict(runs);
}

// ---- all runs -----------------------------------------------------------------------------------

enum {
    FIRST_TURN_NS = 1000000, // assumed until there are turns
    DESCRIBED = 40           // runs in the log, at once
};

void runs_open(Runs *runs, const Config *config) {
    *runs = (Runs){.config = config, .turn_ns = FIRST_TURN_NS};
    turn_watch_open(&runs->watch);
}

void runs_close(Runs *runs) {
    loaded_clear(&runs->loaded);
    turn_watch_close(&runs->watch);
}

void runs_clear(Runs *runs) {
    Run *run, *next;
    HASH_ITER(hh, runs->by_id, run, next) {
        assert(run->state == RUN_READY || run->state == RUN_WAITING);
        forget(run);
    }
    runs->wake_ms = 0;
    runs->isolated = NULL;
    quarantine_leave(&runs->seat);
}

static void describe(Run *run) {
    bool begun = run->lua && run->state != RUN_LOADING;
    char *text = begun ? vm_describe(run->runs->vm, run->lua) : xstrdup("");
    log_info("run %s is %s%s%s", run->id, state_names[run->state], *text ? ": " : "", text);
    free(text);
}

void runs_describe(Runs *runs) {
    size_t described = 0;
    Run *run, *next;
    HASH_ITER(hh, runs->by_id, run, next) {
        if (run->state == RUN_WAITING || described >= DESCRIBED) continue;
        describe(run);
        described++;
    }
    DL_FOREACH(runs->waiting, run) {
        if (described >= DESCRIBED) break;
        describe(run);
        described++;
    }
    size_t all = HASH_COUNT(runs->by_id);
    if (all > described)
        log_info("and %zu more runs; weir list --state waiting shows them", all - described);
}

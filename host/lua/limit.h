// limit: the memory and the time that a run may take before it is killed.
//
// Each block of Lua memory names the account that pays for it, so the memory of a run is known to
// the byte. Time is measured by a count hook, which would cost every run a fifth of its speed. So a
// signal sets the hook, after each 10 ms of the thread's CPU time, on the coroutine that runs; the
// next instruction reads the clocks and removes the hook. So time in calls of C counts, too.
// coroutine.resume and close are replaced, to know which coroutine runs.
// A Limits belongs to the thread that opened it.
#ifndef WEIR_LIMIT_H
#define WEIR_LIMIT_H

#include "lua/pool.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

// Why a run was killed.
typedef enum { KILL_NONE, KILL_MEMORY, KILL_CPU } KillReason;

enum { KILL_MESSAGE = 256 };

// One for each run, and one for memory that belongs to no run. An account outlives its run until
// the collector has freed the last block that it paid for.
typedef struct {
    size_t used; // bytes of Lua memory
    size_t limit;
    KillReason killed;
    size_t refused; // bytes that it asked for last, when they were refused
    bool closed;
    bool dropped;               // the run is gone: all that the account paid for is garbage
    char message[KILL_MESSAGE]; // why it was killed, for people
} Account;

// Time spent between looks at a clock.
typedef struct {
    int64_t limit_ns; // 0: none
    int64_t spent_ns;
    int64_t seen_ns; // the clock at the last look, 0: there was none
} Stopwatch;

// For the thread that looks at this one from outside. Each may be NULL.
typedef struct {
    void *owner;
    void (*on_progress)(void *owner); // an operation of the journal was replayed
    // The body of a step begins; or has ended, then `id` and `line` are NULL.
    void (*on_step)(void *owner, const char *id, const char *line);
    // Asked after each 10 ms of CPU time: whether on_line is to be called with the line of the
    // author's code that runs, "file:line".
    bool (*wants_line)(void *owner);
    void (*on_line)(void *owner, const char *line);
} LimitEvents;

typedef struct {
    lua_State *L;
    Pool pool;
    Account own;                 // pays for memory that belongs to no run
    Account *volatile charged;   // pays now; `own`: no time is measured
    lua_State *volatile running; // the coroutine that Lua is in
    int64_t next_watch_ns;       // the thread's CPU time before which a tick does nothing
    Stopwatch turn;              // this thread's CPU time, since Lua was entered
    Stopwatch step;              // real time, since limit_step
    bool step_over;
    size_t garbage;        // bytes that dropped accounts still pay for
    size_t garbage_before; // the collection
    size_t lasting;        // of them, bytes that the last collection left: other runs use them, too
    int cycles;            // of Lua's collector that the collection still takes, 0: there is none
    bool trial; // the code may be given up without harm: a refusal of memory kills no run
    timer_t ticks;
    bool has_ticks; // since an account was entered first
    LimitEvents events;
} Limits;

// Makes the state; the libraries must be opened, then limit_install called, before any other code.
lua_State *limit_open(Limits *limits);
void limit_install(lua_State *L);
void limit_close(Limits *limits);
Limits *limit_of(lua_State *L);

Account *account_new(size_t limit);
void account_close(Account *account);
// Closes the account of a run that is gone: all that it paid for is garbage.
void account_drop(Limits *limits, Account *account);

// Lua collects when its heap has doubled, and the process keeps the freed memory: a host that had
// large runs once would stay large. This collects for a millisecond to give back the memory of
// dropped accounts. Returns whether there is more to do.
bool limit_collect(Limits *limits);

// Removes the limit of the account: from here on only weir's own code runs on it.
void account_lift(Account *account);
// "memory_limit", "cpu_limit", "none".
const char *account_code(const Account *account);

// From here on `account` pays, and its CPU time is limited. Returns the account that paid before.
Account *limit_enter(Limits *limits, Account *account, int64_t cpu_ms);
void limit_leave(Limits *limits, Account *before);

// The run has replayed an operation of its journal. A journal has an end, so the CPU time begins to
// count anew.
void limit_progress(Limits *limits);

// The body of a step begins, or has ended (NULL).
void limit_in_step(Limits *limits, const char *id, const char *line);

// From when `ms` have passed, raises in the author's code after every instruction; 0 ends the
// limit. Returns whether the limit before was passed. In a trial, a refusal of memory counts as
// passed: the run is not killed for it.
bool limit_step(Limits *limits, int64_t ms, bool trial);

#endif

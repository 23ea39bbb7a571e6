// limit: what a run may take of memory and of time before it is stopped for good.
//
// Each block of Lua memory names the account that pays for it, so what a run holds is known to the
// byte. Time is measured by a count hook, which would cost every run a fifth of its speed: so it is
// set only by a signal, after each 10 ms of the thread's CPU time, on whoever runs then; the next
// instruction looks at the clocks and takes it away. So time in calls of C counts, too. To know who
// runs, coroutine.resume and close are replaced.
// All of it belongs to the thread that opened it.
#ifndef WEIR_LIMIT_H
#define WEIR_LIMIT_H

#include "lua/pool.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

// What stops a run for good.
typedef enum { KILL_NONE, KILL_MEMORY, KILL_CPU } KillReason;

enum { KILL_MESSAGE = 256 };

// One for each run, and one for what belongs to none. It outlives its run until the collector has
// freed the last block that it paid for.
typedef struct {
    size_t used; // bytes of Lua memory
    size_t limit;
    KillReason killed;
    size_t refused; // bytes that it asked for last and did not get
    bool closed;
    bool dropped;               // nothing of what it paid for is needed any more
    char message[KILL_MESSAGE]; // says what the doom is
} Account;

// Time spent between looks at a clock.
typedef struct {
    int64_t limit_ns; // 0: none
    int64_t spent_ns;
    int64_t seen_ns; // the clock at the last look, 0: there was none
} Stopwatch;

typedef struct {
    lua_State *L;
    Pool pool;
    Account own;                 // pays for what belongs to no run
    Account *volatile charged;   // who pays now; `own`: nobody's time is measured
    lua_State *volatile running; // the coroutine that Lua is in
    int64_t next_watch_ns;       // the thread's CPU time before which a tick does nothing
    Stopwatch turn;              // this thread's CPU time, since Lua was entered
    Stopwatch step;              // real time, since limit_step
    bool step_over;
    size_t garbage;        // bytes that dropped accounts pay for still
    size_t garbage_before; // the collection
    size_t lasting;        // bytes that the last collection left of it: others have them, too
    int cycles;            // that the collection takes still, 0: there is none
    bool trial;            // what runs now may be given up without harm: nobody is doomed for it
    timer_t ticks;
    bool has_ticks;                   // since an account was entered first
    void (*on_progress)(void *owner); // NULL: nobody wants to know
    void *owner;
} Limits;

// Makes the state; the libraries must be opened, then limit_install called, before any other code.
lua_State *limit_open(Limits *limits);
void limit_install(lua_State *L);
void limit_close(Limits *limits);
Limits *limit_of(lua_State *L);

Account *account_new(size_t limit);
void account_close(Account *account);
// The same of one whose run is gone.
void account_drop(Limits *limits, Account *account);

// Lua collects when its heap has doubled, and what it frees stays with the process: a host that had
// large runs once would stay large. This goes on for a millisecond to give back what dropped
// accounts hold; true: there is more to do.
bool limit_collect(Limits *limits);

// The account has no limit any more: no code but weir's own is run on it.
void account_lift(Account *account);
// "memory_limit", "cpu_limit", "none".
const char *account_code(const Account *account);

// From here on `account` pays, and its CPU time is limited; the return value is who paid before.
Account *limit_enter(Limits *limits, Account *account, int64_t cpu_ms);
void limit_leave(Limits *limits, Account *before);

// What runs has come past something that its journal holds, of which there is an end: from here on
// its CPU time counts anew.
void limit_progress(Limits *limits);

// Raises in the author's code once `ms` have passed, again and again; 0 ends that. Whether the last
// limit was passed. In a trial memory that is refused counts as that, too: the run that tries is
// not to blame.
bool limit_step(Limits *limits, int64_t ms, bool trial);

#endif

// limit: see limit.h for what it promises.
//
// Runs execute only below vm.c, but a lua_State is a tree of coroutines, and a hook stops one of
// them. `running` follows Lua into coroutines and out again. A coroutine is hooked when it is seen
// running: by a tick, when it is resumed, or when a coroutine that it resumed returns to it.
#include "lua/limit.h"

#include "base/xmalloc.h"

#include <assert.h>
#include <lauxlib.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
    TICK_MS = 10,
    COLLECT_BYTES = 16 * 1024 * 1024, // garbage of dropped runs that is not worth a collection
    CYCLES = 2, // of Lua's collector: garbage that the cycle under way has passed takes another
    COLLECT_NS = 1000000, // for steps of it, in one iteration of the loop
    WALK_SHARE = 8,       // at most an eighth of the time goes to setting hooks
    LOOKED_AT = 200,      // frames of a stack, for a line of the author's
    TICK_SIGNAL = SIGVTALRM
};

#define OWN_SOURCES "=[weir]/"

// Instructions from one look at the clocks to the next, 0: the next tick sets the hook.
// ThreadSanitizer delivers a signal only in a call that it knows, so there every turn is watched.
#if defined(__SANITIZE_THREAD__)
enum { HOOK_COUNT = 1000 };
#else
enum { HOOK_COUNT = 0 };
#endif

#define NS_PER_MS INT64_C(1000000)

static const char *const kill_codes[] = {"none", "memory_limit", "cpu_limit"}; // ORDER KillReason

static void watch(Limits *limits);
static void on_counted(lua_State *L, lua_Debug *where);

// ---- memory -------------------------------------------------------------------------------------

typedef struct {
    Account *payer;
} Block; // stands in front of each block that Lua gets

Account *account_new(size_t limit) {
    Account *account = xcalloc(1, sizeof *account);
    account->limit = limit;
    return account;
}

static void free_unused(Account *account) {
    if (account->used == 0 && account->closed) free(account);
}

void account_close(Account *account) {
    account->closed = true;
    free_unused(account);
}

void account_lift(Account *account) {
    account->killed = KILL_NONE;
    account->limit = SIZE_MAX;
}

const char *account_code(const Account *account) {
    return kill_codes[account->killed];
}

void account_drop(Limits *limits, Account *account) {
    account->dropped = true;
    limits->garbage += account->used;
    account_close(account);
}

static void charge(Limits *limits, Account *account, size_t size) {
    account->used += size;
    if (account->dropped) limits->garbage += size;
}

static void refund(Limits *limits, Account *account, size_t size) {
    assert(account->used >= size);
    account->used -= size;
    if (account->dropped) limits->garbage -= size;
    free_unused(account);
}

static bool fits(const Account *account, size_t size) {
    return size <= account->limit && account->used <= account->limit - size;
}

static void kill_for_memory(Limits *limits, Account *account) {
    if (account->killed) return;
    account->killed = KILL_MEMORY;
    snprintf(account->message, KILL_MESSAGE, "the run needs more than %zu MiB of Lua memory",
             account->limit >> 20);
    watch(limits);
}

// Lua answers a refusal with a full collection and asks once more, or raises an error that the
// run's code can catch. When it asks again, for any memory, and the refused bytes would still not
// fit, the run is killed.
static bool affords(Limits *limits, Account *account, size_t size) {
    if (account->refused && !limits->trial && !fits(account, account->refused))
        kill_for_memory(limits, account);
    bool affordable = fits(account, size);
    account->refused = affordable ? 0 : size;
    if (!affordable && limits->trial) limits->step_over = true;
    return affordable;
}

static void *allocate(void *data, void *memory, size_t old_size, size_t new_size) {
    Limits *limits = data;
    Block *block = memory ? (Block *)memory - 1 : NULL;
    size_t old_whole = block ? old_size + sizeof *block : 0; // without one, Lua tells a type
    size_t new_whole = new_size + sizeof *block;
    if (!new_size) {
        if (!block) return NULL;
        refund(limits, block->payer, old_whole);
        pool_give(&limits->pool, block, old_whole);
        return NULL;
    }
    // The account that makes a block grow pays for it. A block may shrink in a collection that any
    // run started.
    bool grows = new_whole > old_whole;
    Account *payer = grows ? limits->charged : block->payer;
    size_t paid = block && block->payer == payer ? old_whole : 0;
    if (grows && !affords(limits, payer, new_whole - paid)) return NULL;
    charge(limits, payer, new_whole); // before the refund, which may be of its last block
    if (block) {
        refund(limits, block->payer, old_whole);
        block = pool_resize(&limits->pool, block, old_whole, new_whole);
    } else {
        block = pool_take(&limits->pool, new_whole);
    }
    block->payer = payer;
    return block + 1;
}

// ---- time ---------------------------------------------------------------------------------------

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

static void restart(Stopwatch *stopwatch, int64_t limit_ms) {
    *stopwatch = (Stopwatch){.limit_ns = limit_ms * NS_PER_MS};
}

// Whether the limit is passed. One look adds a bounded time: a call of C that took longer has
// returned by now, and the run is not killed for it. Ticks are always counted in full.
static bool look(Stopwatch *stopwatch, clockid_t clock) {
    if (!stopwatch->limit_ns) return false;
    int64_t now = clock_ns(clock), most = stopwatch->limit_ns / 4;
    if (most < 2 * TICK_MS * NS_PER_MS) most = 2 * TICK_MS * NS_PER_MS;
    if (stopwatch->seen_ns) {
        int64_t gone = now - stopwatch->seen_ns;
        stopwatch->spent_ns += gone < most ? gone : most;
    }
    stopwatch->seen_ns = now;
    return stopwatch->spent_ns > stopwatch->limit_ns;
}

static void kill_for_cpu(const Limits *limits, Account *account, const lua_Debug *where) {
    account->killed = KILL_CPU;
    snprintf(account->message, KILL_MESSAGE,
             "%s:%d: Lua ran for %.3gs without waiting for anything", where->short_src,
             where->currentline, (double)limits->turn.limit_ns / 1e9);
}

static bool is_own(const char *source) {
    return strncmp(source, OWN_SOURCES, sizeof OWN_SOURCES - 1) == 0;
}

// weir's own code is not interrupted, as it has to record how the run ended. The exceptions only
// compute on data, which comes from outside: data that takes too long ends the run.
static bool is_interruptible(const char *source) {
    static const char *const pure[] = {"define/schema", "define/graph_plan", "base/duration",
                                       "base/suggest",  "base/strings",      "code/sort"};
    if (!is_own(source)) return true;
    for (size_t i = 0; i < sizeof pure / sizeof *pure; i++) {
        size_t length = strlen(pure[i]);
        if (!strncmp(source + 8, pure[i], length) && !strcmp(source + 8 + length, ".lua"))
            return true;
    }
    return false;
}

static bool is_over(const Limits *limits) {
    return limits->charged->killed || limits->step_over;
}

// To set a hook walks the whole stack, which may be deep; to end it does not.
static void set_count(lua_State *L, int count) {
    if (count == 0)
        lua_sethook(L, NULL, 0, 0);
    else if (lua_gethookmask(L) != LUA_MASKCOUNT || lua_gethookcount(L) != count)
        lua_sethook(L, on_counted, LUA_MASKCOUNT, count);
}

static void hook(const Limits *limits, lua_State *L) {
    set_count(L, is_over(limits) ? 1 : HOOK_COUNT);
}

// Only frames of the coroutine that runs are looked at.
static void tell_line(const Limits *limits, lua_State *L) {
    const LimitEvents *events = &limits->events;
    lua_Debug frame;
    if (!events->wants_line || !events->wants_line(events->owner)) return;
    for (int level = 0; level < LOOKED_AT && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sl", &frame);
        if (frame.currentline < 1 || is_own(frame.source)) continue;
        char line[sizeof frame.short_src + 16];
        snprintf(line, sizeof line, "%s:%d", frame.short_src, frame.currentline);
        events->on_line(events->owner, line);
        return;
    }
    events->on_line(events->owner, "code of weir itself");
}

// Stops code that does not end: in loops, under pcall, in coroutines, in callbacks of sort and
// gsub. A run over its limit is made to yield, which no pcall or __close can intercept. With a C
// call on the stack it cannot yield; then an error is raised. A step over its time limit gets an
// error after every instruction, so that no pcall can catch it and go on.
static void on_counted(lua_State *L, lua_Debug *where) {
    Limits *limits = limit_of(L);
    Account *account = limits->charged;
    if (account == &limits->own) { // it was hooked in an earlier turn
        set_count(L, 0);
        return;
    }
    tell_line(limits, L);
    lua_getinfo(L, "Sl", where);
    if (!account->killed && look(&limits->turn, CLOCK_THREAD_CPUTIME_ID))
        kill_for_cpu(limits, account, where);
    if (!limits->step_over) limits->step_over = look(&limits->step, CLOCK_MONOTONIC);

    hook(limits, L);
    if (!is_over(limits) || !is_interruptible(where->source)) return;
    if (account->killed && lua_isyieldable(L)) {
        lua_yield(L, 0);
        return;
    }
    lua_pushstring(L, account->killed ? account->message : "the step is past its timeout");
    lua_error(L);
}

// May be called from a signal handler, as lua_sethook may.
static void watch(Limits *limits) {
    lua_sethook(limits->running, on_counted, LUA_MASKCOUNT, 1);
}

bool limit_step(Limits *limits, int64_t ms, bool trial) {
    bool over = limits->step_over;
    limits->step_over = false;
    limits->trial = trial;
    restart(&limits->step, ms);
    if (ms) limits->step.seen_ns = clock_ns(CLOCK_MONOTONIC);
    return over;
}

// ---- ticks --------------------------------------------------------------------------------------

static _Thread_local Limits *volatile ticking;

// The next instruction looks at the clocks. On a deep stack, setting the hook takes longer than a
// tick; then some ticks are skipped.
static void on_tick(int number) {
    (void)number;
    Limits *limits = ticking;
    if (!limits || limits->charged == &limits->own) return;
    int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (began < limits->next_watch_ns) return;
    watch(limits);
    int64_t ended = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    limits->next_watch_ns = ended + WALK_SHARE * (ended - began);
}

static void handle_ticks(void) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    if (sigaction(TICK_SIGNAL, &action, NULL) != 0) abort();
}

// The timer counts the CPU time of the thread, so an idle thread gets no signals.
static void start_ticks(Limits *limits) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, handle_ticks);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL};
    event._sigev_un._tid = gettid();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, TICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    struct timespec period = {.tv_nsec = TICK_MS * NS_PER_MS};
    struct itimerspec times = {.it_interval = period, .it_value = period};
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &limits->ticks) != 0 ||
        timer_settime(limits->ticks, 0, &times, NULL) != 0)
        abort();
    limits->has_ticks = true;
    ticking = limits;
}

// ---- collection --------------------------------------------------------------------------------

// A collection costs what is alive, so garbage is let grow to as much as that.
static bool must_collect(Limits *limits) {
    size_t part = ((size_t)lua_gc(limits->L, LUA_GCCOUNT) << 10) / 2;
    if (limits->garbage < limits->lasting) limits->lasting = limits->garbage;
    return limits->garbage - limits->lasting > (part > COLLECT_BYTES ? part : COLLECT_BYTES);
}

// One cycle is enough when it has freed most of the garbage.
static void end_cycle(Limits *limits) {
    bool enough = limits->garbage < limits->garbage_before / 2;
    limits->cycles = enough ? 0 : limits->cycles - 1;
}

bool limit_collect(Limits *limits) {
    if (!limits->cycles && !must_collect(limits)) return false;
    if (!limits->cycles) {
        limits->cycles = CYCLES;
        limits->garbage_before = limits->garbage;
    }
    int64_t end = clock_ns(CLOCK_MONOTONIC) + COLLECT_NS;
    while (limits->cycles && clock_ns(CLOCK_MONOTONIC) < end)
        if (lua_gc(limits->L, LUA_GCSTEP, 0)) end_cycle(limits);
    if (limits->cycles) return true;
    limits->lasting = limits->garbage;
    if (limits->garbage_before > limits->garbage + COLLECT_BYTES) malloc_trim(0);
    return false;
}

// ---- accounts ----------------------------------------------------------------------------------

Account *limit_enter(Limits *limits, Account *account, int64_t cpu_ms) {
    Account *before = limits->charged;
    if (account != &limits->own && !limits->has_ticks) start_ticks(limits);
    restart(&limits->turn, cpu_ms);
    limit_step(limits, 0, false);
    limits->charged = account;
    if (HOOK_COUNT) watch(limits);
    return before;
}

void limit_leave(Limits *limits, Account *before) {
    limits->charged = before;
    limits->running = limits->L; // an error may have left a resume
}

void limit_progress(Limits *limits) {
    limits->turn.spent_ns = 0;
    if (limits->events.on_progress) limits->events.on_progress(limits->events.owner);
}

void limit_in_step(Limits *limits, const char *id, const char *line) {
    if (limits->events.on_step) limits->events.on_step(limits->events.owner, id, line);
}

// ---- coroutines ---------------------------------------------------------------------------------

static void let_run(Limits *limits, lua_State *co) {
    limits->running = co; // first: a tick that comes before the next line hooks it itself
    if (HOOK_COUNT || is_over(limits)) hook(limits, co);
}

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    if (!co) luaL_typeerror(L, 1, "coroutine");
    return co;
}

// The count of results, which are on the stack of L; or -1 and the error there.
static int move_results(lua_State *L, lua_State *co, int status, int results) {
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

// coroutine.resume, as Lua has it.
static int resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    Limits *limits = limit_of(L);
    int arguments = lua_gettop(L) - 1, results = 0;
    if (!lua_checkstack(co, arguments)) {
        lua_pushboolean(L, false);
        lua_pushliteral(L, "too many arguments to resume");
        return 2;
    }
    lua_xmove(L, co, arguments);
    let_run(limits, co);
    int status = lua_resume(co, L, arguments, &results);
    let_run(limits, L);
    results = move_results(L, co, status, results);
    lua_pushboolean(L, results >= 0);
    int count = results >= 0 ? results : 1;
    lua_insert(L, -(count + 1));
    return count + 1;
}

// coroutine.close: calls Lua's own, which runs __close in the coroutine that it closes.
static int close_coroutine(lua_State *L) {
    lua_State *co = check_coroutine(L);
    Limits *limits = limit_of(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    let_run(limits, co);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    let_run(limits, L);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

void limit_install(lua_State *L) {
    lua_getglobal(L, "coroutine");
    lua_pushcfunction(L, resume);
    lua_setfield(L, -2, "resume");
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, close_coroutine, 1);
    lua_setfield(L, -2, "close");
    lua_pushnil(L); // it would resume without the replacement above
    lua_setfield(L, -2, "wrap");
    lua_pop(L, 1);
}

// ---- open and close -----------------------------------------------------------------------------

Limits *limit_of(lua_State *L) {
    return *(Limits **)lua_getextraspace(L);
}

lua_State *limit_open(Limits *limits) {
    *limits = (Limits){.own = {.limit = SIZE_MAX}};
    limits->charged = &limits->own;
    limits->L = lua_newstate(allocate, limits);
    if (!limits->L) abort();
    limits->running = limits->L;
    *(Limits **)lua_getextraspace(limits->L) = limits; // coroutines get a copy
    return limits->L;
}

void limit_close(Limits *limits) {
    ticking = NULL;
    if (limits->has_ticks) timer_delete(limits->ticks);
    lua_close(limits->L);
    assert(limits->own.used == 0);
    pool_close(&limits->pool);
}

// host_module: see host_module.h.
#include "lua/host_module.h"

#include "base/clock.h"
#include "base/log.h"
#include "lua/limit.h"
#include "lua/modules.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// An argument, with U+FFFD in place of each NUL.
static const char *check_text(lua_State *L, int index) {
    size_t size;
    const char *text = luaL_checklstring(L, index, &size), *end = text + size;
    if (strlen(text) == size) return text;
    luaL_Buffer whole;
    luaL_buffinit(L, &whole);
    for (const char *at = text; at <= end; at += strlen(at) + 1) {
        if (at > text) luaL_addstring(&whole, "\uFFFD");
        luaL_addstring(&whole, at);
    }
    luaL_pushresult(&whole);
    lua_replace(L, index);
    return lua_tostring(L, index);
}

// log(level, run_id|nil, text, fields_json|nil)
static int host_log(lua_State *L) {
    LogLevel level;
    const char *name = luaL_checkstring(L, 1);
    if (log_level(name, &level) < 0) return luaL_error(L, "no such log level: %s", name);
    log_run(level, luaL_optstring(L, 2, NULL), check_text(L, 3), luaL_optstring(L, 4, NULL));
    return 0;
}

// report(kind, text, fields_json): a line for the log, once this turn is recorded. Upvalue 1: the
// list of reports.
static int host_report(lua_State *L) {
    static const char *const kinds[] = {"failed", "retrying", NULL}; // ORDER ReportKind
    ReportKind kind = (ReportKind)luaL_checkoption(L, 1, NULL, kinds);
    const char *text = check_text(L, 2), *fields = luaL_checkstring(L, 3);
    reports_note(lua_touserdata(L, lua_upvalueindex(1)), kind, text, fields);
    return 0;
}

// limit(ms, trial): from when ms have passed, raises in the author's code after every instruction;
// limit(nil) ends the limit and returns whether it was passed. In a trial, a refusal of memory
// counts as passed: the run is not killed for it.
static int host_limit(lua_State *L) {
    int64_t ms = lua_isnoneornil(L, 1) ? 0 : luaL_checkinteger(L, 1);
    bool over = limit_step(limit_of(L), ms, lua_toboolean(L, 2));
    lua_pushboolean(L, over);
    return 1;
}

// progress(): the run has replayed an operation of its journal.
static int host_progress(lua_State *L) {
    limit_progress(limit_of(L));
    return 0;
}

// step(id, line): the body of a step begins; step(): it has ended.
static int host_step(lua_State *L) {
    limit_in_step(limit_of(L), luaL_optstring(L, 1, NULL), luaL_optstring(L, 2, NULL));
    return 0;
}

static int host_elapsed_ms(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)clock_ms());
    return 1;
}

static int host_seed(lua_State *L) {
    lua_Integer seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) abort();
    lua_pushinteger(L, seed);
    return 1;
}

// guard(bytes, ms, function, ...) -> true, value | nil, code, what it raised. The function runs on
// an account of its own, with so much memory and CPU time.
static int host_guard(lua_State *L) {
    lua_Integer bytes = luaL_checkinteger(L, 1), ms = luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    Limits *limits = limit_of(L);
    Account *account = account_new((size_t)bytes);
    Account *before = limit_enter(limits, account, ms);
    int status = lua_pcall(L, lua_gettop(L) - 3, 1, 0);
    limit_leave(limits, before);
    lua_pushboolean(L, true);
    lua_insert(L, -2); // true, value
    if (account->killed || status != LUA_OK) {
        lua_pushnil(L);
        lua_replace(L, -3);
        lua_pushstring(L, account->killed ? account_code(account) : "error");
        lua_insert(L, -2); // nil, code, what it raised
    }
    if (account->killed) {
        lua_pushstring(L, account->message);
        lua_replace(L, -2);
    }
    account_close(account);
    return lua_gettop(L) - 2; // behind `bytes` and `ms`
}

// Upvalue 1: the list of reports.
static int open_host(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"log", host_log},   {"limit", host_limit},   {"progress", host_progress},
        {"step", host_step}, {"guard", host_guard},   {"elapsed_ms", host_elapsed_ms},
        {"seed", host_seed}, {"report", host_report}, {NULL, NULL}};
    luaL_newlibtable(L, functions);
    lua_pushvalue(L, lua_upvalueindex(1));
    luaL_setfuncs(L, functions, 1);
    return 1;
}

void host_module_preload(lua_State *L, Reports *reports) {
    lua_pushlightuserdata(L, reports);
    modules_preload(L, "weir.native.host", open_host, 1);
}

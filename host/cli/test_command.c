// test_command: see test_command.h. Everything C owns is in coverage.c and test_watch.c, never in a
// local across a call that may raise.
#include "cli/test_command.h"
#include "base/parent.h"
#include "base/xmalloc.h"
#include "cli/coverage.h"
#include "cli/test_watch.h"
#include "lua/modules.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <sysexits.h>

#define LEDGER "WEIR_TEST_LEDGER" // see lua/weir/cli/test/manifest.lua

static int open_module(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"cover", coverage_begin},
        {"covered", coverage_lines},
        {"watch", test_watch_folders},
        {"spawn", test_watch_spawn},
        {"await", test_watch_await},
        {"stop", test_watch_stop},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}

// A variable is for this process alone: a spec may run `weir test`, too.
static void push_variable(lua_State *L, const char *variable, const char *option) {
    lua_pushstring(L, getenv(variable));
    lua_setfield(L, -2, option);
    unsetenv(variable);
}

static void push_options(lua_State *L, const Config *config) {
    config_push(L, config);
    push_variable(L, LEDGER, "manifest");
    push_variable(L, CONFIG_TEST_BESIDE, "beside");
}

// main(options) -> exit status
static int run_in_lua(lua_State *L) {
    const Config *config = lua_touserdata(L, 1);
    luaL_openlibs(L);
    modules_install(L, config);
    modules_preload(L, "weir.native.tester", open_module, 0);
    modules_require(L, "weir.cli.test");
    lua_getfield(L, -1, "main");
    push_options(L, config);
    lua_call(L, 1, 1);
    return 1;
}

static int explain(lua_State *L) {
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int test_command_run(const Config *config) {
    lua_State *L = luaL_newstate();
    if (!L) abort();
    parent_follow_told(SIGTERM);
    test_watch_open(config->words, LEDGER);
    lua_pushcfunction(L, explain);
    lua_pushcfunction(L, run_in_lua);
    lua_pushlightuserdata(L, (void *)config);
    bool raised = lua_pcall(L, 1, 1, -3) != LUA_OK;
    if (raised) fprintf(stderr, "weir: %s\n", lua_tostring(L, -1));
    int status = raised ? EX_SOFTWARE : (int)lua_tointeger(L, -1);
    lua_close(L);
    test_watch_close();
    coverage_end();
    return status;
}

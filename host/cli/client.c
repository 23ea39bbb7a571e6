// client: makes the module of the parts that the command line tool cannot write in Lua.
//
// The Client owns all resources of C: a local would leak them when Lua raises.
#include "cli/client.h"

#include "cli/command_io.h"
#include "cli/screen.h"
#include "client/calls.h"
#include "client/client_error.h"
#include "client/interrupts.h"
#include "client/subscription.h"
#include "lua/modules.h"
#include "lua/vm.h"

#include <signal.h>
#include <sysexits.h>

#define WEIR_VERSION "0.1.0"

typedef struct {
    const Config *config;
    Calls calls;
    Subscription subscription;
    CommandIo io;
} Client;

void client_interrupt(void) {
    interrupts_trigger();
}

static void add(lua_State *L, const luaL_Reg *functions, void *upvalue) {
    lua_pushlightuserdata(L, upvalue);
    luaL_setfuncs(L, functions, 1);
}

static int open_module(lua_State *L) {
    Client *client = lua_touserdata(L, lua_upvalueindex(1));
    lua_newtable(L);
    add(L, calls_functions, &client->calls);
    add(L, subscription_functions, &client->subscription);
    add(L, command_io_functions, &client->io);
    luaL_setfuncs(L, interrupts_functions, 0);
    luaL_setfuncs(L, screen_functions, 0);
    lua_pushliteral(L, WEIR_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}

// cli.main(command, options) -> exit status
static int run_command(lua_State *L) {
    const Client *client = lua_touserdata(L, 1);
    lua_pushvalue(L, 1);
    modules_preload(L, "weir.native.client", open_module, 1);
    modules_require(L, "weir.cli");
    lua_getfield(L, -1, "main");
    lua_pushstring(L, client->config->name);
    config_push(L, client->config);
    lua_call(L, 2, 1);
    return 1;
}

int client_run(const Config *config) {
    Client client = {
        .config = config,
        .subscription.connection.config = config,
    };
    calls_open(&client.calls, config);
    command_io_open(&client.io, &config->redis);
    signal(SIGPIPE, SIG_IGN); // writing to a dead connection returns an error
    Vm *vm = vm_open_for_commands(config);
    if (!vm) return EX_SOFTWARE;
    lua_State *L = vm_lua(vm);

    lua_pushcfunction(L, client_error_explain);
    lua_pushcfunction(L, run_command);
    lua_pushlightuserdata(L, &client);
    bool raised = lua_pcall(L, 1, 1, -3) != LUA_OK;
    screen_close(); // before an error is printed
    int status = raised ? client_error_report(L) : (int)lua_tointeger(L, -1);

    vm_close(vm);
    calls_close(&client.calls);
    subscription_close(&client.subscription);
    command_io_close(&client.io);
    return status;
}

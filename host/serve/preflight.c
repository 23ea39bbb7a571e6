// preflight: see preflight.h.
#include "serve/preflight.h"

#include "base/xmalloc.h"
#include "client/calls.h"
#include "client/interrupts.h"
#include "lua/vm.h"

#include <lauxlib.h>
#include <string.h>

typedef struct {
    Calls calls;
    const Config *config;
    const char *name;
    const Bundle *before, *now;
    Preflight *found;
    PreflightStop *is_stopped;
    void *owner;
} Call;

// is_stopped() -> boolean, which stays true
static int ask_stopped(lua_State *L) {
    Call *call = lua_touserdata(L, lua_upvalueindex(1));
    call->found->stopped = call->found->stopped || call->is_stopped(call->owner);
    lua_pushboolean(L, call->found->stopped);
    return 1;
}

static int open_client(lua_State *L) {
    lua_newtable(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    luaL_setfuncs(L, calls_functions, 1);
    luaL_setfuncs(L, interrupts_functions, 0);
    return 1;
}

static void require(lua_State *L, const char *module) {
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
}

static void push_sources(lua_State *L, const Bundle *bundle) {
    lua_createtable(L, 0, (int)bundle->count);
    for (size_t i = 0; i < bundle->count; i++) {
        lua_pushlstring(L, bundle->sources[i].text, bundle->sources[i].size);
        lua_setfield(L, -2, bundle->sources[i].path);
    }
}

// Stack: a table. The text under that name, NULL where there is none.
static char *text_of(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    const char *text = lua_tostring(L, -1);
    char *copy = text ? xstrdup(text) : NULL;
    lua_pop(L, 1);
    return copy;
}

static int look(lua_State *L) {
    Call *call = lua_touserdata(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushlightuserdata(L, &call->calls);
    lua_pushcclosure(L, open_client, 1);
    lua_setfield(L, -2, "weir.native.client");

    require(L, "weir.preflight.change");
    lua_getfield(L, -1, "look");
    require(L, "weir.transport.blocking");
    lua_pushstring(L, call->name);
    push_sources(L, call->before);
    push_sources(L, call->now);
    lua_pushinteger(L, call->config->memory_bytes);
    lua_pushinteger(L, call->config->cpu_ms);
    lua_pushlightuserdata(L, call);
    lua_pushcclosure(L, ask_stopped, 1);
    lua_call(L, 7, 1);
    call->found->text = text_of(L, "text");
    call->found->first = text_of(L, "first");
    call->found->line = text_of(L, "line");
    return 0;
}

// Errors of the connection are tables with a message.
static char *fault_of(lua_State *L) {
    if (lua_istable(L, -1)) lua_getfield(L, -1, "message");
    const char *text = lua_tostring(L, -1);
    return xstrdup(text ? text : "an error without text");
}

void preflight_run(Preflight *found, const Config *config, const char *name, const Bundle *before,
                   const Bundle *now, PreflightStop *is_stopped, void *owner) {
    *found = (Preflight){0};
    Vm *vm = vm_open(config);
    if (!vm) {
        found->fault = xstrdup("Lua cannot start");
        return;
    }
    lua_State *L = vm_lua(vm);
    Call call = {.config = config,
                 .name = name,
                 .before = before,
                 .now = now,
                 .found = found,
                 .is_stopped = is_stopped,
                 .owner = owner};
    calls_open(&call.calls, config);
    lua_pushcfunction(L, look);
    lua_pushlightuserdata(L, &call);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) found->fault = fault_of(L);
    vm_close(vm);
    calls_close(&call.calls);
}

void preflight_free(Preflight *found) {
    free(found->text);
    free(found->first);
    free(found->line);
    free(found->fault);
    *found = (Preflight){0};
}

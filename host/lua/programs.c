// programs: see programs.h. Lua, its libraries and hiredis open descriptors that programs inherit,
// and offer no way to open them otherwise.
#include "lua/programs.h"

#include <lauxlib.h>
#include <linux/close_range.h>
#include <unistd.h>

// Upvalue 1: Lua's own function. A descriptor that another thread opens between the two calls is
// inherited all the same. A kernel without close_range (before 5.11) changes nothing.
static int start_program(lua_State *L) {
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void replace(lua_State *L, const char *library, const char *function) {
    lua_getglobal(L, library);
    lua_getfield(L, -1, function);
    lua_pushcclosure(L, start_program, 1);
    lua_setfield(L, -2, function);
    lua_pop(L, 1);
}

void programs_install(lua_State *L) {
    replace(L, "os", "execute");
    replace(L, "io", "popen");
}

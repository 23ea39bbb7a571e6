// json: see json.h.
#include "lua/json.h"

#include "lua/json_text.h"

#include <lauxlib.h>

// setup(null, array_mark) -> the module, with its functions
static int setup(lua_State *L) {
    const luaL_Reg functions[] = {
        {"try_encode", json_encode}, {"try_decode", json_decode}, {NULL, NULL}};
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    luaL_setfuncs(L, functions, 2);
    return 1;
}

int luaopen_weir_native_json(lua_State *L) {
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, setup, 1);
    lua_setfield(L, -2, "setup");
    return 1;
}

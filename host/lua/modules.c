// modules: see modules.h.
#include "lua/modules.h"

#include "assets/assets.h"
#include "lua/json.h"
#include "lua/order.h"

#include <lauxlib.h>
#include <string.h>

int luaopen_cjson(lua_State *L); // of lua-cjson, which has no header

void modules_preload(lua_State *L, const char *module, lua_CFunction open, int upvalues) {
    lua_pushcclosure(L, open, upvalues);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_insert(L, -2);
    lua_setfield(L, -2, module);
    lua_pop(L, 1);
}

// Paths of --lua-path and --lua-cpath come before those that Lua has itself.
static void prepend_path(lua_State *L, const char *field, const char *path) {
    if (!path || !*path) return;
    lua_getfield(L, -1, field);
    lua_pushfstring(L, "%s;%s", path, lua_tostring(L, -1));
    lua_setfield(L, -3, field);
    lua_pop(L, 1);
}

// Stack: package. Removes relative paths: files in the working folder are in no bundle and may
// belong to another user. --lua-path can add it.
static void leave_working_folder(lua_State *L, const char *field) {
    luaL_Buffer kept;
    lua_getfield(L, -1, field);
    const char *path = lua_tostring(L, -1);
    luaL_buffinit(L, &kept);
    for (const char *at = path ? path : "", *end; *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, ';');
        if (*at != '/') continue;
        if (luaL_bufflen(&kept) > 0) luaL_addchar(&kept, ';');
        luaL_addlstring(&kept, at, (size_t)(end - at));
    }
    luaL_pushresult(&kept);
    lua_setfield(L, -3, field);
    lua_pop(L, 1);
}

// weir's own modules are found right behind the preloaded ones, so that no file on a path can
// replace them.
static void set_package(lua_State *L, const Config *config) {
    lua_getglobal(L, "package");
    leave_working_folder(L, "path");
    leave_working_folder(L, "cpath");
    prepend_path(L, "path", config->lua_path);
    prepend_path(L, "cpath", config->lua_cpath);
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, asset_searcher);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

void modules_require(lua_State *L, const char *module) {
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
}

void modules_install(lua_State *L, const Config *config) {
    modules_preload(L, "weir.native.json", luaopen_weir_native_json, 0);
    modules_preload(L, "weir.native.order", luaopen_weir_native_order, 0);
    modules_preload(L, "cjson", luaopen_cjson, 0);
    set_package(L, config);
}

// client_error: see client_error.h.
#include "client/client_error.h"

#include "base/address.h"
#include "base/text.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

int client_error_raise(lua_State *L, int status, const char *format, ...) {
    char message[2048];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    char *plain = text_plain(message, strlen(message), TEXT_LINE); // names of others stand in it
    address_hide_logins(plain);
    lua_pushstring(L, plain);
    free(plain);
    lua_setfield(L, -2, "message");
    return lua_error(L);
}

static bool is_cli_error(lua_State *L, int index) {
    if (!lua_istable(L, index)) return false;
    bool found = lua_getfield(L, index, "status") == LUA_TNUMBER;
    lua_pop(L, 1);
    return found;
}

// Only an error in weir itself needs a traceback.
int client_error_explain(lua_State *L) {
    if (is_cli_error(L, 1)) return 1;
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static void report(const char *message, size_t size) {
    char *plain = text_plain(message, size, TEXT_LINES);
    address_hide_logins(plain);
    fprintf(stderr, "weir: %s\n", plain);
    free(plain);
}

int client_error_report(lua_State *L) {
    bool found = is_cli_error(L, -1);
    if (found) lua_getfield(L, -1, "message");
    size_t size;
    const char *message = lua_tolstring(L, -1, &size);
    report(message ? message : "", message ? size : 0);
    if (!found) return EX_SOFTWARE;
    lua_getfield(L, -2, "status");
    return (int)lua_tointeger(L, -1);
}

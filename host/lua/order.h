/* `pairs` and `next` in an order that is the same in every process, for workflow code.
 * The Lua side is lua/weir/base/ordered_pairs.lua, which does the same without the host. */
#ifndef WEIR_ORDER_H
#define WEIR_ORDER_H

#include <lua.h>

int luaopen_weir_native_order(lua_State *L);

#endif

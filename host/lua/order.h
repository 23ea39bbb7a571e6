// order: `pairs` and `next` for workflow code, in an order that is the same in every process.
//
// lua/weir/base/ordered_pairs.lua does the same without the host; spec/base/ordered_pairs_spec.lua
// holds both to the same orders and messages. For the thread of the Lua state.
#ifndef WEIR_ORDER_H
#define WEIR_ORDER_H

#include <lua.h>

// The module "weir.native.order": pairs, next, and setup(predicate). The predicate says of a table
// whether its keys may be walked in any order.
int luaopen_weir_native_order(lua_State *L);

#endif

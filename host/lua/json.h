// json: the codec of lua/weir/json.lua in C, which every payload of a run passes through.
//
// It writes the same texts and refuses the same values with the same messages as its model;
// spec/json_spec.lua holds them together. For the thread of the Lua state.
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

struct lua_State;

// The module "weir.native.json": setup(null, array_mark) gives it try_encode and try_decode.
int luaopen_weir_native_json(struct lua_State *L);

#endif

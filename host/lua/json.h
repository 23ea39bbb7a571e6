// json: the codec of lua/weir/json.lua in C, for payloads on the hot path.
//
// Exact like its model: what cannot come back the same is refused, with the same words.
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

struct lua_State;

// The module "weir.native.json": setup(null, array_mark) gives it try_encode and try_decode.
int luaopen_weir_native_json(struct lua_State *L);

#endif

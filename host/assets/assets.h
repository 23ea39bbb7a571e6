// assets: the Lua modules and Redis scripts that travel in the binary.
//
// A path is that of the source tree: "lua/weir/replay/journal.lua", "redis-scripts/lib.lua". With
// WEIR_ROOT=DIR they are read from that tree instead, once, at first use. Texts live as long as the
// process.
#ifndef WEIR_ASSETS_H
#define WEIR_ASSETS_H

#include <stddef.h>

struct lua_State;

// The text (a NUL follows it), or NULL when there is no such asset.
const char *asset_find(const char *path, size_t *size);

// Calls `visit` for each path that begins with `prefix`, in order of their bytes.
void asset_list(const char *prefix, void (*visit)(const char *path, void *data), void *data);

// An entry of package.searchers: "weir.journal" is lua/weir/replay/journal.lua, chunk
// "=[weir]/journal.lua".
int asset_searcher(struct lua_State *L);

#endif

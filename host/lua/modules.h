// modules: where a Lua state finds modules: those of weir, those in C, and the paths of flags.
//
// For any state whose libraries are open, on its thread. Each function may raise.
#ifndef WEIR_MODULES_H
#define WEIR_MODULES_H

#include "config/config.h"

#include <lua.h>

// Installs weir's own modules, those in C too, and the paths of --lua-path and --lua-cpath.
void modules_install(lua_State *L, const Config *config);

// Makes `open` the loader of a module. It takes its upvalues from the stack.
void modules_preload(lua_State *L, const char *module, lua_CFunction open, int upvalues);

// Pushes the module.
void modules_require(lua_State *L, const char *module);

#endif

// host_module: the functions that the engine may call of its host, as the module
// "weir.native.host".
//
// lua/weir/native/host.lua declares them for editors. They are called on the thread of the state,
// which limit_open must have made.
#ifndef WEIR_HOST_MODULE_H
#define WEIR_HOST_MODULE_H

#include "base/report.h"

#include <lua.h>

// Makes `require "weir.native.host"` work. `reports` gets the reports of each turn and must outlive
// the state.
void host_module_preload(lua_State *L, Reports *reports);

#endif

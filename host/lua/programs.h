// programs: what programs get that Lua code starts with os.execute and io.popen.
#ifndef WEIR_PROGRAMS_H
#define WEIR_PROGRAMS_H

#include <lua.h>

// Replaces both functions. The libraries must be open, and no other code may have run. Programs
// then inherit stdin, stdout and stderr, and no other descriptor: neither the connections of the
// host nor files that steps of other runs have open.
void programs_install(lua_State *L);

#endif

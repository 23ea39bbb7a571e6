// fault: what ends a command: raised in Lua as {status=, message=}, or any other error, which is
// weir's own. For the thread of the Lua state.
#ifndef WEIR_FAULT_H
#define WEIR_FAULT_H

#include <lua.h>

// Raises it, with the exit status and the line that people are told. Never returns.
__attribute__((format(printf, 3, 4))) int fault_raise(lua_State *L, int status, const char *format,
                                                      ...);

// A message handler: what is no fault gets a traceback.
int fault_explain(lua_State *L);

// Writes what was raised, and is on top of the stack, to stderr; the status to exit with.
int fault_report(lua_State *L);

#endif

// cli_error: what ends a command: raised in Lua as {status=, message=}, or any other error, which
// is weir's own. For the thread of the Lua state.
#ifndef WEIR_CLI_ERROR_H
#define WEIR_CLI_ERROR_H

#include <lua.h>

// Raises it, with the exit status and the line that people are told. Never returns.
__attribute__((format(printf, 3, 4))) int cli_error_raise(lua_State *L, int status,
                                                          const char *format, ...);

// A message handler: what is no fault gets a traceback.
int cli_error_explain(lua_State *L);

// Writes what was raised, and is on top of the stack, to stderr; the status to exit with.
int cli_error_report(lua_State *L);

#endif

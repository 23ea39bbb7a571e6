// client_error: the error that ends a command: a table {status=, message=}, raised in Lua. Any
// other value that is raised is an error in weir itself. For the thread of the Lua state.
#ifndef WEIR_CLIENT_ERROR_H
#define WEIR_CLIENT_ERROR_H

#include <lua.h>

// Raises it, with the exit status and a line for people. Never returns.
__attribute__((format(printf, 3, 4))) int client_error_raise(lua_State *L, int status,
                                                             const char *format, ...);

// A message handler: adds a traceback to errors in weir itself.
int client_error_explain(lua_State *L);

// Writes the error on top of the stack to stderr, and returns the exit status.
int client_error_report(lua_State *L);

#endif

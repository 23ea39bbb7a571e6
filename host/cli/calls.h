// calls: the scripts and commands of Redis that Lua calls, one after the other or some under way.
//
// Every group may be sent twice, so a connection that died is made anew and the call with it. The
// Calls are their owner's, who calls calls_close; they belong to the thread of the Lua state.
#ifndef WEIR_CALLS_H
#define WEIR_CALLS_H

#include "cli/connection.h"

#include <lauxlib.h>

enum { CALLS_UNDER_WAY = 4 };

// A call as it goes over the wire, kept until its reply has come.
typedef struct {
    char *bytes;
    size_t size;
} Sent;

typedef struct {
    Connection connection;  // its config is set by the owner
    char *sha;              // of the script, once it was loaded
    const char **arguments; // of the command being sent
    size_t *sizes;
    size_t count;
    Sent sent[CALLS_UNDER_WAY]; // oldest first
    int under_way;
} Calls;

void calls_close(Calls *calls);

// For weir.native.client, with the Calls as upvalue: call send receive ask.
extern const luaL_Reg calls_functions[];

#endif

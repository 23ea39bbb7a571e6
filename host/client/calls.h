// calls: calls of the script and commands of Redis for Lua, one after the other or several under
// way.
//
// Every group may be sent twice, so when a connection dies the calls are sent again on a new one.
// The owner of the Calls closes them. They belong to the thread of the Lua state.
#ifndef WEIR_CALLS_H
#define WEIR_CALLS_H

#include "client/connection.h"
#include "redis/script_call.h"

#include <lauxlib.h>

enum { CALLS_UNDER_WAY = 4 };

typedef struct {
    Connection connection;
    ScriptCall script;
    bool waits;                   // a reply counts when a replica has the changes, too
    Batch *written;               // being filled, so that it is freed when Lua raises
    Batch *sent[CALLS_UNDER_WAY]; // without a reply yet, oldest first
    int under_way;
    bool broken; // a function raised while replies were due: they are no longer in step
} Calls;

void calls_open(Calls *calls, const Config *config);
void calls_close(Calls *calls);

// For weir.native.client, with the Calls as upvalue: call send receive ask.
extern const luaL_Reg calls_functions[];

#endif

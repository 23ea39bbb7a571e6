// connection: one blocking connection to Redis for Lua, where what goes wrong is raised as a fault.
//
// It is made when it is first needed, and anew when it has died. It owns the reply that was read
// last. The Connection is its owner's, who calls connection_close; only the thread of the Lua state
// uses it. Nothing it has allocated is lost when a function raises.
#ifndef WEIR_CONNECTION_H
#define WEIR_CONNECTION_H

#include "config/config.h"
#include "redis/reply.h"

#include <hiredis/hiredis.h>
#include <lua.h>
#include <stdbool.h>

// How long Redis may take to come back, and between two tries.
enum { CONNECTION_PATIENCE_MS = 5000, CONNECTION_PAUSE_MS = 20 };

typedef struct {
    const Config *config;
    redisContext *context; // NULL: not made yet
    redisReply *reply;     // read last, NULL: none
} Connection;

// Has it connected and logged in.
void connection_ensure(lua_State *L, Connection *connection);
void connection_close(Connection *connection);

// Sends one command and keeps its reply. False: the connection is gone. Never raises.
bool connection_ask(Connection *connection, int count, const char **arguments, const size_t *sizes);
void connection_drop_reply(Connection *connection);

// Raises the reply, an error, unless Redis may answer another thing soon.
void connection_check_reply(lua_State *L, const Connection *connection);
// Raises the reply, or without one what is wrong with the connection: it was tried long enough.
int connection_raise(lua_State *L, const Connection *connection);

void connection_push_reply(lua_State *L, const redisReply *reply);

#endif

// connection: one blocking connection to Redis for Lua, which raises errors as client_error.
//
// It connects when it is first used, and again after it has died. Under Sentinel it asks each time
// where the primary is. It owns the last reply. The owner
// of the Connection closes it; only the thread of the Lua state uses it. Nothing leaks when a
// function raises.
#ifndef WEIR_CONNECTION_H
#define WEIR_CONNECTION_H

#include "config/config.h"
#include "redis/reply.h"
#include "redis/sentinel.h"

#include <hiredis/hiredis.h>
#include <lua.h>
#include <stdbool.h>

// For how long a command waits for Redis to come back, and the pause between two tries.
enum { CONNECTION_PATIENCE_MS = 5000, CONNECTION_PAUSE_MS = 20 };

// For how long a Redis under Sentinel may owe a reply, until Sentinel is asked for the primary
// again.
enum { CONNECTION_DOUBT_MS = 1000 };

typedef struct {
    const Config *config;
    redisContext *context;         // NULL: not connected yet
    redisReply *reply;             // read last, NULL: none
    bool worked;                   // it was connected once
    char host[SENTINEL_HOST_SIZE]; // of the primary that Sentinel named
    int port;
    const RedisError *error; // that keeps Sentinel from naming one; NULL: none
    char why[SENTINEL_WHY_SIZE];
} Connection;

// Connects and logs in, unless that is done. Raises when Redis cannot be reached.
void connection_ensure(lua_State *L, Connection *connection);
void connection_close(Connection *connection);

// Under Sentinel: another Redis may be the primary by now. Sentinel is asked before the next
// command. The reply stays. Returns whether the connection was given up.
bool connection_doubt(Connection *connection);

// Sends one command and keeps its reply. False: the connection is gone. Never raises.
bool connection_ask(Connection *connection, int count, const char **arguments, const size_t *sizes);
void connection_drop_reply(Connection *connection);

// Raises the reply, an error, unless the error may pass soon.
void connection_check_reply(lua_State *L, const Connection *connection);
// Raises the reply or, without one, the error of the connection: the command has waited long
// enough.
int connection_raise(lua_State *L, const Connection *connection);

void connection_push_reply(lua_State *L, const redisReply *reply);

#endif

// link: one blocking connection to Redis for Lua, where what goes wrong is raised as a fault.
//
// It is made when it is first needed, and anew when it has died. It owns the reply that was read
// last. The Link is its owner's, who calls link_close; only the thread of the Lua state uses it.
// Nothing it has allocated is lost when a function raises.
#ifndef WEIR_LINK_H
#define WEIR_LINK_H

#include "config/config.h"

#include <hiredis.h>
#include <lua.h>
#include <stdbool.h>

// How long Redis may take to come back, and between two tries.
enum { LINK_PATIENCE_MS = 5000, LINK_PAUSE_MS = 20 };

typedef struct {
    const Config *config;
    redisContext *connection; // NULL: not made yet
    redisReply *reply;        // read last, NULL: none
} Link;

// Has it connected and logged in.
void link_connect(lua_State *L, Link *link);
void link_close(Link *link);

// Sends one command and keeps its reply. False: the connection is gone. Never raises.
bool link_ask(Link *link, int count, const char **arguments, const size_t *sizes);
void link_forget_reply(Link *link);

// Whether the reply is an error that begins so.
bool link_is_error(const Link *link, const char *word);

// Raises the reply, an error, unless Redis may answer another thing soon.
void link_face(lua_State *L, const Link *link);
// Raises the reply, or without one what is wrong with the connection: it was tried long enough.
int link_give_up(lua_State *L, const Link *link);

void link_push_reply(lua_State *L, const redisReply *reply);

#endif

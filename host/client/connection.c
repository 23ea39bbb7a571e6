#include "client/connection.h"

#include "base/clock.h"
#include "client/client_error.h"
#include "client/interrupts.h"
#include "redis/greeting.h"
#include "redis/redis_error.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void connection_drop_reply(Connection *connection) {
    if (connection->reply) freeReplyObject(connection->reply);
    connection->reply = NULL;
}

static void disconnect(Connection *connection) {
    if (connection->context) redisFree(connection->context);
    connection->context = NULL;
}

void connection_close(Connection *connection) {
    connection_drop_reply(connection);
    disconnect(connection);
}

bool connection_ask(Connection *connection, int count, const char **arguments,
                    const size_t *sizes) {
    connection_drop_reply(connection);
    connection->reply = redisCommandArgv(connection->context, count, arguments, sizes);
    return connection->reply;
}

static const char *error_of(const Connection *connection) {
    bool error = connection->reply->type == REDIS_REPLY_ERROR;
    return error ? connection->reply->str : "it is no reply to a script of weir";
}

static int refused(lua_State *L, const Connection *connection, int status, const char *what) {
    const Config *config = connection->config;
    const char *why = error_of(connection);
    char text[REDIS_ERROR_TEXT];
    redis_error_text(redis_error_of(why), why, &config->redis, config->prefix, text);
    return client_error_raise(L, status, "Redis at %s %s: %s", config->redis.url, what, text);
}

void connection_check_reply(lua_State *L, const Connection *connection) {
    switch (redis_error_of(error_of(connection))->kind) {
    case REDIS_ERROR_LOGIN:
    case REDIS_ERROR_PERMISSION: refused(L, connection, EX_NOPERM, "refused a call"); break;
    case REDIS_ERROR_OTHER: refused(L, connection, EX_SOFTWARE, "refused a call"); break;
    default: break;
    }
}

static int unreachable(lua_State *L, const Connection *connection, const char *why) {
    const char *url = connection->config->redis.url;
    const char *starter = strstr(url, "/.weir/") ? "weir dev" : "it"; // the folder of weir dev
    if (strncmp(why, "Protocol error", strlen("Protocol error")) == 0)
        return client_error_raise(
            L, EX_UNAVAILABLE,
            "what answers at %s is no Redis (%s); is another port meant (--redis URL)?", url, why);
    if (!connection->config->redis_found)
        return client_error_raise(
            L, EX_UNAVAILABLE,
            "there is no .weir/ here or above, and no Redis at %s (%s); run this "
            "where weir dev runs, or name a Redis (--redis URL, WEIR_REDIS)",
            url, why);
    return client_error_raise(
        L, EX_UNAVAILABLE,
        "Redis at %s cannot be reached: %s; is %s running, or is another meant "
        "(--redis URL)?",
        url, why, starter);
}

int connection_raise(lua_State *L, const Connection *connection) {
    if (connection->reply) return refused(L, connection, EX_UNAVAILABLE, "cannot serve just now");
    return unreachable(L, connection, connection->context->errstr);
}

static void check_login(lua_State *L, const Connection *connection) {
    const redisReply *reply = connection->reply;
    if (reply->type == REDIS_REPLY_ERROR && redis_error_of(reply->str)->kind == REDIS_ERROR_LOGIN)
        refused(L, connection, EX_NOPERM, "refused the login");
}

// False: not possible now. An error that only a person can end is raised.
static bool log_in_step(lua_State *L, Connection *connection, GreetingCommand *command) {
    if (!connection_ask(connection, command->count, command->words, command->sizes)) return false;
    check_login(L, connection);
    if (connection->reply->type == REDIS_REPLY_ERROR) connection_check_reply(L, connection);
    return connection->reply->type != REDIS_REPLY_ERROR;
}

// Asked before anything large is sent: Redis closes the connection of a client without a login
// that sends much, and its error would be lost.
static bool ping_ok(lua_State *L, Connection *connection) {
    const char *words[] = {"PING"};
    if (!connection_ask(connection, 1, words, NULL)) return false;
    check_login(L, connection);
    return !reply_is_error(connection->reply, "ERR max number of clients");
}

static bool log_in(lua_State *L, Connection *connection) {
    GreetingCommand commands[GREETING_LOGIN];
    int count = greeting_log_in(&connection->config->redis, commands);
    for (int i = 0; i < count; i++)
        if (!log_in_step(L, connection, &commands[i])) return false;
    return ping_ok(L, connection);
}

static bool connect_once(lua_State *L, Connection *connection) {
    const RedisAddress *address = &connection->config->redis;
    struct timeval timeout = {.tv_sec = CONNECTION_PATIENCE_MS / 1000};
    connection_close(connection);
    redisContext *context = address->socket
                                ? redisConnectUnixWithTimeout(address->socket, timeout)
                                : redisConnectWithTimeout(address->host, address->port, timeout);
    if (!context) abort();
    connection->context = context;
    if (context->err) return false;
    fcntl(context->fd, F_SETFD, FD_CLOEXEC); // not for programs that a step starts
    redisSetTimeout(context, timeout);
    return log_in(L, connection);
}

// A connection that once worked is tried again for a while: Redis may be restarting. So is one that
// Redis refuses for now.
void connection_ensure(lua_State *L, Connection *connection) {
    bool worked = connection->context;
    if (worked && !connection->context->err) return;
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    while (!connect_once(L, connection)) {
        if ((!worked && !connection->reply) || clock_ms() >= end) connection_raise(L, connection);
        interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
    }
}

void connection_push_reply(lua_State *L, const redisReply *reply) {
    luaL_checkstack(L, 4, "a reply is nested too deeply");
    switch (reply->type) {
    case REDIS_REPLY_ARRAY:
        lua_createtable(L, (int)reply->elements, 0);
        for (size_t i = 0; i < reply->elements; i++) {
            connection_push_reply(L, reply->element[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case REDIS_REPLY_INTEGER: lua_pushinteger(L, reply->integer); break;
    case REDIS_REPLY_NIL: lua_pushboolean(L, 0); break;
    default: lua_pushlstring(L, reply->str, reply->len); break;
    }
}

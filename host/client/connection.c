// connection: see connection.h.
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

bool connection_doubt(Connection *connection) {
    if (!connection->config->redis.primary) return false;
    disconnect(connection);
    return true;
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

static int sentinel_failed(lua_State *L, const Connection *connection) {
    const Config *config = connection->config;
    char text[REDIS_ERROR_TEXT];
    int status = connection->error->kind == REDIS_ERROR_NAME    ? EX_CONFIG
                 : connection->error->kind == REDIS_ERROR_LOGIN ? EX_NOPERM
                                                                : EX_UNAVAILABLE;
    redis_error_text(connection->error, connection->why, &config->redis, config->prefix, text);
    return client_error_raise(L, status, "Redis at %s: %s", config->redis.url, text);
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
    if (connection->error) return sentinel_failed(L, connection);
    if (!connection->config->redis.primary)
        return unreachable(L, connection, connection->context->errstr);
    char why[SENTINEL_WHY_SIZE];
    snprintf(why, sizeof why, "the primary, %s:%d: %s", connection->host, connection->port,
             connection->context->errstr);
    return unreachable(L, connection, why);
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

// ---- Sentinel -----------------------------------------------------------------------------------

static void ask_sentinel(Connection *connection, int index) {
    const RedisAddress *address = &connection->config->redis;
    const HostPort *sentinel = &address->sentinels[index];
    struct timeval limit = {.tv_usec = SENTINEL_REPLY_MS * 1000};
    GreetingCommand commands[2];
    int count = sentinel_question(address, commands);
    redisContext *context = redisConnectWithTimeout(sentinel->host, sentinel->port, limit);
    if (!context) abort();
    fcntl(context->fd, F_SETFD, FD_CLOEXEC);
    if (!context->err) redisSetTimeout(context, limit);
    redisReply *reply = NULL;
    for (int i = 0; i < count && !context->err; i++) {
        if (reply) freeReplyObject(reply);
        reply = redisCommandArgv(context, commands[i].count, commands[i].words, commands[i].sizes);
    }
    char why[SENTINEL_WHY_SIZE];
    const RedisError *error = sentinel_read(address, index, reply, context->errstr,
                                            connection->host, &connection->port, why);
    const RedisError *worse = error ? sentinel_worse(connection->error, error) : NULL;
    if (worse && worse != connection->error) memcpy(connection->why, why, sizeof why);
    connection->error = worse;
    if (reply) freeReplyObject(reply);
    redisFree(context);
}

// Whether a Sentinel named the primary.
static bool find_primary(Connection *connection) {
    connection->error = NULL;
    for (int i = 0; i < connection->config->redis.sentinel_count; i++) {
        ask_sentinel(connection, i);
        if (!connection->error) return true;
    }
    return false;
}

// False: Sentinel will name another soon. Redis may refuse a user the question: that is raised.
static bool is_primary(lua_State *L, Connection *connection) {
    GreetingCommand role;
    sentinel_ask_role(&role);
    if (!log_in_step(L, connection, &role)) return false;
    if (sentinel_is_primary(connection->reply)) return true;
    connection_drop_reply(connection);
    connection->error = redis_error_no_primary;
    snprintf(connection->why, sizeof connection->why, "%s:%d is a replica", connection->host,
             connection->port);
    return false;
}

// ---- connecting ---------------------------------------------------------------------------------

static redisContext *begin_connection(const Connection *connection, struct timeval timeout) {
    const RedisAddress *address = &connection->config->redis;
    if (address->primary)
        return redisConnectWithTimeout(connection->host, connection->port, timeout);
    if (address->socket) return redisConnectUnixWithTimeout(address->socket, timeout);
    return redisConnectWithTimeout(address->host, address->port, timeout);
}

static bool connect_once(lua_State *L, Connection *connection) {
    bool under_sentinel = connection->config->redis.primary;
    int limit_ms = under_sentinel ? CONNECTION_DOUBT_MS : CONNECTION_PATIENCE_MS;
    struct timeval timeout = {.tv_sec = limit_ms / 1000};
    connection_close(connection);
    if (under_sentinel && !find_primary(connection)) return false;
    redisContext *context = begin_connection(connection, timeout);
    if (!context) abort();
    connection->context = context;
    if (context->err) return false;
    fcntl(context->fd, F_SETFD, FD_CLOEXEC); // not for programs that a step starts
    redisSetTimeout(context, timeout);
    return log_in(L, connection) && (!under_sentinel || is_primary(L, connection));
}

// Redis may be restarting, where a connection has worked. Redis itself may refuse it for now. And
// where Sentinel has named a primary that does not answer, it may be about to name another.
static bool may_pass(const Connection *connection) {
    if (connection->reply) return true;
    const RedisError *error = connection->error;
    if (error && error->kind != REDIS_ERROR_UNREACHABLE)
        return error->kind == REDIS_ERROR_BACKPRESSURE;
    return connection->worked || (connection->config->redis.primary && !error);
}

void connection_ensure(lua_State *L, Connection *connection) {
    if (connection->context && !connection->context->err) return;
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    while (!connect_once(L, connection)) {
        if (!may_pass(connection) || clock_ms() >= end) connection_raise(L, connection);
        interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
    }
    connection->worked = true;
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

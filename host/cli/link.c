#include "cli/link.h"

#include "cli/fault.h"
#include "cli/wait.h"
#include "redis/trouble.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void link_forget_reply(Link *link) {
    if (link->reply) freeReplyObject(link->reply);
    link->reply = NULL;
}

static void hang_up(Link *link) {
    if (link->connection) redisFree(link->connection);
    link->connection = NULL;
}

void link_close(Link *link) {
    link_forget_reply(link);
    hang_up(link);
}

bool link_ask(Link *link, int count, const char **arguments, const size_t *sizes) {
    link_forget_reply(link);
    link->reply = redisCommandArgv(link->connection, count, arguments, sizes);
    return link->reply;
}

bool link_is_error(const Link *link, const char *word) {
    return link->reply->type == REDIS_REPLY_ERROR &&
           strncmp(link->reply->str, word, strlen(word)) == 0;
}

static const char *error_of(const Link *link) {
    bool error = link->reply->type == REDIS_REPLY_ERROR;
    return error ? link->reply->str : "it is no reply to a script of weir";
}

static int refused(lua_State *L, const Link *link, int status, const char *what) {
    const Config *config = link->config;
    const char *why = error_of(link);
    char text[TROUBLE_TEXT];
    trouble_text(trouble_of(why), why, &config->redis, config->prefix, text);
    return fault_raise(L, status, "Redis at %s %s: %s", config->redis.url, what, text);
}

void link_face(lua_State *L, const Link *link) {
    switch (trouble_of(error_of(link))->kind) {
    case TROUBLE_LOGIN:
    case TROUBLE_RIGHT: refused(L, link, EX_NOPERM, "refused a call"); break;
    case TROUBLE_OTHER: refused(L, link, EX_SOFTWARE, "refused a call"); break;
    default: break;
    }
}

static int unreachable(lua_State *L, const Link *link, const char *why) {
    const char *url = link->config->redis.url;
    const char *starter = strstr(url, "/.weir/") ? "weir dev" : "it"; // that folder is of weir dev
    if (strncmp(why, "Protocol error", strlen("Protocol error")) == 0)
        return fault_raise(
            L, EX_UNAVAILABLE,
            "what answers at %s is no Redis (%s); is another port meant (--redis URL)?", url, why);
    if (!link->config->redis_found)
        return fault_raise(L, EX_UNAVAILABLE,
                           "there is no .weir/ here or above, and no Redis at %s (%s); run this "
                           "where weir dev runs, or name a Redis (--redis URL, WEIR_REDIS)",
                           url, why);
    return fault_raise(L, EX_UNAVAILABLE,
                       "Redis at %s cannot be reached: %s; is %s running, or is another meant "
                       "(--redis URL)?",
                       url, why, starter);
}

int link_give_up(lua_State *L, const Link *link) {
    if (link->reply) return refused(L, link, EX_UNAVAILABLE, "cannot serve just now");
    return unreachable(L, link, link->connection->errstr);
}

static void check_login(lua_State *L, const Link *link) {
    const redisReply *reply = link->reply;
    if (reply->type == REDIS_REPLY_ERROR && trouble_of(reply->str)->kind == TROUBLE_LOGIN)
        refused(L, link, EX_NOPERM, "refused the login");
}

// False: not now. What only a person can change is raised.
static bool introduce(lua_State *L, Link *link, int count, const char **words) {
    if (!link_ask(link, count, words, NULL)) return false;
    check_login(L, link);
    if (link->reply->type == REDIS_REPLY_ERROR) link_face(L, link);
    return link->reply->type != REDIS_REPLY_ERROR;
}

// Asked before anything large is sent: Redis hangs up on that from whom it does not let in.
static bool is_let_in(lua_State *L, Link *link) {
    const char *words[] = {"PING"};
    if (!link_ask(link, 1, words, NULL)) return false;
    check_login(L, link);
    return !link_is_error(link, "ERR max number of clients");
}

static bool log_in(lua_State *L, Link *link) {
    const RedisAddress *address = &link->config->redis;
    const char *named[] = {"AUTH", address->user, address->password};
    const char *unnamed[] = {"AUTH", address->password};
    char db[16];
    snprintf(db, sizeof db, "%d", address->db);
    const char *select[] = {"SELECT", db};
    bool alive = true;
    if (address->password)
        alive = introduce(L, link, address->user ? 3 : 2, address->user ? named : unnamed);
    if (alive && address->db) alive = introduce(L, link, 2, select);
    return alive && is_let_in(L, link);
}

static bool connect_once(lua_State *L, Link *link) {
    const RedisAddress *address = &link->config->redis;
    struct timeval timeout = {.tv_sec = LINK_PATIENCE_MS / 1000};
    link_close(link);
    redisContext *connection = address->socket
                                   ? redisConnectUnixWithTimeout(address->socket, timeout)
                                   : redisConnectWithTimeout(address->host, address->port, timeout);
    if (!connection) abort();
    link->connection = connection;
    if (connection->err) return false;
    fcntl(connection->fd, F_SETFD, FD_CLOEXEC); // programs that a step starts do not get it
    redisSetTimeout(connection, timeout);
    return log_in(L, link);
}

// One that once worked and died is tried again for a while: Redis may be starting anew. So is one
// that is told to come later.
void link_connect(lua_State *L, Link *link) {
    bool worked = link->connection;
    if (worked && !link->connection->err) return;
    int64_t end = wait_clock_ms() + LINK_PATIENCE_MS;
    while (!connect_once(L, link)) {
        if ((!worked && !link->reply) || wait_clock_ms() >= end) link_give_up(L, link);
        wait_readable(L, -1, LINK_PAUSE_MS);
    }
}

void link_push_reply(lua_State *L, const redisReply *reply) {
    luaL_checkstack(L, 4, "a reply is nested too deeply");
    switch (reply->type) {
    case REDIS_REPLY_ARRAY:
        lua_createtable(L, (int)reply->elements, 0);
        for (size_t i = 0; i < reply->elements; i++) {
            link_push_reply(L, reply->element[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case REDIS_REPLY_INTEGER: lua_pushinteger(L, reply->integer); break;
    case REDIS_REPLY_NIL: lua_pushboolean(L, 0); break;
    default: lua_pushlstring(L, reply->str, reply->len); break;
    }
}

#include "link.h"

#include "fault.h"
#include "trouble.h"
#include "wait.h"

#include <lauxlib.h>
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

static void check_login(lua_State *L, const Link *link) {
    if (link->reply->type == REDIS_REPLY_ERROR)
        fault_raise(L, EX_NOPERM, "Redis at %s refused the login: %s", link->config->redis.url,
                    link->reply->str);
}

static void log_in(lua_State *L, Link *link) {
    const RedisAddress *address = &link->config->redis;
    if (address->password) {
        const char *words[] = {"AUTH", address->user, address->password};
        if (!address->user) words[1] = address->password;
        if (link_ask(link, address->user ? 3 : 2, words, NULL)) check_login(L, link);
    }
    if (address->db && !link->connection->err) {
        char db[16];
        snprintf(db, sizeof db, "%d", address->db);
        const char *words[] = {"SELECT", db};
        if (link_ask(link, 2, words, NULL)) check_login(L, link);
    }
    // asked before anything large is sent: Redis hangs up on that from a stranger
    const char *ping[] = {"PING"};
    if (!link->connection->err && link_ask(link, 1, ping, NULL) && link_is_error(link, "NOAUTH"))
        check_login(L, link);
}

static int unreachable(lua_State *L, const Link *link, const char *why) {
    const char *url = link->config->redis.url;
    const char *starter = strstr(url, "/.weir/") ? "weir dev" : "it"; // that folder is of weir dev
    return fault_raise(L, EX_UNAVAILABLE,
                       "Redis at %s cannot be reached: %s; is %s running, or is another meant "
                       "(--redis URL)?",
                       url, why, starter);
}

static void connect_once(lua_State *L, Link *link) {
    const RedisAddress *address = &link->config->redis;
    struct timeval timeout = {.tv_sec = LINK_PATIENCE_MS / 1000};
    hang_up(link);
    redisContext *connection = address->socket
                                   ? redisConnectUnixWithTimeout(address->socket, timeout)
                                   : redisConnectWithTimeout(address->host, address->port, timeout);
    if (!connection) abort();
    link->connection = connection;
    if (!connection->err) redisSetTimeout(connection, timeout);
    if (!connection->err) log_in(L, link);
}

// One that once worked and died is tried again for a while: Redis may be starting anew.
void link_connect(lua_State *L, Link *link) {
    int64_t end = link->connection ? wait_clock_ms() + LINK_PATIENCE_MS : 0;
    if (link->connection && !link->connection->err) return;
    for (;;) {
        connect_once(L, link);
        if (!link->connection->err) return;
        if (wait_clock_ms() >= end) {
            char why[sizeof link->connection->errstr];
            memcpy(why, link->connection->errstr, sizeof why);
            hang_up(link);
            unreachable(L, link, why);
        }
        wait_readable(L, -1, LINK_PAUSE_MS);
    }
}

// ---- what Redis answered ------------------------------------------------------------------------

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

int link_give_up(lua_State *L, const Link *link) {
    if (link->reply) return refused(L, link, EX_UNAVAILABLE, "cannot serve just now");
    return unreachable(L, link, link->connection->errstr);
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

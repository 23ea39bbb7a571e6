#include "cli/messages.h"

#include "base/xmalloc.h"
#include "cli/wait.h"

static Messages *messages_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

// Redis confirms each channel: from then on no message of it is missed. A refusal comes once.
static bool try_to_subscribe(lua_State *L, Messages *messages) {
    Link *link = &messages->link;
    const TextList *command = &messages->subscribe;
    link_connect(L, link);
    bool alive = link_ask(link, (int)command->count, command->items, NULL);
    for (int64_t i = 2; alive && !link_is_error(link, "") && i < command->count; i++) {
        link_forget_reply(link);
        alive = redisGetReply(link->connection, (void **)&link->reply) == REDIS_OK;
    }
    return alive && !link_is_error(link, "");
}

static void subscribe(lua_State *L, Messages *messages) {
    Link *link = &messages->link;
    int64_t end = wait_clock_ms() + LINK_PATIENCE_MS;
    while (!try_to_subscribe(L, messages)) {
        if (link->reply) link_face(L, link);
        if (wait_clock_ms() > end) link_give_up(L, link);
        wait_readable(L, -1, LINK_PAUSE_MS);
    }
}

static void forget_channels(Messages *messages) {
    TextList *command = &messages->subscribe;
    for (int64_t i = 1; i < command->count; i++) free((char *)command->items[i]);
    free(command->items);
    *command = (TextList){0};
}

static int listen_to(lua_State *L) {
    Messages *messages = messages_of(L);
    TextList *command = &messages->subscribe;
    int count = lua_gettop(L);
    link_close(&messages->link);
    forget_channels(messages);
    command->items = xcalloc((size_t)count + 1, sizeof *command->items);
    command->items[command->count++] = "SUBSCRIBE";
    for (int i = 1; i <= count; i++) {
        const char *prefix = messages->link.config->prefix;
        const char *name = lua_pushfstring(L, "%s:{0}:%s", prefix, luaL_checkstring(L, i));
        command->items[command->count++] = xstrdup(name);
        lua_pop(L, 1);
    }
    subscribe(L, messages);
    return 0;
}

// {"message", channel, text}, all of them texts, on a channel that is longer than `prefix`.
static bool is_message(const redisReply *reply, size_t prefix) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING) return false;
    return strcmp(reply->element[0]->str, "message") == 0 && reply->element[1]->len >= prefix;
}

// Takes the next message out of what was read. False: there is none yet.
static bool take_message(lua_State *L, Messages *messages) {
    Link *link = &messages->link;
    for (;;) {
        link_forget_reply(link);
        if (redisGetReplyFromReader(link->connection, (void **)&link->reply) != REDIS_OK ||
            !link->reply)
            return false;
        size_t prefix = strlen(link->config->prefix) + strlen(":{0}:");
        if (!is_message(link->reply, prefix)) continue;
        const redisReply *channel = link->reply->element[1], *text = link->reply->element[2];
        lua_pushlstring(L, channel->str + prefix, channel->len - prefix);
        lua_pushlstring(L, text->str, text->len);
        link_forget_reply(link);
        return true;
    }
}

static int message(lua_State *L) {
    Messages *messages = messages_of(L);
    Link *link = &messages->link;
    bool for_ever = lua_isnoneornil(L, 1);
    int64_t end = for_ever ? 0 : wait_clock_ms() + luaL_checkinteger(L, 1);
    if (!link->connection) return luaL_error(L, "message: listen first");
    while (!take_message(L, messages)) {
        int64_t left = end - wait_clock_ms();
        if (left < 0) left = for_ever ? -1 : 0;
        if (!link->connection->err) {
            if (!wait_readable(L, link->connection->fd, left)) return 0;
            if (redisBufferRead(link->connection) == REDIS_OK) continue;
        }
        subscribe(L, messages);
        return 0;
    }
    return 2;
}

const luaL_Reg messages_functions[] = {
    {"listen", listen_to},
    {"message", message},
    {NULL, NULL},
};

void messages_close(Messages *messages) {
    link_close(&messages->link);
    forget_channels(messages);
}

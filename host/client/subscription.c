// subscription: see subscription.h.
#include "client/subscription.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "client/interrupts.h"
#include "redis/keyspace.h"

static Subscription *subscription_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

// Redis confirms each channel; from then on no message of it is missed. It refuses all of them with
// one error.
static bool try_to_subscribe(lua_State *L, Subscription *subscription) {
    Connection *connection = &subscription->connection;
    const TextList *command = &subscription->command;
    connection_ensure(L, connection);
    bool alive = connection_ask(connection, (int)command->count, command->items, NULL);
    for (int64_t i = 2; alive && !reply_is_error(connection->reply, "") && i < command->count;
         i++) {
        connection_drop_reply(connection);
        alive = redisGetReply(connection->context, (void **)&connection->reply) == REDIS_OK;
    }
    return alive && !reply_is_error(connection->reply, "");
}

static void subscribe(lua_State *L, Subscription *subscription) {
    Connection *connection = &subscription->connection;
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    while (!try_to_subscribe(L, subscription)) {
        if (connection->reply) connection_check_reply(L, connection);
        if (clock_ms() > end) connection_raise(L, connection);
        interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
    }
}

static void forget_channels(Subscription *subscription) {
    TextList *command = &subscription->command;
    for (int64_t i = 1; i < command->count; i++) free((char *)command->items[i]);
    free(command->items);
    *command = (TextList){0};
}

static int listen_to(lua_State *L) {
    Subscription *subscription = subscription_of(L);
    TextList *command = &subscription->command;
    int count = lua_gettop(L);
    connection_close(&subscription->connection);
    forget_channels(subscription);
    command->items = xcalloc((size_t)count + 1, sizeof *command->items);
    command->items[command->count++] = "SUBSCRIBE";
    for (int i = 1; i <= count; i++) {
        const char *prefix = subscription->connection.config->prefix;
        command->items[command->count++] = keyspace_join(prefix, luaL_checkstring(L, i));
    }
    subscribe(L, subscription);
    return 0;
}

// Pushes the channel's name and the text of the next message that was read. False: there is none
// yet.
static bool take_message(lua_State *L, Subscription *subscription) {
    Connection *connection = &subscription->connection;
    for (;;) {
        connection_drop_reply(connection);
        if (redisGetReplyFromReader(connection->context, (void **)&connection->reply) != REDIS_OK ||
            !connection->reply)
            return false;
        if (!reply_is(reply_at(connection->reply, 0), "message")) continue;
        size_t size;
        const char *channel = reply_text(reply_at(connection->reply, 1));
        const char *text = reply_bytes(reply_at(connection->reply, 2), &size);
        lua_pushstring(L, keyspace_name(connection->config->prefix, channel));
        lua_pushlstring(L, text, size);
        connection_drop_reply(connection);
        return true;
    }
}

static int message(lua_State *L) {
    Subscription *subscription = subscription_of(L);
    Connection *connection = &subscription->connection;
    bool for_ever = lua_isnoneornil(L, 1);
    int64_t end = for_ever ? 0 : clock_ms() + luaL_checkinteger(L, 1);
    if (!connection->context) return luaL_error(L, "message: listen first");
    while (!take_message(L, subscription)) {
        int64_t left = end - clock_ms();
        if (left < 0) left = for_ever ? -1 : 0;
        if (!connection->context->err) {
            if (!interrupts_wait_readable(L, connection->context->fd, left)) return 0;
            if (redisBufferRead(connection->context) == REDIS_OK) continue;
        }
        subscribe(L, subscription);
        return 0;
    }
    return 2;
}

const luaL_Reg subscription_functions[] = {
    {"listen", listen_to},
    {"message", message},
    {NULL, NULL},
};

void subscription_close(Subscription *subscription) {
    connection_close(&subscription->connection);
    forget_channels(subscription);
}

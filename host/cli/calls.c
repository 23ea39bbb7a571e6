#include "cli/calls.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "cli/interrupts.h"
#include "redis/script.h"

static Calls *calls_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

static void give(Calls *calls, const char *bytes, size_t size) {
    if ((calls->count & (calls->count - 1)) == 0) {
        size_t capacity = calls->count ? 2 * calls->count : 1;
        calls->arguments = xrealloc(calls->arguments, capacity * sizeof *calls->arguments);
        calls->sizes = xrealloc(calls->sizes, capacity * sizeof *calls->sizes);
    }
    calls->arguments[calls->count] = bytes;
    calls->sizes[calls->count++] = size;
}

// The argument on top of the stack; its text stays with `owner`, a table, until the call is over.
static void give_value(lua_State *L, Calls *calls, int owner) {
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size); // makes a string of a number, in place
    if (!bytes) luaL_error(L, "an argument of a group cannot be a %s", luaL_typename(L, -1));
    give(calls, bytes, size);
    lua_rawseti(L, owner, (lua_Integer)calls->count);
}

// EVALSHA sha 1 key worker capacity nqueues, then the groups: verb n argument...
static void give_groups(lua_State *L, Calls *calls, int groups) {
    lua_newtable(L);
    int owner = lua_gettop(L);
    calls->count = 0;
    give(calls, "EVALSHA", strlen("EVALSHA"));
    give(calls, calls->sha, strlen(calls->sha));
    give(calls, "1", 1);
    lua_pushfstring(L, "%s:{0}:", calls->connection.config->prefix);
    give_value(L, calls, owner);
    give(calls, "", 0);  // no worker
    give(calls, "0", 1); // takes no runs
    give(calls, "0", 1);
    for (int group = 1; group <= groups; group++) {
        luaL_checktype(L, group, LUA_TTABLE);
        lua_Integer count = luaL_len(L, group);
        lua_rawgeti(L, group, 1);
        give_value(L, calls, owner);
        lua_pushinteger(L, count - 1);
        give_value(L, calls, owner);
        for (lua_Integer i = 2; i <= count; i++) {
            lua_rawgeti(L, group, i);
            give_value(L, calls, owner);
        }
    }
}

static bool load_script(Calls *calls) {
    size_t size;
    const char *text = script_text(&size);
    const char *words[] = {"SCRIPT", "LOAD", text};
    const size_t sizes[] = {strlen("SCRIPT"), strlen("LOAD"), size};
    if (!connection_ask(&calls->connection, 3, words, sizes)) return false;
    if (calls->connection.reply->type != REDIS_REPLY_STRING)
        return true; // the caller looks at the error
    free(calls->sha);
    calls->sha = xstrdup(calls->connection.reply->str);
    return true;
}

// One try. True: there is an answer in calls->connection.reply, perhaps an error.
static bool try_call(lua_State *L, Calls *calls, int groups) {
    connection_ensure(L, &calls->connection);
    if (!calls->sha && (!load_script(calls) || !calls->sha)) return calls->connection.reply;
    give_groups(L, calls, groups);
    bool answered =
        connection_ask(&calls->connection, (int)calls->count, calls->arguments, calls->sizes);
    lua_settop(L, groups);
    if (!answered || !connection_is_error(&calls->connection, "NOSCRIPT")) return answered;
    free(calls->sha);
    calls->sha = NULL;
    return false;
}

static int call(lua_State *L) {
    Calls *calls = calls_of(L);
    int groups = lua_gettop(L);
    if (calls->under_way) return luaL_error(L, "call: replies are due; receive them first");
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    for (;;) {
        bool answered = try_call(L, calls, groups);
        if (answered && calls->connection.reply->type == REDIS_REPLY_ARRAY) break;
        if (answered) connection_check_reply(L, &calls->connection);
        if (clock_ms() > end) return connection_raise(L, &calls->connection);
        interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
    }
    connection_push_reply(L, calls->connection.reply);
    connection_drop_reply(&calls->connection);
    return 1;
}

// ---- calls under way ----------------------------------------------------------------------------
//
// The next call is made while the reply of the one before is awaited. Replies come in the order of
// the calls. When the connection died, all that lack a reply are sent again, in that order.

static void forget_oldest(Calls *calls) {
    free(calls->sent[0].bytes);
    calls->under_way--;
    memmove(calls->sent, calls->sent + 1, (size_t)calls->under_way * sizeof *calls->sent);
}

// A connection that dies is noticed when its replies are wanted.
static void put_on_wire(Calls *calls, const Sent *sent) {
    int done = 0;
    if (calls->connection.context->err) return;
    redisAppendFormattedCommand(calls->connection.context, sent->bytes, sent->size);
    while (!done && redisBufferWrite(calls->connection.context, &done) == REDIS_OK) {
    }
}

// The script is there, as far as anybody knows. False: that could not be found out.
static bool make_ready(lua_State *L, Calls *calls) {
    connection_ensure(L, &calls->connection);
    return calls->sha || (load_script(calls) && calls->sha);
}

static int send_call(lua_State *L) {
    Calls *calls = calls_of(L);
    int groups = lua_gettop(L);
    if (calls->under_way == CALLS_UNDER_WAY)
        return luaL_error(L, "send: %d calls are under way; receive first", CALLS_UNDER_WAY);
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    while (!calls->under_way && !make_ready(L, calls)) {
        if (calls->connection.reply) connection_check_reply(L, &calls->connection);
        if (clock_ms() > end) return connection_raise(L, &calls->connection);
        interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
    }
    give_groups(L, calls, groups);
    Sent *sent = &calls->sent[calls->under_way];
    long long size =
        redisFormatCommandArgv(&sent->bytes, (int)calls->count, calls->arguments, calls->sizes);
    if (size < 0) abort();
    sent->size = (size_t)size;
    calls->under_way++;
    put_on_wire(calls, sent);
    return 0;
}

// The next reply on the wire. False: the connection is gone.
static bool take_reply(lua_State *L, Calls *calls) {
    Connection *connection = &calls->connection;
    redisContext *context = connection->context;
    connection_drop_reply(connection);
    if (context->err || redisGetReplyFromReader(context, (void **)&connection->reply) != REDIS_OK)
        return false;
    if (connection->reply) return true;
    interrupts_wait_readable(L, context->fd, CONNECTION_PATIENCE_MS);
    return redisGetReply(context, (void **)&connection->reply) == REDIS_OK;
}

// All that is under way, once what is said to the calls behind a refused one was heard: it does not
// count either. False: the script could not be loaded.
static bool send_again(lua_State *L, Calls *calls, bool refused) {
    for (int i = 1; refused && i < calls->under_way; i++) refused = take_reply(L, calls);
    if (!make_ready(L, calls)) return false;
    for (int i = 0; i < calls->under_way; i++) put_on_wire(calls, &calls->sent[i]);
    return true;
}

static int receive_reply(lua_State *L) {
    Calls *calls = calls_of(L);
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    if (!calls->under_way) return luaL_error(L, "receive: nothing was sent");
    for (bool sent = true;;) {
        bool answered = sent ? take_reply(L, calls) : calls->connection.reply != NULL;
        if (answered && calls->connection.reply->type == REDIS_REPLY_ARRAY) break;
        bool forgotten = answered && connection_is_error(&calls->connection, "NOSCRIPT");
        if (answered && !forgotten) connection_check_reply(L, &calls->connection);
        if (clock_ms() > end) return connection_raise(L, &calls->connection);
        if (forgotten) {
            free(calls->sha);
            calls->sha = NULL;
        } else {
            interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
        }
        sent = send_again(L, calls, sent && answered);
    }
    forget_oldest(calls);
    connection_push_reply(L, calls->connection.reply);
    connection_drop_reply(&calls->connection);
    return 1;
}

// A command of Redis itself. Nil when it is refused: not everybody may ask everything.
static int ask_redis(lua_State *L) {
    Calls *calls = calls_of(L);
    int count = lua_gettop(L);
    connection_ensure(L, &calls->connection);
    lua_newtable(L);
    int owner = lua_gettop(L);
    calls->count = 0;
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        give_value(L, calls, owner);
    }
    if (!connection_ask(&calls->connection, count, calls->arguments, calls->sizes))
        return connection_raise(L, &calls->connection);
    if (calls->connection.reply->type == REDIS_REPLY_ERROR)
        lua_pushnil(L);
    else
        connection_push_reply(L, calls->connection.reply);
    connection_drop_reply(&calls->connection);
    return 1;
}

const luaL_Reg calls_functions[] = {
    {"call", call},     {"send", send_call}, {"receive", receive_reply},
    {"ask", ask_redis}, {NULL, NULL},
};

void calls_close(Calls *calls) {
    connection_close(&calls->connection);
    while (calls->under_way) forget_oldest(calls);
    free(calls->arguments);
    free(calls->sizes);
    free(calls->sha);
}

// calls: see calls.h.
//
// The next call is sent while Redis runs the one before. Replies come in the order of the calls.
// When the connection dies, all calls without a reply are sent again, in that order. So they are
// when no replica has confirmed a call in time: behind each goes a WAIT where that is asked for.
#include "client/calls.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "client/interrupts.h"
#include "redis/greeting.h"
#include "redis/redis_facts.h"

enum { CONFIRM_MS = 500 }; // what a WAIT waits for a replica

static Calls *calls_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

static bool load_script(Calls *calls) {
    GreetingCommand load;
    greeting_load_script(&load);
    if (!connection_ask(&calls->connection, load.count, load.words, load.sizes)) return false;
    if (calls->connection.reply->type != REDIS_REPLY_STRING)
        return false; // an error, for the caller
    script_call_loaded(&calls->script, calls->connection.reply);
    return true;
}

// Tells which Redis this is, before anything is written to it: an epoch of the dataset may begin
// here, see redis-scripts/worker/epoch.lua. An error is left to the command itself, which will get
// it, too. False: the connection is gone.
static bool begin_epoch(Calls *calls) {
    GreetingCommand facts[GREETING_FACTS];
    RedisFacts there = {0};
    Connection *connection = &calls->connection;
    greeting_ask_facts(facts);
    if (!connection_ask(connection, facts[0].count, facts[0].words, facts[0].sizes)) return false;
    redis_facts_read_info(&there, connection->reply);

    size_t size;
    Batch *batch = script_call_batch(&calls->script);
    batch_group(batch, "epoch", 4, NULL, NULL);
    batch_text(batch, there.run_id);
    batch_text(batch, "0"); // a command creates no dataset
    batch_integer(batch, 0);
    batch_text(batch, "");
    const char *command = script_call_write(&calls->script, batch, "", 0, &size);
    redisAppendFormattedCommand(connection->context, command, size);
    batch_free(batch);
    connection_drop_reply(connection);
    return redisGetReply(connection->context, (void **)&connection->reply) == REDIS_OK;
}

static void ensure_connection(lua_State *L, Calls *calls) {
    const Connection *connection = &calls->connection;
    bool alive = connection->context && !connection->context->err;
    connection_ensure(L, &calls->connection);
    if (!alive) *calls->script.sha = '\0'; // this may be another Redis
}

// Connects and loads the script where that is needed. False: not possible now.
static bool make_ready(lua_State *L, Calls *calls) {
    ensure_connection(L, calls);
    return *calls->script.sha || (load_script(calls) && begin_epoch(calls));
}

// ---- batches ------------------------------------------------------------------------------------

// Adds the value on top of the stack, a string or a number, to the last group.
static void write_value(lua_State *L, Batch *batch) {
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size);
    if (!bytes) luaL_error(L, "an argument of a group cannot be a %s", luaL_typename(L, -1));
    batch_bytes(batch, bytes, size);
    lua_pop(L, 1);
}

static void write_group(lua_State *L, Batch *batch, int group) {
    luaL_checktype(L, group, LUA_TTABLE);
    lua_Integer count = luaL_len(L, group);
    lua_rawgeti(L, group, 1);
    batch_group(batch, luaL_checkstring(L, -1), (size_t)(count - 1), NULL, NULL);
    lua_pop(L, 1);
    for (lua_Integer i = 2; i <= count; i++) {
        lua_rawgeti(L, group, i);
        write_value(L, batch);
    }
}

// The arguments of the Lua function are the groups: {verb, argument…}.
static Batch *write_batch(lua_State *L, Calls *calls) {
    int groups = lua_gettop(L);
    batch_free(calls->written);
    calls->written = script_call_batch(&calls->script);
    for (int group = 1; group <= groups; group++) write_group(L, calls->written, group);
    Batch *batch = calls->written;
    calls->written = NULL;
    return batch;
}

static void drop_oldest(Calls *calls) {
    batch_free(calls->sent[0]);
    calls->under_way--;
    memmove(calls->sent, calls->sent + 1, (size_t)calls->under_way * sizeof *calls->sent);
}

// ---- send ---------------------------------------------------------------------------------------

// A connection that dies here is noticed when the replies are read.
static void put_on_wire(Calls *calls, Batch *batch) {
    redisContext *context = calls->connection.context;
    size_t size;
    int done = 0;
    if (context->err) return;
    const char *command = script_call_write(&calls->script, batch, "", 0, &size);
    redisAppendFormattedCommand(context, command, size);
    if (calls->waits) redisAppendCommand(context, "WAIT 1 %d", CONFIRM_MS);
    while (!done && redisBufferWrite(context, &done) == REDIS_OK) {
    }
}

// Forgets calls whose replies an error left on the connection.
static void start_afresh(Calls *calls) {
    if (!calls->broken) return;
    calls->broken = false;
    connection_close(&calls->connection);
    while (calls->under_way) drop_oldest(calls);
}

static int send_call(lua_State *L) {
    Calls *calls = calls_of(L);
    start_afresh(calls);
    if (calls->under_way == CALLS_UNDER_WAY)
        return luaL_error(L, "send: %d calls are under way; receive first", CALLS_UNDER_WAY);
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    while (!calls->under_way && !make_ready(L, calls)) {
        if (calls->connection.reply) connection_check_reply(L, &calls->connection);
        if (clock_ms() > end) return connection_raise(L, &calls->connection);
        interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
    }
    Batch *batch = write_batch(L, calls);
    calls->sent[calls->under_way++] = batch;
    put_on_wire(calls, batch);
    return 0;
}

// ---- receive ------------------------------------------------------------------------------------

// Puts the next reply in the connection, which has none. False: the connection is gone. Raises when
// it is interrupted.
static bool read_reply(lua_State *L, Connection *connection, bool interruptible) {
    redisContext *context = connection->context;
    if (context->err || redisGetReplyFromReader(context, (void **)&connection->reply) != REDIS_OK)
        return false;
    if (connection->reply) return true;
    if (interruptible) interrupts_wait_readable(L, context->fd, CONNECTION_PATIENCE_MS);
    return redisGetReply(context, (void **)&connection->reply) == REDIS_OK;
}

static redisReply *error_reply(const char *text) {
    redisReply *reply = xcalloc(1, sizeof *reply);
    reply->type = REDIS_REPLY_ERROR;
    reply->str = xstrdup(text);
    reply->len = strlen(text);
    return reply;
}

// Reads the reply to a call; without a replica that confirms it in time that is an error.
static bool take_reply(lua_State *L, Calls *calls, bool interruptible) {
    Connection *connection = &calls->connection;
    connection_drop_reply(connection);
    if (!read_reply(L, connection, interruptible)) return false;
    if (!calls->waits) return true;
    redisReply *reply = connection->reply;
    connection->reply = NULL;
    bool alive = read_reply(L, connection, false);
    bool refused = alive && reply_is_error(connection->reply, "");
    bool confirmed = alive && reply_integer(connection->reply) > 0;
    if (refused && reply->type != REDIS_REPLY_ERROR) { // WAIT says why
        freeReplyObject(reply);
        return true;
    }
    connection_drop_reply(connection);
    if (confirmed || reply->type == REDIS_REPLY_ERROR) {
        connection->reply = reply;
        return true;
    }
    freeReplyObject(reply);
    if (alive) connection->reply = error_reply(REDIS_ERROR_UNCONFIRMED);
    return alive;
}

// Sends all calls under way again. After a refusal the replies to the calls behind the refused one
// are read first: they do not count either. False: the script could not be loaded.
static bool send_again(lua_State *L, Calls *calls, bool refused) {
    for (int i = 1; refused && i < calls->under_way; i++) refused = take_reply(L, calls, false);
    if (!make_ready(L, calls)) return false;
    for (int i = 0; i < calls->under_way; i++) put_on_wire(calls, calls->sent[i]);
    return true;
}

// Pushes the reply to the oldest call.
static int receive(lua_State *L, Calls *calls, bool interruptible) {
    Connection *connection = &calls->connection;
    int64_t end = clock_ms() + CONNECTION_PATIENCE_MS;
    calls->broken = true;
    for (bool sent = true;;) {
        bool answered = sent ? take_reply(L, calls, interruptible) : connection->reply != NULL;
        if (answered && connection->reply->type == REDIS_REPLY_ARRAY) break;
        bool forgotten = answered && script_call_forgotten(&calls->script, connection->reply);
        if (answered && !forgotten) connection_check_reply(L, connection);
        if (clock_ms() > end) return connection_raise(L, connection);
        bool refused = sent && answered;
        if (!forgotten) interrupts_wait_readable(L, -1, CONNECTION_PAUSE_MS);
        if (!forgotten && connection_doubt(connection)) refused = false;
        sent = send_again(L, calls, refused);
    }
    calls->broken = false;
    drop_oldest(calls);
    connection_push_reply(L, connection->reply);
    connection_drop_reply(connection);
    return 1;
}

static int receive_reply(lua_State *L) {
    Calls *calls = calls_of(L);
    if (!calls->under_way || calls->broken) return luaL_error(L, "receive: nothing was sent");
    return receive(L, calls, true);
}

static int call(lua_State *L) {
    Calls *calls = calls_of(L);
    start_afresh(calls);
    if (calls->under_way) return luaL_error(L, "call: replies are due; receive them first");
    send_call(L);
    return receive(L, calls, false);
}

// ---- commands of Redis --------------------------------------------------------------------------

// Nil when Redis refuses it: the user of Redis may lack the right.
static int ask_redis(lua_State *L) {
    Calls *calls = calls_of(L);
    int count = lua_gettop(L);
    const char **words = lua_newuserdatauv(L, (size_t)count * sizeof *words, 0);
    size_t *sizes = lua_newuserdatauv(L, (size_t)count * sizeof *sizes, 0);
    for (int i = 0; i < count; i++) words[i] = luaL_checklstring(L, i + 1, &sizes[i]);
    start_afresh(calls);
    ensure_connection(L, calls);
    if (!connection_ask(&calls->connection, count, words, sizes))
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

void calls_open(Calls *calls, const Config *config) {
    *calls = (Calls){.connection.config = config};
    calls->waits = config_waits_for_replica(config);
    script_call_open(&calls->script, config);
}

void calls_close(Calls *calls) {
    connection_close(&calls->connection);
    while (calls->under_way) drop_oldest(calls);
    batch_free(calls->written);
    script_call_close(&calls->script);
}

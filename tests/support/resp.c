// resp: the Lua module "resp", a blocking connection to a Redis on a unix socket, for specs.
//
// A reply comes as Lua has it: text, integers, tables; nil is false, and an error is nil and its
// text. Nothing here resends, reconnects or times out.
#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <lua.h>

#define CONNECTION "resp.connection"

static void push(lua_State *L, const redisReply *reply) {
    luaL_checkstack(L, 3, "replies nest too deep");
    switch (reply->type) {
    case REDIS_REPLY_INTEGER: lua_pushinteger(L, reply->integer); break;
    case REDIS_REPLY_NIL: lua_pushboolean(L, 0); break;
    case REDIS_REPLY_ARRAY:
        lua_createtable(L, (int)reply->elements, 0);
        for (size_t i = 0; i < reply->elements; i++) {
            push(L, reply->element[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    default: lua_pushlstring(L, reply->str, reply->len);
    }
}

static redisContext *connection(lua_State *L) {
    redisContext **box = luaL_checkudata(L, 1, CONNECTION);
    if (!*box) luaL_error(L, "the connection is closed");
    return *box;
}

// connection:read() -> reply: the next one, or a message of a channel.
static int read_reply(lua_State *L) {
    redisContext *context = connection(L);
    void *data = NULL;
    if (redisGetReply(context, &data) != REDIS_OK) return luaL_error(L, "%s", context->errstr);
    redisReply *reply = data;
    int count = 1;
    if (reply->type == REDIS_REPLY_ERROR) {
        lua_pushnil(L);
        count = 2;
    }
    push(L, reply);
    freeReplyObject(reply);
    return count;
}

// connection:call(command, ...) -> reply
static int call(lua_State *L) {
    redisContext *context = connection(L);
    int count = lua_gettop(L) - 1;
    const char **words = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *words, 0);
    size_t *sizes = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *sizes, 0);
    for (int i = 0; i < count; i++) words[i] = luaL_checklstring(L, i + 2, &sizes[i]);
    if (redisAppendCommandArgv(context, count, words, sizes) != REDIS_OK)
        return luaL_error(L, "%s", context->errstr);
    return read_reply(L);
}

static int close_connection(lua_State *L) {
    redisContext **box = luaL_checkudata(L, 1, CONNECTION);
    if (*box) redisFree(*box);
    *box = NULL;
    return 0;
}

// resp.connect(path) -> connection
static int connect_to(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    redisContext **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, CONNECTION);
    *box = redisConnectUnix(path);
    if (!*box) return luaL_error(L, "%s: out of memory", path);
    if ((*box)->err) return luaL_error(L, "%s: %s", path, (*box)->errstr);
    return 1;
}

int luaopen_resp(lua_State *L);

int luaopen_resp(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"call", call}, {"read", read_reply}, {"close", close_connection}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"connect", connect_to}, {NULL, NULL}};
    luaL_newmetatable(L, CONNECTION);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close_connection);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}

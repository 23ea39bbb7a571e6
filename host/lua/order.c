// order: see order.h. The order is integers ascending, then strings by bytes.
//
// Lua's own order differs from process to process, and a replay must walk a table as the live run
// did. Keys of other types have no order: they are refused, except where the predicate of `setup`
// allows any order. All memory belongs to Lua, so each function may raise.
#include "lua/order.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *text; // a string that some Lua table keeps alive; NULL: the key is an integer
    size_t size;
    lua_Integer number; // the integer; of a string in a Snapshot: its place in the table of strings
} Key;

// The sorted keys of a table, for one iteration.
typedef struct {
    size_t count;
    size_t position; // of the next key
    Key keys[];
} Snapshot;

// The result of one walk over the keys of a table.
typedef struct {
    size_t integers, strings;
    bool sequence; // the keys are 1..n, and Lua has them in that order
} Survey;

static const char predicate_key; // its address is the predicate's key in the registry

// setup(predicate)
static int setup(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &predicate_key);
    return 0;
}

// Asks the predicate about the table at index 1.
static bool may_be_unordered(lua_State *L) {
    bool may = false;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &predicate_key) == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
        may = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    return may;
}

static bool orderable(lua_State *L, int index) {
    return lua_type(L, index) == LUA_TSTRING || lua_isinteger(L, index);
}

static int refuse(lua_State *L, const char *verb, int index) {
    const char *type = lua_type(L, index) == LUA_TNUMBER ? "float" : luaL_typename(L, index);
    return luaL_error(L, "%s: keys of type %s cannot be ordered; use integers or strings", verb,
                      type);
}

static Key key_at(lua_State *L, int index) {
    Key key = {0};
    if (lua_type(L, index) == LUA_TSTRING)
        key.text = lua_tolstring(L, index, &key.size);
    else
        key.number = lua_tointeger(L, index);
    return key;
}

static int compare(const void *left, const void *right) {
    const Key *a = left, *b = right;
    if (!a->text && !b->text) return (a->number > b->number) - (a->number < b->number);
    if (!a->text || !b->text) return a->text ? 1 : -1;
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

// Counts the keys of the table at index 1. Returns false at a key without an order, and leaves that
// key on the stack.
static bool survey(lua_State *L, Survey *found) {
    *found = (Survey){.sequence = true};
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        if (lua_isinteger(L, -1)) {
            found->integers++;
            if (lua_tointeger(L, -1) != (lua_Integer)found->integers) found->sequence = false;
        } else if (lua_type(L, -1) == LUA_TSTRING) {
            found->strings++;
            found->sequence = false;
        } else {
            return false;
        }
    }
    return true;
}

// Iterators: (t) -> key, value. They skip fields that the body of the loop has set to nil.

static int next_of_sequence(lua_State *L) {
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(1));
    lua_Integer at = luaL_optinteger(L, 2, 0);
    luaL_checktype(L, 1, LUA_TTABLE);
    while (at < last) {
        lua_pushinteger(L, ++at);
        if (lua_rawgeti(L, 1, at) != LUA_TNIL) return 2;
        lua_pop(L, 2);
    }
    lua_pushnil(L);
    return 1;
}

static int next_of_snapshot(lua_State *L) {
    Snapshot *snapshot = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checktype(L, 1, LUA_TTABLE);
    while (snapshot->position < snapshot->count) {
        const Key *key = &snapshot->keys[snapshot->position++];
        if (key->text)
            lua_rawgeti(L, lua_upvalueindex(2), key->number);
        else
            lua_pushinteger(L, key->number);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL) return 2;
        lua_pop(L, 2);
    }
    lua_pushnil(L);
    return 1;
}

// Pushes an iterator over the keys that the table at index 1 has now.
static void push_snapshot_iterator(lua_State *L, const Survey *found) {
    size_t count = found->integers + found->strings;
    Snapshot *snapshot = lua_newuserdatauv(L, sizeof *snapshot + count * sizeof(Key), 0);
    lua_createtable(L, (int)found->strings, 0);
    int strings = lua_gettop(L);
    lua_Integer string_count = 0;

    snapshot->count = snapshot->position = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        Key *key = &snapshot->keys[snapshot->count++];
        *key = key_at(L, -1);
        if (!key->text) continue;
        key->number = ++string_count;
        lua_pushvalue(L, -1);
        lua_rawseti(L, strings, string_count);
    }
    qsort(snapshot->keys, snapshot->count, sizeof(Key), compare);
    lua_pushcclosure(L, next_of_snapshot, 2);
}

static int on_custom_pairs_returned(lua_State *L, int status, lua_KContext context) {
    (void)L, (void)status, (void)context;
    return 3;
}

// pairs(t) -> iterator, t, nil
static int ordered_pairs(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_insert(L, 1);
        lua_callk(L, 1, 3, 0, on_custom_pairs_returned);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);

    Survey found;
    if (!survey(L, &found)) {
        if (!may_be_unordered(L)) return refuse(L, "pairs", -1);
        lua_pushvalue(L, lua_upvalueindex(1)); // Lua's own next
    } else if (found.sequence) {
        lua_pushinteger(L, (lua_Integer)found.integers);
        lua_pushcclosure(L, next_of_sequence, 1);
    } else {
        push_snapshot_iterator(L, &found);
    }
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

// Returns the next key without an order, in Lua's own order. Index 2 has the key before it, nil for
// the first.
static int next_unordered(lua_State *L) {
    lua_settop(L, 2);
    while (lua_next(L, 1)) {
        if (!orderable(L, -2)) return 2;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    return 1;
}

// next(t, key) -> the key behind it and its value. Keys without an order come last. Walks the whole
// table, except from one index of a list to the next.
static int ordered_next(lua_State *L) {
    enum { TABLE = 1, GIVEN, BEST, WALKED };
    luaL_checktype(L, TABLE, LUA_TTABLE);
    lua_settop(L, BEST);
    bool first = lua_isnil(L, GIVEN), other = !first && !orderable(L, GIVEN);
    if (other) {
        if (!may_be_unordered(L)) return refuse(L, "next", GIVEN);
        return next_unordered(L);
    }
    Key given = key_at(L, GIVEN), best = {0};
    if (!first && !given.text && given.number < LUA_MAXINTEGER) {
        lua_pushinteger(L, given.number + 1);
        if (lua_rawgeti(L, TABLE, given.number + 1) != LUA_TNIL) return 2;
        lua_pop(L, 2);
    }

    bool found = false;
    lua_pushnil(L);
    while (lua_next(L, TABLE)) {
        lua_pop(L, 1);
        if (!orderable(L, WALKED)) {
            if (!other && !may_be_unordered(L)) return refuse(L, "next", WALKED);
            other = true;
            continue;
        }
        Key key = key_at(L, WALKED);
        if (!first && compare(&key, &given) <= 0) continue;
        if (found && compare(&key, &best) >= 0) continue;
        found = true;
        best = key;
        lua_pushvalue(L, WALKED);
        lua_replace(L, BEST);
    }
    if (!found && other) {
        lua_pushnil(L);
        lua_replace(L, GIVEN);
        return next_unordered(L);
    }
    lua_settop(L, BEST);
    if (!found) return 1; // BEST is still nil
    lua_pushvalue(L, BEST);
    lua_rawget(L, TABLE);
    return 2;
}

int luaopen_weir_native_order(lua_State *L) {
    lua_createtable(L, 0, 3);
    lua_getglobal(L, "next");
    lua_pushcclosure(L, ordered_pairs, 1);
    lua_setfield(L, -2, "pairs");
    lua_pushcfunction(L, ordered_next);
    lua_setfield(L, -2, "next");
    lua_pushcfunction(L, setup);
    lua_setfield(L, -2, "setup");
    return 1;
}

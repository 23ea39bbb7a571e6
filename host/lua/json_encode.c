// json_encode: turns a Lua value into JSON text.
//
// All memory belongs to Lua, so an error that Lua raises (no memory, a run over its limit) leaks
// nothing. No metamethod and no code of a workflow runs in here, so the value cannot change
// meanwhile.
#include "lua/json_text.h"

#include <lauxlib.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_BYTES = 120, // as in lua/weir/json.lua
    FEW_NAMES = 16,   // that many keys are sorted in the C frame, more in memory of Lua
};

// The path to a value. Each level stands in the C frame that writes it; a message quotes the path.
typedef struct Link {
    const struct Link *parent;
    const char *name; // NULL: an array's `index`
    size_t length;
    lua_Integer index;
} Link;

typedef struct {
    const char *text; // the table that has this key keeps it alive
    size_t length;
} Name;

// The text so far. A small text stays in the C frame, a larger one moves to a userdata at `box`.
typedef struct {
    lua_State *L;
    int box;
    int nesting;
    const void *null, *array_mark;
    char *data;
    size_t length, capacity;
    char small[1024];
} Writer;

static void grow(Writer *w, size_t more) {
    size_t capacity = 2 * w->capacity + more;
    char *data = lua_newuserdatauv(w->L, capacity, 0);
    memcpy(data, w->data, w->length);
    lua_replace(w->L, w->box);
    w->data = data;
    w->capacity = capacity;
}

static inline char *reserve(Writer *w, size_t more) {
    if (w->capacity - w->length < more) grow(w, more);
    return w->data + w->length;
}

static void put(Writer *w, const char *text, size_t length) {
    memcpy(reserve(w, length), text, length);
    w->length += length;
}

static void put_char(Writer *w, char c) {
    *reserve(w, 1) = c;
    w->length++;
}

static void put_integer(Writer *w, lua_Integer value) {
    char digits[24], *p = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do *--p = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) *--p = '-';
    put(w, p, (size_t)(digits + sizeof digits - p));
}

// Writes a number with up to four decimals, as most have; returns false if `value` has more. A text
// of 15 digits or fewer that reads back as the same number is the shortest one.
static bool put_decimals(Writer *w, double value) {
    double scaled = nearbyint(fabs(value) * 1e4);
    if (scaled >= 1e15 || scaled / 1e4 != fabs(value)) return false;

    unsigned decimals = (unsigned)((uint64_t)scaled % 10000);
    char text[] = {'.', (char)('0' + decimals / 1000), (char)('0' + decimals / 100 % 10),
                   (char)('0' + decimals / 10 % 10), (char)('0' + decimals % 10)};
    size_t length = sizeof text;
    while (length > 2 && text[length - 1] == '0') length--;
    if (signbit(value)) put_char(w, '-');
    put_integer(w, (lua_Integer)((uint64_t)scaled / 10000));
    put(w, text, length);
    return true;
}

// Writes the shortest text that reads back as the same number. With 15 digits or fewer %g finds it,
// except for subnormal numbers, which need fewer digits.
static void put_float(Writer *w, double value) {
    if (put_decimals(w, value)) return;

    char text[32], above[32];
    int digits = fabs(value) < 0x1p-1022 ? 1 : 15, exponent;
    do snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && ++digits <= 17);
    if (digits == 17 && fabs(frexp(value, &exponent)) == 0.5) {
        // Doubles are twice as near below a power of two as above it, so that the nearest 16 digits
        // may belong to the neighbour below while the next ones up still read back the same.
        snprintf(above, sizeof above, "%.15e", value);
        strchr(above, 'e')[-1]++;
        if (strtod(above, NULL) == value) memcpy(text, above, sizeof text);
    }
    put(w, text, strlen(text));
    if (!strpbrk(text, ".e")) put(w, ".0", 2);
}

static void put_escape(Writer *w, char c) {
    char text[8] = {'\\', c};
    size_t length = 2;
    switch (c) {
    case '"':
    case '\\': break;
    case '\b': text[1] = 'b'; break;
    case '\f': text[1] = 'f'; break;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    default: length = (size_t)snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    }
    put(w, text, length);
}

// Returns false for bytes that are not UTF-8.
static bool put_string(Writer *w, const char *text, size_t length) {
    const char *from = text, *end = text + length;
    reserve(w, length + 2);
    put_char(w, '"');
    for (const char *p = text; p < end;) {
        if (json_plain[(unsigned char)*p]) {
            p++;
        } else if ((unsigned char)*p >= 0x80) {
            size_t sequence = json_utf8_length(p);
            if (!sequence) return false;
            p += sequence;
        } else {
            put(w, from, (size_t)(p - from));
            put_escape(w, *p++);
            from = p;
        }
    }
    put(w, from, (size_t)(end - from));
    put_char(w, '"');
    return true;
}

static bool is_identifier(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
    }
    return length > 0;
}

// Writes the path from the top to `link`. Returns false when the path was too long and was cut.
static bool put_place(Writer *w, const Link *link, size_t start) {
    if (!link) return true;
    if (!put_place(w, link->parent, start)) return false;

    size_t before = w->length;
    if (link->name && is_identifier(link->name, link->length)) {
        put_char(w, '.');
        put(w, link->name, link->length);
    } else {
        put_char(w, '[');
        if (link->name)
            put_string(w, link->name, link->length);
        else
            put_integer(w, link->index);
        put_char(w, ']');
    }
    if (w->length - start <= PATH_BYTES) return true;
    w->length = before;
    put(w, "...", 3);
    return false;
}

// Pushes the message and returns -1. The message is written in the memory of the text so far.
static int refuse(Writer *w, const Link *link, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    luaL_checkstack(w->L, 4, NULL);
    const char *reason = lua_pushvfstring(w->L, format, arguments);
    va_end(arguments);

    w->length = 0;
    if (link) {
        put(w, "at ", 3);
        put_place(w, link, w->length);
        put(w, ": ", 2);
    }
    put(w, reason, strlen(reason));
    put(w, " cannot be JSON", 15);
    lua_pushlstring(w->L, w->data, w->length);
    return -1;
}

static int by_bytes(const void *left, const void *right) {
    const Name *a = left, *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static void sort_names(Name *names, size_t count) {
    if (count > FEW_NAMES) {
        qsort(names, count, sizeof *names, by_bytes);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        Name name = names[i];
        size_t j = i;
        for (; j > 0 && by_bytes(&names[j - 1], &name) > 0; j--) names[j] = names[j - 1];
        names[j] = name;
    }
}

static int write_value(Writer *w, const Link *link, int depth);

static int write_array(Writer *w, const Link *parent, int depth, lua_Integer count) {
    Link link = {.parent = parent};
    put_char(w, '[');
    for (link.index = 1; link.index <= count; link.index++) {
        if (link.index > 1) put_char(w, ',');
        lua_rawgeti(w->L, -1, link.index);
        if (write_value(w, &link, depth)) return -1;
        lua_pop(w->L, 1);
    }
    put_char(w, ']');
    return 0;
}

static int write_object(Writer *w, const Link *parent, int depth, const Name *names, size_t count) {
    int table = lua_gettop(w->L);
    put_char(w, '{');
    for (size_t i = 0; i < count; i++) {
        Link link = {.parent = parent, .name = names[i].text, .length = names[i].length};
        if (i > 0) put_char(w, ',');
        if (!put_string(w, link.name, link.length)) {
            return refuse(w, parent, "a key that is not UTF-8");
        }
        put_char(w, ':');
        lua_pushlstring(w->L, link.name, link.length);
        lua_rawget(w->L, table);
        if (write_value(w, &link, depth)) return -1;
        lua_pop(w->L, 1);
    }
    put_char(w, '}');
    return 0;
}

static bool is_marked(Writer *w) {
    if (!lua_getmetatable(w->L, -1)) return false;
    bool marked = lua_topointer(w->L, -1) == w->array_mark;
    lua_pop(w->L, 1);
    return marked;
}

static lua_Integer first_hole(lua_State *L) {
    lua_Integer index = 1;
    while (lua_rawgeti(L, -1, index) != LUA_TNIL) {
        lua_pop(L, 1);
        index++;
    }
    lua_pop(L, 1);
    return index;
}

// Collects the names of the table on top, which are too many for the C frame, in a userdata below
// it.
static Name *collect_names(lua_State *L, size_t count) {
    Name *names = lua_newuserdatauv(L, count * sizeof *names, 0), *name = names;
    lua_insert(L, -2);
    for (lua_pushnil(L); lua_next(L, -2); name++) {
        lua_pop(L, 1);
        name->text = lua_tolstring(L, -1, &name->length);
    }
    return names;
}

// Checks all keys before it writes anything, so that the message does not depend on the order in
// which Lua has the keys.
static int write_table(Writer *w, const Link *link, int depth) {
    lua_State *L = w->L;
    Name few[FEW_NAMES], *names = few;
    size_t name_count = 0;
    lua_Integer count = 0, lowest = 1, highest = 0;
    const char *odd = NULL;

    if (depth == w->nesting) return refuse(w, link, "a table nested deeper than %d", depth);
    luaL_checkstack(L, 8, NULL);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            if (name_count < FEW_NAMES) {
                few[name_count].text = lua_tolstring(L, -1, &few[name_count].length);
            }
            name_count++;
        } else if (lua_isinteger(L, -1)) {
            lua_Integer index = lua_tointeger(L, -1);
            if (index < lowest) lowest = index;
            if (index > highest) highest = index;
            count++;
        } else {
            const char *kind = lua_type(L, -1) == LUA_TNUMBER ? "float" : luaL_typename(L, -1);
            if (!odd || strcmp(kind, odd) < 0) odd = kind;
        }
    }

    bool marked = is_marked(w);
    if (odd) return refuse(w, link, "a key of type %s", odd);
    if (name_count > 0) {
        if (marked) return refuse(w, link, "an array with string keys");
        if (count > 0) return refuse(w, link, "a table with string and integer keys");
        if (name_count > FEW_NAMES) names = collect_names(L, name_count);
        sort_names(names, name_count);
        if (write_object(w, link, depth + 1, names, name_count)) return -1;
        if (names != few) lua_remove(L, -2);
        return 0;
    }
    if (lowest < 1) return refuse(w, link, "an array with index %I", (LUAI_UACINT)lowest);
    if (highest != count) {
        lua_Integer hole = first_hole(L);
        return refuse(w, link, "a sparse array (nothing at index %I)", (LUAI_UACINT)hole);
    }
    if (marked || count > 0) return write_array(w, link, depth + 1, count);
    put(w, "{}", 2);
    return 0;
}

// Writes the value on top of the stack, which stays there; or pushes the message and returns -1.
static int write_value(Writer *w, const Link *link, int depth) {
    lua_State *L = w->L;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        return put_string(w, text, length) ? 0 : refuse(w, link, "a string that is not UTF-8");
    }
    case LUA_TNUMBER: {
        if (lua_isinteger(L, -1)) {
            put_integer(w, lua_tointeger(L, -1));
            return 0;
        }
        double value = lua_tonumber(L, -1);
        if (isnan(value)) return refuse(w, link, "NaN");
        if (isinf(value)) return refuse(w, link, "an infinite number");
        put_float(w, value);
        return 0;
    }
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, -1))
            put(w, "true", 4);
        else
            put(w, "false", 5);
        return 0;
    case LUA_TTABLE:
        if (lua_topointer(L, -1) != w->null) return write_table(w, link, depth);
        put(w, "null", 4);
        return 0;
    case LUA_TNIL: return refuse(w, link, "nil");
    default: return refuse(w, link, "a %s", luaL_typename(L, -1));
    }
}

// try_encode(value, nesting|nil) -> text | nil, message
int json_encode(lua_State *L) {
    Writer w; // not initialised as a whole: that would clear `small` each time
    w.L = L;
    w.box = 1;
    w.nesting = json_nesting(L);
    w.data = w.small;
    w.length = 0;
    w.capacity = sizeof w.small;
    w.null = lua_topointer(L, lua_upvalueindex(JSON_UPVALUE_NULL));
    w.array_mark = lua_topointer(L, lua_upvalueindex(JSON_UPVALUE_ARRAY_MARK));
    lua_settop(L, 1);
    lua_pushnil(L);
    lua_insert(L, w.box);
    if (write_value(&w, NULL, 0)) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushlstring(L, w.data, w.length);
    return 1;
}

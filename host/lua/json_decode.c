// json_decode: turns JSON text into a Lua value, without a tree in between.
//
// All memory belongs to Lua, so an error that Lua raises (no memory, a run over its limit) leaks
// nothing.
#include "lua/json_text.h"

#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    lua_State *L;
    const char *text, *at, *end;
    int nesting;
} Reader;

static int refuse(Reader *r, const char *reason, const char *where) {
    luaL_checkstack(r->L, 4, NULL);
    lua_pushfstring(r->L, "%s at byte %I", reason, (LUAI_UACINT)(where - r->text + 1));
    return -1;
}

static void skip_space(Reader *r) {
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r') r->at++;
}

static bool take(Reader *r, char c) {
    if (*r->at != c) return false;
    r->at++;
    return true;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Returns the code of the \uXXXX at `p`, -1 if there is none.
static int code_unit(const char *p) {
    int code = 0;
    if (p[0] != '\\' || p[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        char c = p[i], lower = (char)(c | 0x20);
        if (is_digit(c))
            code = code * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            code = code * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return code;
}

// Adds the character that the escape at `p` means. Returns the end of the escape; or pushes a
// message and returns NULL.
static const char *read_escape(Reader *r, luaL_Buffer *buffer, const char *p) {
    static const char SHORT[128] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    unsigned char letter = (unsigned char)p[1];
    if (letter < sizeof SHORT && SHORT[letter]) {
        luaL_addchar(buffer, SHORT[letter]);
        return p + 2;
    }
    long code = code_unit(p);
    const char *after = p + 6;
    if (code < 0) {
        refuse(r, "an unknown escape", p);
        return NULL;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
        int low = code <= 0xdbff ? code_unit(after) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            refuse(r, "a lone surrogate", p);
            return NULL;
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        after += 6;
    }
    lua_pushfstring(r->L, "%U", code);
    luaL_addvalue(buffer);
    return after;
}

// Returns the next quote or backslash; or pushes a message and returns NULL at a byte that a string
// cannot hold. `open` is the quote that began the string.
static const char *scan(Reader *r, const char *open, const char *p) {
    for (;;) {
        while (json_plain[(unsigned char)*p]) p++;
        if (*p == '"' || *p == '\\') return p;
        if ((unsigned char)*p < 0x80) break;
        size_t sequence = json_utf8_length(p);
        if (!sequence) {
            refuse(r, "not UTF-8", p);
            return NULL;
        }
        p += sequence;
    }
    if (p == r->end)
        refuse(r, "a string without an end", open);
    else
        refuse(r, "a control character in a string", p);
    return NULL;
}

static int read_string(Reader *r) {
    const char *open = r->at, *from = open + 1, *p = scan(r, open, from);
    if (!p) return -1;
    if (*p == '"') { // nearly always: the string has no escape
        lua_pushlstring(r->L, from, (size_t)(p - from));
        r->at = p + 1;
        return 0;
    }
    luaL_Buffer buffer;
    luaL_buffinit(r->L, &buffer);
    while (*p == '\\') {
        luaL_addlstring(&buffer, from, (size_t)(p - from));
        from = read_escape(r, &buffer, p);
        p = from ? scan(r, open, from) : NULL;
        if (!p) return -1;
    }
    luaL_addlstring(&buffer, from, (size_t)(p - from));
    luaL_pushresult(&buffer);
    r->at = p + 1;
    return 0;
}

static int read_digits(Reader *r) {
    if (!is_digit(*r->at)) return refuse(r, "expected a digit", r->at);
    while (is_digit(*r->at)) r->at++;
    return 0;
}

static int read_number(Reader *r) {
    const char *from = r->at;
    bool negative = take(r, '-'), wide = false, whole = true;
    uint64_t value = 0;

    if (!is_digit(*r->at)) return refuse(r, "expected a digit", r->at);
    if (!take(r, '0')) {
        for (; is_digit(*r->at); r->at++) {
            wide = wide || value > (UINT64_MAX - 9) / 10;
            value = value * 10 + (uint64_t)(*r->at - '0');
        }
    }
    if (take(r, '.')) {
        whole = false;
        if (read_digits(r)) return -1;
    }
    if (take(r, 'e') || take(r, 'E')) {
        whole = false;
        if (!take(r, '+')) take(r, '-');
        if (read_digits(r)) return -1;
    }
    if (whole) {
        if (wide || value > (uint64_t)INT64_MAX + negative) {
            return refuse(r, "an integer past 64 bits", from);
        }
        lua_pushinteger(r->L, (lua_Integer)(negative ? 0 - value : value));
        return 0;
    }
    double real =
        strtod(from, NULL); // stops behind the digits: no letter follows that it would take
    if (isinf(real)) return refuse(r, "a number past the range of doubles", from);
    lua_pushnumber(r->L, real);
    return 0;
}

static int read_value(Reader *r, int depth);

static int read_array(Reader *r, int depth) {
    r->at++;
    skip_space(r);
    bool empty = take(r, ']');
    lua_createtable(r->L, empty ? 0 : 4, 0);
    lua_pushvalue(r->L, lua_upvalueindex(JSON_UPVALUE_ARRAY_MARK));
    lua_setmetatable(r->L, -2);
    if (empty) return 0;
    for (lua_Integer index = 1;; index++) {
        if (read_value(r, depth)) return -1;
        lua_rawseti(r->L, -2, index);
        skip_space(r);
        if (take(r, ']')) return 0;
        if (!take(r, ',')) return refuse(r, "expected ',' or ']'", r->at);
        skip_space(r);
    }
}

static int read_object(Reader *r, int depth) {
    r->at++;
    skip_space(r);
    bool empty = take(r, '}');
    lua_createtable(r->L, 0, empty ? 0 : 4);
    if (empty) return 0;
    for (;;) {
        const char *key = r->at;
        if (*key != '"') return refuse(r, "expected a key", key);
        if (read_string(r)) return -1;
        lua_pushvalue(r->L, -1);
        if (lua_rawget(r->L, -3) != LUA_TNIL) return refuse(r, "a key for the second time", key);
        lua_pop(r->L, 1);
        skip_space(r);
        if (!take(r, ':')) return refuse(r, "expected ':'", r->at);
        skip_space(r);
        if (read_value(r, depth)) return -1;
        lua_rawset(r->L, -3);
        skip_space(r);
        if (take(r, '}')) return 0;
        if (!take(r, ',')) return refuse(r, "expected ',' or '}'", r->at);
        skip_space(r);
    }
}

static bool take_word(Reader *r, const char *word) {
    size_t length = strlen(word);
    if (strncmp(r->at, word, length) != 0) return false;
    r->at += length;
    return true;
}

// Pushes the value at `at` and moves behind it; or pushes a message and returns -1.
static int read_value(Reader *r, int depth) {
    char c = *r->at;
    if (c == '"') return read_string(r);
    if (c == '{' || c == '[') {
        if (depth == r->nesting) {
            lua_pushfstring(r->L, "nested deeper than %d", depth);
            return refuse(r, lua_tostring(r->L, -1), r->at);
        }
        luaL_checkstack(r->L, 8, NULL);
        return c == '{' ? read_object(r, depth + 1) : read_array(r, depth + 1);
    }
    if (c == '-' || is_digit(c)) return read_number(r);
    if (take_word(r, "true"))
        lua_pushboolean(r->L, true);
    else if (take_word(r, "false"))
        lua_pushboolean(r->L, false);
    else if (take_word(r, "null"))
        lua_pushvalue(r->L, lua_upvalueindex(JSON_UPVALUE_NULL));
    else
        return refuse(r, "expected a value", r->at);
    return 0;
}

static int read_text(Reader *r) {
    skip_space(r);
    if (read_value(r, 0)) return -1;
    skip_space(r);
    return r->at == r->end ? 0 : refuse(r, "expected the end", r->at);
}

// try_decode(text, nesting|nil) -> value | nil, message
int json_decode(lua_State *L) {
    int nesting = json_nesting(L);
    lua_settop(L, 1);
    if (lua_type(L, 1) != LUA_TSTRING) {
        lua_pushnil(L);
        lua_pushfstring(L, "JSON text is a string, not a %s", luaL_typename(L, 1));
        return 2;
    }
    size_t length;
    Reader r = {.L = L, .text = lua_tolstring(L, 1, &length), .nesting = nesting};
    r.at = r.text;
    r.end = r.text + length;
    if (read_text(&r)) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    return 1;
}

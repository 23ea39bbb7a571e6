// json_text: the parts of JSON that json_encode.c and json_decode.c share.
//
// Both functions have two upvalues: the value that stands for null, and the metatable of arrays.
#ifndef WEIR_JSON_TEXT_H
#define WEIR_JSON_TEXT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    JSON_NESTING = 512, // both limits are those of lua/weir/json.lua
    JSON_DEEPEST = 544,
    JSON_UPVALUE_NULL = 1,
    JSON_UPVALUE_ARRAY_MARK = 2,
};

// json_encode(value, nesting|nil) -> text | nil, message
int json_encode(lua_State *L);

// json_decode(text, nesting|nil) -> value | nil, message
int json_decode(lua_State *L);

// Bytes that a JSON string holds unescaped; bytes from 0x80 on must first be checked to be UTF-8.
static const bool json_plain[256] = {
    [0x20 ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... 0x7f] = true};

// Returns the length of the UTF-8 sequence at `text`, 0 if there is none. A NUL ends every Lua
// string, so the next byte may be read as long as those before it belonged to a sequence.
static inline size_t json_utf8_length(const char *text) {
    const unsigned char *p = (const unsigned char *)text;
#define FOLLOWS(i) ((p[i] & 0xc0) == 0x80)
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xc2) return 0;
    if (p[0] < 0xe0) return FOLLOWS(1) ? 2 : 0;
    if (p[0] < 0xf0) {
        bool overlong = p[0] == 0xe0 && p[1] < 0xa0, surrogate = p[0] == 0xed && p[1] > 0x9f;
        return !overlong && !surrogate && FOLLOWS(1) && FOLLOWS(2) ? 3 : 0;
    }
    if (p[0] > 0xf4) return 0;
    bool overlong = p[0] == 0xf0 && p[1] < 0x90, too_high = p[0] == 0xf4 && p[1] > 0x8f;
    return !overlong && !too_high && FOLLOWS(1) && FOLLOWS(2) && FOLLOWS(3) ? 4 : 0;
#undef FOLLOWS
}

// Returns how deep tables may be nested: argument 2 of the functions, where it is valid.
static inline int json_nesting(lua_State *L) {
    int is_number = 0;
    lua_Integer nesting = lua_tointegerx(L, 2, &is_number);
    return is_number && nesting >= 1 && nesting <= JSON_DEEPEST ? (int)nesting : JSON_NESTING;
}

#endif

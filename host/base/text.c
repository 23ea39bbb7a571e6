// text: see text.h.
#include "base/text.h"

#include "base/xmalloc.h"

#include <stdbool.h>
#include <stdint.h>

enum { LONGEST = 8 }; // bytes in which one byte may be spelled, with a NUL

// Returns the length in bytes of the UTF-8 character at `at`, 0 if there is none, and its code.
static size_t character(const unsigned char *at, size_t left, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
    if (size > left || (*at >= 0x80 && *at < 0xc2) || *at > 0xf4) return 0;
    *code = size == 1 ? *at : *at & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[size] || surrogate || *code > 0x10ffff ? 0 : size;
}

// Control characters, and those that change the direction of the text behind them. The same as in
// lua/weir/view/terminal.lua.
static bool is_treacherous(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static bool is_kept(uint32_t code, TextForm form) {
    if (form == TEXT_JSON) return !is_treacherous(code) && code != '"' && code != '\\';
    if (form == TEXT_OF_JSON) return !is_treacherous(code);
    return !is_treacherous(code) || code == '\t' || (code == '\n' && form == TEXT_LINES);
}

static void spell(char out[LONGEST], uint32_t code, TextForm form) {
    bool json = form == TEXT_JSON || form == TEXT_OF_JSON;
    if (code == '\n')
        strcpy(out, "\\n");
    else if (form == TEXT_JSON && (code == '"' || code == '\\'))
        snprintf(out, LONGEST, "\\%c", (char)code);
    else
        snprintf(out, LONGEST, json || code > 0x7f ? "\\u%04x" : "\\x%02x", code & 0xffff);
}

char *text_plain(const char *text, size_t size, TextForm form) {
    char *plain = xmalloc(size * (LONGEST - 1) + 1), *out = plain;
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    while (at < end) {
        uint32_t code;
        size_t length = character(at, (size_t)(end - at), &code);
        char spelled[LONGEST];
        if (length && is_kept(code, form)) {
            memcpy(out, at, length);
            out += length;
        } else {
            if (length)
                spell(spelled, code, form);
            else if (form == TEXT_JSON || form == TEXT_OF_JSON)
                strcpy(spelled, "\\ufffd");
            else
                snprintf(spelled, LONGEST, "\\x%02x", *at);
            size_t spelled_size = strlen(spelled);
            memcpy(out, spelled, spelled_size);
            out += spelled_size;
        }
        at += length ? length : 1;
    }
    *out = '\0';
    return plain;
}

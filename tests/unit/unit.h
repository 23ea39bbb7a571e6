// unit: what every unit test needs; cmocka wants these headers before its own.
#ifndef WEIR_UNIT_H
#define WEIR_UNIT_H

#include "redis/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

// A reply as Redis would send it: words between blanks, "(" and ")" for a list, two quotes for an
// empty text. "(running 1\tx)" is an array of two texts.
static inline size_t unit_write_reply(char *resp, const char **text) {
    size_t length = 0;
    while (**text == ' ') (*text)++;
    if (**text != '(') {
        size_t size = strcspn(*text, " ()");
        bool empty = size == 2 && strncmp(*text, "''", 2) == 0;
        length = (size_t)sprintf(resp, "$%zu\r\n%.*s\r\n", empty ? 0 : size, empty ? 0 : (int)size,
                                 *text);
        *text += size;
        return length;
    }
    char items[4096];
    size_t used = 0, count = 0;
    for ((*text)++; **text != ')'; count++) {
        used += unit_write_reply(items + used, text);
        while (**text == ' ') (*text)++;
    }
    (*text)++;
    length = (size_t)sprintf(resp, "*%zu\r\n", count);
    memcpy(resp + length, items, used);
    return length + used;
}

// To be freed with freeReplyObject.
static inline Reply *unit_reply(const char *text) {
    char resp[8192];
    void *reply = NULL;
    redisReader *reader = redisReaderCreate();
    size_t size = unit_write_reply(resp, &text);
    assert_int_equal(redisReaderFeed(reader, resp, size), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    assert_non_null(reply);
    return reply;
}

// The groups of a batch as text: verb, count and arguments, a blank between them.
static inline const char *unit_groups(const Batch *batch) {
    static char text[8192];
    const char *at = batch->bytes + batch->room, *end = batch->bytes + batch->end;
    size_t used = 0;
    while (at < end) {
        char *digits_end;
        size_t size = strtoul(at + 1, &digits_end, 10);
        at = digits_end + 2;
        used += (size_t)sprintf(text + used, "%s%.*s", used ? " " : "", (int)size, at);
        at += size + 2;
    }
    text[used] = '\0';
    return text;
}

#endif

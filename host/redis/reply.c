// reply: see reply.h.
#include "redis/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

size_t reply_count(const Reply *reply) {
    return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const Reply *reply_at(const Reply *reply, size_t index) {
    return index < reply_count(reply) ? reply->element[index] : NULL;
}

const char *reply_bytes(const Reply *reply, size_t *size) {
    bool text = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                          reply->type == REDIS_REPLY_ERROR);
    *size = text ? (size_t)reply->len : 0;
    return text ? reply->str : "";
}

const char *reply_text(const Reply *reply) {
    size_t size;
    return reply_bytes(reply, &size);
}

int64_t reply_integer(const Reply *reply) {
    if (reply && reply->type == REDIS_REPLY_INTEGER) return reply->integer;
    return strtoll(reply_text(reply), NULL, 10);
}

bool reply_is(const Reply *reply, const char *word) {
    return strcmp(reply_text(reply), word) == 0;
}

bool reply_is_error(const Reply *reply, const char *word) {
    return reply && reply->type == REDIS_REPLY_ERROR &&
           strncmp(reply->str, word, strlen(word)) == 0;
}

// reply: reads replies of Redis.
//
// Every function takes NULL, and a reply of another shape than the one asked for, as empty. So a
// caller reads a nested reply without a check at each level.
#ifndef WEIR_REPLY_H
#define WEIR_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct redisReply Reply; // of hiredis

size_t reply_count(const Reply *reply); // of an array's elements
const Reply *reply_at(const Reply *reply, size_t index);
const char *reply_bytes(const Reply *reply, size_t *size); // "" when it is no text; a NUL follows
const char *reply_text(const Reply *reply);
int64_t reply_integer(const Reply *reply); // also of decimal text; else 0
bool reply_is(const Reply *reply, const char *word);

// Whether it is an error that begins with `word`.
bool reply_is_error(const Reply *reply, const char *word);

#endif

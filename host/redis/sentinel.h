// sentinel: how a Sentinel is asked for the primary, the same for hosts (primary.c) and for
// commands (client/connection.c). For any thread.
#ifndef WEIR_SENTINEL_H
#define WEIR_SENTINEL_H

#include "base/address.h"
#include "redis/greeting.h"
#include "redis/redis_error.h"
#include "redis/reply.h"

#include <stdbool.h>

enum {
    SENTINEL_REPLY_MS = 300, // a Sentinel that does not answer for so long is passed over
    SENTINEL_HOST_SIZE = 256,
    SENTINEL_WHY_SIZE = 512
};

// AUTH, where the address asks for it, then the question. Returns how many; only the last reply
// matters.
int sentinel_question(const RedisAddress *address, GreetingCommand commands[2]);

// Reads the reply of the Sentinel with that index. Returns NULL and where the primary is; or the
// error, with the reason in `why`. `reply` is NULL when the connection failed, for `fault`.
const RedisError *sentinel_read(const RedisAddress *address, int index, const Reply *reply,
                                const char *fault, char host[SENTINEL_HOST_SIZE], int *port,
                                char why[SENTINEL_WHY_SIZE]);

// Of two errors that Sentinels gave, the one that tells a person more.
const RedisError *sentinel_worse(const RedisError *one, const RedisError *other);

// ROLE, which is asked in each greeting of a Redis under Sentinel: an old primary may not know yet
// that it is one no more.
void sentinel_ask_role(GreetingCommand *command);
bool sentinel_is_primary(const Reply *role);

#endif

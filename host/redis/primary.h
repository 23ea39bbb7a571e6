// primary: where the primary of a Redis under Sentinel is, for all connections of a host.
//
// One thread, that of the loop, asks the Sentinels in turn and is subscribed to +switch-master on
// each of them. A store on any thread reads the answer with primary_look, and is told of another
// one by its uv_async_t. A message of a Sentinel only makes weir ask that one: messages may come
// late. A last answer stays until there is another, also when all Sentinels are away.
#ifndef WEIR_PRIMARY_H
#define WEIR_PRIMARY_H

#include "base/address.h"
#include "redis/redis_error.h"
#include "redis/sentinel.h"

#include <stdint.h>
#include <uv.h>

typedef struct Primary Primary;

typedef struct {
    uint64_t version; // another one with each other answer; 0: no Sentinel has answered yet
    char host[SENTINEL_HOST_SIZE];
    int port;
    const RedisError *error; // NULL: host and port say where it is
    char why[SENTINEL_WHY_SIZE];
} PrimaryPlace;

Primary *primary_open(uv_loop_t *loop, const RedisAddress *redis);

// Asks no more. The loop has to run once more for its handles to close. All other functions can
// still be called.
void primary_stop(Primary *primary);

// Frees it, after primary_stop; the loop has to run once more.
void primary_close(Primary *primary);

// Sends to `changed` when the answer is another one, until primary_unfollow. Any thread.
void primary_follow(Primary *primary, uv_async_t *changed);
void primary_unfollow(Primary *primary, uv_async_t *changed);

// The answer now. Any thread.
void primary_look(Primary *primary, PrimaryPlace *place);

// The answer of that version does not serve: asks again, soon. Any thread.
void primary_doubt(Primary *primary, uint64_t version);

#endif

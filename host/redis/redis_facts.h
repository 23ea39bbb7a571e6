// redis_facts: what a Redis tells of itself as a connection begins, and whether that is safe.
//
// Everything comes from INFO and CONFIG GET, which managed services and ACLs may refuse. What is
// not told is empty, and is not held against Redis.
#ifndef WEIR_REDIS_FACTS_H
#define WEIR_REDIS_FACTS_H

#include "redis/reply.h"

#include <stdbool.h>
#include <stddef.h>

enum { RUN_ID_SIZE = 48, FACT_SIZE = 32, UNSAFE_SIZE = 512 };

typedef struct {
    char run_id[RUN_ID_SIZE];    // of this process of Redis
    char engine[FACT_SIZE];      // "" for Redis, Valkey and those that say they are one
    char version[FACT_SIZE];     // of Redis, that it is compatible with
    char role[FACT_SIZE];        // master or slave
    char replicas[FACT_SIZE];    // how many are connected
    char aof_enabled[FACT_SIZE]; // 1 or 0
    char maxmemory_policy[FACT_SIZE];
    char appendfsync[FACT_SIZE];  // always, everysec or no
    char min_replicas[FACT_SIZE]; // min-replicas-to-write
} RedisFacts;

// Takes what the replies to INFO and to CONFIG GET tell. An error tells nothing.
void redis_facts_read_info(RedisFacts *facts, const Reply *info);
void redis_facts_read_settings(RedisFacts *facts, const Reply *settings);

typedef enum {
    REDIS_SAFE,
    REDIS_HIDES_SETTINGS,  // nothing that it tells is unsafe, and it does not tell everything
    REDIS_WITHOUT_REPLICA, // `replicated` is asked for, and none is connected: that may pass
    REDIS_UNSAFE
} RedisSafety;

// Whether Redis keeps what it acknowledges as --durability says. If not, `why` is the setting and
// the command that changes it.
RedisSafety redis_facts_judge(const RedisFacts *facts, const char *durability,
                              char why[UNSAFE_SIZE]);

#endif

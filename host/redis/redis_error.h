// redis_error: what keeps this process from its Redis: what Redis' words mean, what people can do,
// and that the log says it once.
//
// Each connection of a host meets a trouble for itself. What they share here tells people when the
// first meets it, and when none has any left. The table is constant, for any thread.
#ifndef WEIR_REDIS_ERROR_H
#define WEIR_REDIS_ERROR_H

#include "base/address.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    REDIS_ERROR_UNREACHABLE,
    REDIS_ERROR_STARTING,     // Redis reads its data
    REDIS_ERROR_LOGIN,        // whom it was told, it does not let in
    REDIS_ERROR_PERMISSION,   // the user may not do what is asked
    REDIS_ERROR_BACKPRESSURE, // Redis cannot do it just now
    REDIS_ERROR_OTHER         // a script raised, which it should not
} RedisErrorKind;

typedef struct {
    RedisErrorKind kind;
    const char *begins; // so does an error of Redis that means this
    const char *advice; // NULL: there is none, or it depends
} RedisError;

// The trouble of a connection that cannot be made, or died.
extern const RedisError *const redis_error_unreachable;

// What an error of Redis means.
const RedisError *redis_error_of(const char *error);

enum { REDIS_ERROR_TEXT = 1024 };

// One line for people: Redis' own words, and what to do.
void redis_error_text(const RedisError *error, const char *why, const RedisAddress *redis,
                      const char *prefix, char text[REDIS_ERROR_TEXT]);

// What the connections of one host have met.
typedef struct {
    const RedisAddress *redis;
    const char *prefix;
    pthread_mutex_t lock;
    int affected;          // connections
    int raising;           // of them, those whose calls are answered by REDIS_ERROR_OTHER
    int64_t raising_since; // by clock_ms
    bool lasting;          // it was met again after that has gone on for OUTAGE_LASTS_MS
    uint32_t said;         // since all were well: bits, by place in the table
} Outage;

// How long scripts may raise before the host ends.
enum { OUTAGE_LASTS_MS = 5000 };

void outage_open(Outage *outage, const RedisAddress *redis, const char *prefix);
void outage_close(Outage *outage);

// A connection had trouble `before` and has `now`, or met the same again; NULL: none. Any thread.
void outage_change(Outage *outage, const RedisError *before, const RedisError *now,
                   const char *why);

// Whether scripts raise and go on raising: trying on does not help. Any thread.
bool outage_lasts(Outage *outage);

#endif

// redis_error: the errors that keep this process from its Redis, with advice for people.
//
// Each connection of a host meets an error for itself. The Outage, which all of them share, logs an
// error when the first connection meets it, and its end when no connection has an error. The table
// of errors is constant, for any thread.
#ifndef WEIR_REDIS_ERROR_H
#define WEIR_REDIS_ERROR_H

#include "base/address.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    REDIS_ERROR_UNREACHABLE,
    REDIS_ERROR_STARTING,     // Redis reads its data
    REDIS_ERROR_LOGIN,        // it refuses the user or the password
    REDIS_ERROR_NAME,         // Sentinel does not know the name
    REDIS_ERROR_PERMISSION,   // its user lacks a right
    REDIS_ERROR_BACKPRESSURE, // Redis cannot serve now
    REDIS_ERROR_OTHER         // a script raised an error, which is a fault of weir or of the data
} RedisErrorKind;

typedef struct {
    RedisErrorKind kind;
    const char *begins; // the beginning of Redis' message
    const char *advice; // NULL: none, or it depends on the settings
} RedisError;

// A connection that cannot be made, or died.
extern const RedisError *const redis_error_unreachable;

// Of a Redis under Sentinel.
extern const RedisError *const redis_error_no_sentinel;     // none answers
extern const RedisError *const redis_error_sentinel_login;  // it refuses the user or the password
extern const RedisError *const redis_error_no_such_primary; // it does not know the name
extern const RedisError *const redis_error_no_primary;      // the one that it names is a replica

// The error of a change that no replica has confirmed, in the form of an error of Redis.
#define REDIS_ERROR_UNCONFIRMED "NOREPLICA no replica has confirmed the changes"

// Finds the error of a message of Redis.
const RedisError *redis_error_of(const char *error);

enum { REDIS_ERROR_TEXT = 1024 };

// One line for people: the message of Redis, and the advice.
void redis_error_text(const RedisError *error, const char *why, const RedisAddress *redis,
                      const char *prefix, char text[REDIS_ERROR_TEXT]);

// The errors that the connections of one host have now.
typedef struct {
    const RedisAddress *redis;
    const char *prefix;
    pthread_mutex_t lock;
    int affected;                // connections that have an error
    int64_t affected_since;      // by clock_ms
    int raising;                 // of them, those that have REDIS_ERROR_OTHER
    int64_t raising_since;       // by clock_ms
    bool lasting;                // a connection met it again after OUTAGE_LASTS_MS
    char text[REDIS_ERROR_TEXT]; // of the last error
    uint64_t logged;             // since no connection had an error: bits, by place in the table
} Outage;

// For how long scripts may raise errors before the host ends.
enum { OUTAGE_LASTS_MS = 5000 };

void outage_open(Outage *outage, const RedisAddress *redis, const char *prefix);
void outage_close(Outage *outage);

// A connection had the error `before` and has `now`, perhaps the same again; NULL: none. Any
// thread.
void outage_change(Outage *outage, const RedisError *before, const RedisError *now,
                   const char *why);

// For how long connections have had errors without a break; 0: none has one. Any thread.
int64_t outage_ms(Outage *outage);

// Whether any connection has an error, and the text of the last one. Any thread.
bool outage_text(Outage *outage, char text[REDIS_ERROR_TEXT]);

// Whether scripts have raised errors for so long that trying again does not help. Any thread.
bool outage_lasts(Outage *outage);

#endif

// trouble: what keeps this process from its Redis: what Redis' words mean, what people can do, and
// that the log says it once.
//
// Each connection of a host meets a trouble for itself. What they share here tells people when the
// first meets it, and when none has any left. The table is constant, for any thread.
#ifndef WEIR_TROUBLE_H
#define WEIR_TROUBLE_H

#include "base/address.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    TROUBLE_UNREACHABLE,
    TROUBLE_STARTING, // Redis reads its data
    TROUBLE_LOGIN,    // whom it was told, it does not let in
    TROUBLE_RIGHT,    // the user may not do what is asked
    TROUBLE_PRESSURE, // Redis cannot do it just now
    TROUBLE_OTHER     // a script raised, which it should not
} TroubleKind;

typedef struct {
    TroubleKind kind;
    const char *begins; // so does an error of Redis that means this
    const char *advice; // NULL: there is none, or it depends
} Trouble;

// The trouble of a connection that cannot be made, or died.
extern const Trouble *const trouble_unreachable;

// What an error of Redis means.
const Trouble *trouble_of(const char *error);

enum { TROUBLE_TEXT = 1024 };

// One line for people: Redis' own words, and what to do.
void trouble_text(const Trouble *trouble, const char *why, const RedisAddress *redis,
                  const char *prefix, char text[TROUBLE_TEXT]);

// What the connections of one host have met.
typedef struct {
    const RedisAddress *redis;
    const char *prefix;
    pthread_mutex_t lock;
    int troubled;           // connections
    int raising;            // of them, those whose calls are answered by TROUBLE_OTHER
    uint64_t raising_since; // uv_hrtime
    bool lasting;           // it was met again after that has gone on for TROUBLE_LASTS_MS
    uint32_t said;          // since all were well: bits, by place in the table
} Troubles;

// How long scripts may raise before the host ends.
enum { TROUBLE_LASTS_MS = 5000 };

void troubles_open(Troubles *troubles, const RedisAddress *redis, const char *prefix);
void troubles_close(Troubles *troubles);

// A connection had trouble `before` and has `now`, or met the same again; NULL: none. Any thread.
void troubles_change(Troubles *troubles, const Trouble *before, const Trouble *now,
                     const char *why);

// Whether scripts raise and go on raising: trying on does not help. Any thread.
bool troubles_last(Troubles *troubles);

#endif

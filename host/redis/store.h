// store: one connection to Redis that repairs itself.
//
// The store keeps a batch until Redis has answered it. When the connection dies, or Redis cannot
// serve (-LOADING, -OOM, -BUSY …), the store connects again after growing pauses, loads the script
// and sends the unanswered batches once more, in order, asking for no runs. So a callback runs
// exactly once: with an answer, or with NULL when the owner abandoned its batches or closed the
// store. A store is used on the thread of its loop.
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "config/config.h"
#include "redis/batch.h"
#include "redis/primary.h"
#include "redis/redis_error.h"
#include "redis/reply.h"
#include "redis/trust.h"

#include <uv.h>

typedef struct Store Store;

// The answer of Redis to a batch; borrowed until the callback returns.
typedef struct {
    bool lost;           // the host has no lease, so the script wrote nothing
    int64_t now_ms;      // by the clock of Redis
    int64_t commit;      // the partition's commit number
    int64_t next_due_ms; // the earliest wake-up of any run, 0: no run waits for a time
    const Reply *groups; // a reply for each group
    const Reply *claims; // the runs given to this worker
} Answer;

// A batch in the store, which frees it after the callback.
typedef struct {
    Batch *batch;
    int64_t capacity; // runs that it was to ask for
    bool resent;      // it was sent again after a fault, and then asked for no runs
} StoreCall;

typedef void StoreReplied(void *owner, const StoreCall *call, const Answer *answer);

typedef struct {
    void *owner;
    // Redis can be reached, for the first time or again; the store has just resent all unanswered
    // batches.
    void (*on_connected)(void *owner);
    // Redis has lost changes since the last connection, so what the owner knows may be wrong. It
    // calls store_abandon. NULL: the owner knows nothing.
    void (*on_loss)(void *owner);
    // Another error than before keeps the store from Redis now; NULL: the error is over. `why` is
    // one line. The store goes on trying. Not called for an error that passes at once.
    void (*on_error)(void *owner, const RedisError *before, const RedisError *now, const char *why);
    // A listener got a message. `channel` is its name without the prefix.
    void (*on_message)(void *owner, const char *channel, const char *text);
} StoreEvents;

// A store for batches. It connects when the loop runs.
Store *store_open(uv_loop_t *loop, const Config *config, StoreEvents events);

// A store that only listens, to channels named without the prefix.
Store *store_subscribe(uv_loop_t *loop, const Config *config, StoreEvents events,
                       const char *const *channels, size_t channel_count);

// Sets for how long Redis may owe a reply before the store drops the connection and makes another:
// a connection can die unnoticed. Call it before the loop runs.
void store_set_reply_timeout(Store *store, int64_t reply_ms);

// Connects to the primary of a Redis under Sentinel, wherever that is; NULL: to the Redis that the
// config names. Call it before the loop runs. The primary outlives the store.
void store_follow(Store *store, Primary *primary);

// From now on a batch counts as answered when a replica has its changes, too. Until then the batch
// waits. Call it before the loop runs.
void store_wait_for_replica(Store *store);

// Judges each Redis that it connects to before it sends a batch. Call it before the loop runs.
void store_trust(Store *store, Trust *trust);

// Reads the settings of Redis again, unless there is no connection now. Returns at once;
// trust_settings gets them, and `on_safe` is called when they have become safe.
void store_read_settings(Store *store, void (*on_safe)(void *owner), void *owner);

// Sets the name under which batches are sent from now on: "<host>.<worker>".
void store_set_worker(Store *store, const char *worker);

// A batch with room for this store's header.
Batch *store_batch(const Store *store);

// Sends a batch now, or as soon as Redis can be reached. The store owns the batch from here on.
void store_call(Store *store, Batch *batch, int64_t capacity, StoreReplied *on_replied,
                void *owner);

// Sends a copy of another worker's batch in that worker's name. The worker sends the batch itself
// as well, and takes the replies of the groups.
void store_call_for(Store *store, const char *worker, const Batch *batch, StoreReplied *on_replied,
                    void *owner);

// Abandons all unanswered batches, whose callbacks get NULL, and makes a new connection.
void store_abandon(Store *store);

// Abandons and frees; the loop has to run once more for its handles to close.
void store_close(Store *store);

// The failpoint of tests, NULL in production: called at the moments "call", "sent", "reply" and
// "handled" of each batch. When it returns true, the store drops the connection at that moment.
extern bool (*store_failpoint)(const char *moment, const char *worker);

#endif

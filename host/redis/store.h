// store: one connection to Redis that mends itself.
//
// A batch given to it is kept until Redis has answered it: when the connection dies, or Redis
// pushes back (-LOADING, -OOM, -BUSY …), it connects anew with growing pauses, loads the script
// again and sends what was not answered once more, in order, asking for no runs. So `on_replied`
// runs exactly once, with an answer, or with NULL when the owner abandoned its batches or closed
// the store. All of one store happens on its loop's thread. In a host only store.c sees hiredis.
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "config/config.h"
#include "redis/batch.h"
#include "redis/redis_error.h"

#include <uv.h>

typedef struct Store Store;

// How Redis answered a batch. All of it is borrowed until the callback returns.
struct Answer {
    bool lost;           // the host's lease is gone: nothing was written
    int64_t now_ms;      // Redis' clock
    int64_t commit;      // the partition's commit number
    int64_t next_due_ms; // the earliest wake-up of any run, 0 when there is none
    const Reply *groups; // a reply for each group
    const Reply *claims; // the runs given to this worker
};

typedef struct {
    void *owner;
    // Redis can be talked to, for the first time or again; what was unanswered has just been
    // resent.
    void (*on_connected)(void *owner);
    // What keeps it from Redis is another thing now than `before` (NULL: nothing); `why` is one
    // line. It goes on trying. Not told of what is over at once.
    void (*on_error)(void *owner, const RedisError *before, const RedisError *now, const char *why);
    // A listener's: a message came.
    void (*on_message)(void *owner, const char *channel, const char *text);
} StoreEvents;

// A store for batches. Nothing happens before the loop runs.
Store *store_open(uv_loop_t *loop, const Config *config, StoreEvents events);

// A store that only listens; the channels' names follow "<prefix>:{0}:".
Store *store_subscribe(uv_loop_t *loop, const Config *config, StoreEvents events,
                       const char *const *channels, size_t channel_count);

// How long Redis may leave everything that it was sent without a reply before the connection is
// given up and a new one is made: a connection can die without a word. Before the loop runs.
void store_set_reply_timeout(Store *store, int64_t reply_ms);

// In whose name batches are sent from now on: "<host>.<thread>".
void store_set_worker(Store *store, const char *worker);

// A batch with room for this store's header.
Batch *store_batch(const Store *store);

// Sends the groups of another worker's batch in that worker's name. It sends the batch itself as
// well, and hears the replies then.
void store_call_for(Store *store, const char *worker, const Batch *batch,
                    void (*on_replied)(void *owner, Batch *batch, const Answer *answer),
                    void *owner);

// Sends it now, or as soon as Redis can be talked to. The store owns the batch from here on.
void store_call(Store *store, Batch *batch, int64_t capacity,
                void (*on_replied)(void *owner, Batch *batch, const Answer *answer), void *owner);

// Gives up all unanswered batches (their callbacks get NULL) and begins with a fresh connection.
void store_abandon(Store *store);

// Abandons and frees; the loop has to run once more for its handles to close.
void store_close(Store *store);

// A fault point, NULL in production: called at the moments "call", "sent", "reply", "handled" of
// each batch. True: the connection dies here.
extern bool (*store_inject_fault)(const char *moment, const char *worker);

// Reading replies. They take NULL, and any other shape than the one asked for, as empty.
size_t reply_count(const Reply *reply);
const Reply *reply_at(const Reply *reply, size_t index);
const char *reply_bytes(const Reply *reply, size_t *size); // "" when it is no text; a NUL follows
const char *reply_text(const Reply *reply);
int64_t reply_integer(const Reply *reply); // of decimal text, too; else 0
bool reply_is(const Reply *reply, const char *word);

#endif

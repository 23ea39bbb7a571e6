// script_call: calls of weir's script in Redis, the same for hosts (store.c) and for commands
// (client/calls.c). One call carries one batch:
//
//   EVALSHA sha 2 key none worker capacity queue_count queue…    then the groups: verb count
//   argument…
//
// The script uses keys that the call does not declare, all with the hash tag of `key`. Neither
// `key` nor `none` ever exists. So a Redis Cluster that moves the slot answers ASK, and TRYAGAIN to
// a client or proxy that follows it, and never runs the script over half of the keys.
//
// Redis may forget its scripts (a restart, SCRIPT FLUSH) and then answers NOSCRIPT: the caller
// loads the script again and repeats the call.
#ifndef WEIR_SCRIPT_CALL_H
#define WEIR_SCRIPT_CALL_H

#include "config/config.h"
#include "redis/batch.h"
#include "redis/reply.h"

enum { WORKER_NAME_SIZE = 48 }; // "<host>.<worker>"

typedef struct {
    char *key;              // begins the names of all keys
    char *none;             // the second one that the call declares
    const TextList *queues; // which the workers of this process serve
    char *header;           // scratch of `room` bytes
    size_t room;            // bytes that a header takes at most
    char sha[41];           // the script's name; "": the script must be loaded first
} ScriptCall;

void script_call_open(ScriptCall *call, const Config *config);
void script_call_close(ScriptCall *call);

// A batch with room for a header.
Batch *script_call_batch(const ScriptCall *call);

// Writes the header in front of the groups; the command is the returned text of `size` bytes, which
// the batch owns. `worker` is "" for a client, which serves no queue; `capacity` is how many runs
// the worker takes. A batch may be written again.
const char *script_call_write(ScriptCall *call, Batch *batch, const char *worker, int64_t capacity,
                              size_t *size);

// Keeps the name of the script, which Redis replied to greeting_load_script.
void script_call_loaded(ScriptCall *call, const Reply *reply);

// Whether Redis has forgotten the script. Then the call does not know its name any more.
bool script_call_forgotten(ScriptCall *call, const Reply *reply);

#endif

// script_call: see script_call.h.
#include "redis/script_call.h"

#include "base/xmalloc.h"
#include "redis/keyspace.h"

#include <assert.h>

enum { FIXED_ROOM = 256 }; // bytes of a header that depend on no setting

static size_t header_room(const ScriptCall *call) {
    size_t room = FIXED_ROOM + WORKER_NAME_SIZE + strlen(call->key) + strlen(call->none);
    for (int64_t i = 0; i < call->queues->count; i++)
        room += strlen(call->queues->items[i]) + RESP_FRAME;
    return room;
}

void script_call_open(ScriptCall *call, const Config *config) {
    *call = (ScriptCall){.key = keyspace_join(config->prefix, ""),
                         .none = keyspace_join(config->prefix, "none"),
                         .queues = &config->queues};
    call->room = header_room(call);
    call->header = xmalloc(call->room);
}

void script_call_close(ScriptCall *call) {
    free(call->key);
    free(call->none);
    free(call->header);
}

Batch *script_call_batch(const ScriptCall *call) {
    return batch_new(call->room);
}

static char *write_integer(char *at, int64_t integer) {
    char text[INTEGER_TEXT];
    return resp_write(at, text, integer_write(text, integer));
}

static char *write_text(char *at, const char *text) {
    return resp_write(at, text, strlen(text));
}

const char *script_call_write(ScriptCall *call, Batch *batch, const char *worker, int64_t capacity,
                              size_t *size) {
    int64_t queue_count = *worker ? call->queues->count : 0;
    char *at = call->header;
    *at++ = '*';
    at += integer_write(at, (int64_t)(batch->arguments + 8) + queue_count);
    *at++ = '\r';
    *at++ = '\n';
    at = write_text(at, "EVALSHA");
    at = write_text(at, call->sha);
    at = write_text(at, "2");
    at = write_text(at, call->key);
    at = write_text(at, call->none);
    at = write_text(at, worker);
    at = write_integer(at, capacity);
    at = write_integer(at, queue_count);
    for (int64_t i = 0; i < queue_count; i++) at = write_text(at, call->queues->items[i]);

    size_t length = (size_t)(at - call->header);
    assert(length <= batch->room);
    *size = length + batch_weight(batch);
    return memcpy(batch->bytes + batch->room - length, call->header, length);
}

void script_call_loaded(ScriptCall *call, const Reply *reply) {
    snprintf(call->sha, sizeof call->sha, "%s", reply_text(reply));
}

bool script_call_forgotten(ScriptCall *call, const Reply *reply) {
    bool forgotten = reply_is_error(reply, "NOSCRIPT");
    if (forgotten) *call->sha = '\0';
    return forgotten;
}

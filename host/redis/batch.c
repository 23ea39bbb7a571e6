// batch: see batch.h.
#include "redis/batch.h"

#include "base/xmalloc.h"

#include <assert.h>

enum { FIRST_BYTES = 16 * 1024, FIRST_GROUPS = 64 };

Batch *batch_new(size_t room) {
    Batch *batch = xcalloc(1, sizeof *batch);
    batch->room = room;
    batch->end = room;
    batch->size = room + FIRST_BYTES;
    batch->bytes = xmalloc(batch->size);
    batch->group_size = FIRST_GROUPS;
    batch->groups = xmalloc(FIRST_GROUPS * sizeof *batch->groups);
    return batch;
}

void batch_free(Batch *batch) {
    if (!batch) return;
    free(batch->groups);
    free(batch->bytes);
    free(batch);
}

size_t batch_weight(const Batch *batch) {
    return batch->end - batch->room;
}

// Makes room for `size` more bytes, and returns where they go.
static char *reserve(Batch *batch, size_t size) {
    if (batch->size - batch->end < size) {
        batch->size = 2 * batch->size + size;
        batch->bytes = xrealloc(batch->bytes, batch->size);
    }
    return batch->bytes + batch->end;
}

size_t integer_write(char *text, int64_t integer) {
    char digits[INTEGER_TEXT];
    size_t count = 0, length = 0;
    uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    do digits[count++] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (integer < 0) text[length++] = '-';
    while (count) text[length++] = digits[--count];
    return length;
}

char *resp_write(char *at, const char *bytes, size_t size) {
    *at++ = '$';
    at += integer_write(at, (int64_t)size);
    *at++ = '\r';
    *at++ = '\n';
    if (size) memcpy(at, bytes, size);
    at += size;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static void append(Batch *batch, const char *bytes, size_t size) {
    char *start = reserve(batch, size + RESP_FRAME);
    batch->end += (size_t)(resp_write(start, bytes, size) - start);
    batch->arguments++;
}

static void append_integer(Batch *batch, int64_t integer) {
    char text[INTEGER_TEXT];
    append(batch, text, integer_write(text, integer));
}

void batch_group(Batch *batch, const char *verb, size_t arguments, GroupReplied *on_replied,
                 void *about) {
    assert(batch->owed == 0);
    if (batch->group_count == batch->group_size) {
        batch->group_size *= 2;
        batch->groups = xrealloc(batch->groups, batch->group_size * sizeof *batch->groups);
    }
    batch->groups[batch->group_count++] = (Group){.on_replied = on_replied,
                                                  .about = about,
                                                  .offset = batch->end,
                                                  .arguments = batch->arguments};
    append(batch, verb, strlen(verb));
    append_integer(batch, (int64_t)arguments);
    batch->owed = arguments;
}

static void pay(Batch *batch) {
    assert(batch->owed > 0);
    batch->owed--;
}

void batch_bytes(Batch *batch, const char *bytes, size_t size) {
    pay(batch);
    append(batch, bytes, size);
}

void batch_text(Batch *batch, const char *text) {
    batch_bytes(batch, text, strlen(text));
}

void batch_integer(Batch *batch, int64_t integer) {
    pay(batch);
    append_integer(batch, integer);
}

Batch *batch_copy(const Batch *batch) {
    assert(batch->owed == 0);
    Batch *copy = batch_new(batch->room);
    size_t weight = batch_weight(batch);
    memcpy(reserve(copy, weight), batch->bytes + batch->room, weight);
    copy->end += weight;
    copy->arguments = batch->arguments;
    return copy;
}

Batch *batch_split(Batch *batch) {
    assert(batch->owed == 0 && batch->group_count > 0);
    Group last = batch->groups[--batch->group_count];
    size_t weight = batch->end - last.offset;
    Batch *split = batch_new(batch->room);
    memcpy(reserve(split, weight), batch->bytes + last.offset, weight);
    split->end += weight;
    split->arguments = batch->arguments - last.arguments;
    batch->end = last.offset;
    batch->arguments = last.arguments;
    split->groups[split->group_count++] =
        (Group){.on_replied = last.on_replied, .about = last.about, .offset = split->room};
    return split;
}

void batch_settle(Batch *batch, const Reply *replies) {
    for (size_t i = 0; i < batch->group_count; i++) {
        Group *group = &batch->groups[i];
        if (group->on_replied) group->on_replied(group->about, reply_at(replies, i));
    }
}

void batch_abandon(Batch *batch) {
    if (!batch) return;
    batch_settle(batch, NULL);
    batch_free(batch);
}

// batch: the groups that one call of the script carries, each a verb and its arguments, in RESP.
//
// A group is written in place and never copied again: the batch keeps room in front of the groups
// for the header of the call (script_call.h). Each group names the callback for its reply, which
// runs exactly once, with NULL when the batch was abandoned. A batch does no I/O.
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include "redis/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Batch Batch;

// `reply` is borrowed until the callback returns.
typedef void GroupReplied(void *about, const Reply *reply);

typedef struct {
    GroupReplied *on_replied;
    void *about;
    size_t offset;    // of its first byte in the batch
    size_t arguments; // in the groups before it
} Group;

struct Batch {
    char *bytes;
    size_t room; // bytes kept free in front of the groups
    size_t end;
    size_t size;
    Group *groups;
    size_t group_count;
    size_t group_size;
    size_t arguments; // in all groups, verbs and counts included
    size_t owed;      // arguments that the last group still needs
};

// Digits of an int64_t, its sign and a NUL.
enum { INTEGER_TEXT = 21 };

Batch *batch_new(size_t room);
void batch_free(Batch *batch);

// Frees a batch that is not sent any more. Its callbacks run without a reply.
void batch_abandon(Batch *batch);

// Begins a group: exactly `arguments` of the three calls below must follow.
void batch_group(Batch *batch, const char *verb, size_t arguments, GroupReplied *on_replied,
                 void *about);
void batch_bytes(Batch *batch, const char *bytes, size_t size);
void batch_text(Batch *batch, const char *text);
void batch_integer(Batch *batch, int64_t integer);

// The bytes of its groups.
size_t batch_weight(const Batch *batch);

// The same groups without their callbacks.
Batch *batch_copy(const Batch *batch);

// Moves the last group into a batch of its own.
Batch *batch_split(Batch *batch);

// Runs the callback of each group with its reply. `replies` is the list in the answer, or NULL.
void batch_settle(Batch *batch, const Reply *replies);

// Writes one RESP argument, at most `size` + RESP_FRAME bytes. Returns where it ends.
enum { RESP_FRAME = INTEGER_TEXT + 5 };
char *resp_write(char *at, const char *bytes, size_t size);

// Writes an integer as text without a NUL, at most INTEGER_TEXT - 1 bytes. Returns its length.
size_t integer_write(char *text, int64_t integer);

#endif

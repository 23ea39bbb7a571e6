// batch: what one EVALSHA carries: groups of a verb and its arguments, already in RESP.
//
// Groups are appended where they are made and never copied again: in front of them is room for the
// command's header, which store.c writes when it sends (a batch sent twice has two headers).
// Each group names who hears its reply; that callback runs exactly once, with NULL when the batch
// was abandoned. A batch does no I/O.
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct redisReply Reply; // read it with reply_* of store.h
typedef struct Batch Batch;
typedef struct Answer Answer;

// What becomes of a group. `reply` is borrowed until the callback returns.
typedef void GroupReplied(void *about, const Reply *reply);

enum { BATCH_WORKER = 48 }; // "<host>.<thread>"

typedef struct {
    GroupReplied *on_replied;
    void *about;
    size_t offset;    // of its first byte in the batch
    size_t arguments; // in the groups before it
} Group;

struct Batch {
    Batch *prev, *next; // store.c: unacknowledged batches, oldest first
    char *bytes;
    size_t room; // bytes kept free in front of the groups
    size_t end;
    size_t size;
    Group *groups;
    size_t group_count;
    size_t group_size;
    size_t arguments; // in all groups, verbs and counts included
    size_t owed;      // arguments that the last group announced and has not got yet

    // store.c's
    void (*on_replied)(void *owner, Batch *batch, const Answer *answer);
    void *owner;
    char worker[BATCH_WORKER]; // in whose name it is sent, empty: in the store's
    int64_t capacity;          // how many runs it asks for
    bool sent;
    bool unknown; // sent on a connection that died: Redis may have run it
    bool refused; // was under way when Redis refused it, or one beside it
};

// Digits of an int64_t, its sign and a NUL.
enum { INTEGER_TEXT = 21 };

Batch *batch_new(size_t room);
void batch_free(Batch *batch);

// Begins a group: exactly `arguments` of the calls below follow.
void batch_group(Batch *batch, const char *verb, size_t arguments, GroupReplied *on_replied,
                 void *about);
void batch_bytes(Batch *batch, const char *bytes, size_t size);
void batch_text(Batch *batch, const char *text);
void batch_integer(Batch *batch, int64_t integer);

// Bytes of its groups.
size_t batch_weight(const Batch *batch);

// The same groups once more, whose replies are told to nobody.
Batch *batch_copy(const Batch *batch);

// Takes the last group out, into a batch of its own.
Batch *batch_split(Batch *batch);

// Tells each group its reply: `replies` is the answer's list, or NULL when there is none.
void batch_settle(Batch *batch, const Reply *replies);

// Writes one RESP argument, at most `size` + RESP_FRAME bytes; where it ends.
enum { RESP_FRAME = INTEGER_TEXT + 5 };
char *resp_write(char *at, const char *bytes, size_t size);

// Writes an integer as text without a NUL, at most INTEGER_TEXT - 1 bytes; its length.
size_t integer_write(char *text, int64_t integer);

#endif

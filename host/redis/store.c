// store: see store.h for what it promises.
//
//           connected              script loaded, or channels subscribed
//   DOWN ---------------> GREETING ------------------------------> READY
//     ^                       |                                      |
//     +------- pause ---------+----- lost, refused, pushed back -----+
//
// There is one way back from every fault: drop the connection, pause, connect, greet, resend. What
// was sent is then of unknown outcome, which every verb allows for; so nothing here asks how far it
// came.
#include "redis/store.h"

#include "base/xmalloc.h"
#include "redis/script.h"

#include <assert.h>
#include <fcntl.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <utlist.h>

enum {
    FIRST_PAUSE_MS = 1,
    LONGEST_PAUSE_MS = 1000,
    SILENCE_MS = 10000, // a peer that acknowledges nothing for so long is gone
    REPLY_MS = 5000,  // as is a Redis that replies to nothing, unless store_set_reply_timeout says
                      // otherwise
    PROBE_MS = 10000, // between two looks at whether a listener still hears
    SHA_LENGTH = 40,
    NAME_SIZE = 48,   // "<host>.<thread>"
    FIXED_ROOM = 256, // bytes of a header that depend on no setting
    WHY_SIZE = 256
};

typedef enum { STORE_DOWN, STORE_GREETING, STORE_READY } StoreState;

struct Store {
    uv_loop_t *loop;
    uv_timer_t pause;
    uv_timer_t deadline; // of the next reply, while one is expected
    uv_timer_t probe;    // a listener's
    size_t open_timers;
    const Config *config;
    StoreEvents events;
    char **channels; // a listener's; NULL: this store sends batches
    size_t channel_count;

    StoreState state;
    redisAsyncContext *connection; // NULL when DOWN
    size_t greetings;              // replies that the greeting still waits for
    Batch *batches;                // unanswered, oldest first
    char worker[NAME_SIZE];
    char sha[SHA_LENGTH + 1];
    char *key;    // KEYS[1]
    char *header; // scratch of `room` bytes
    size_t room;
    int64_t pause_ms;
    int64_t reply_ms;
    const RedisError *error; // that the owner was told of, NULL: none
    bool refused_runs;       // Redis refused a batch that asked for runs, and took none since
    bool polling;            // hiredis is on the stack and must not be entered again
};

bool (*store_inject_fault)(const char *moment, const char *worker);

static bool inject_fault(const Store *store, const char *moment) {
    return store_inject_fault && store_inject_fault(moment, store->worker);
}

// ---- replies ------------------------------------------------------------------------------------

size_t reply_count(const Reply *reply) {
    return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const Reply *reply_at(const Reply *reply, size_t index) {
    return index < reply_count(reply) ? reply->element[index] : NULL;
}

static bool is_error(const Reply *reply) {
    return reply->type == REDIS_REPLY_ERROR;
}

const char *reply_bytes(const Reply *reply, size_t *size) {
    bool text = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                          reply->type == REDIS_REPLY_ERROR);
    *size = text ? (size_t)reply->len : 0;
    return text ? reply->str : "";
}

const char *reply_text(const Reply *reply) {
    size_t size;
    return reply_bytes(reply, &size);
}

int64_t reply_integer(const Reply *reply) {
    if (reply && reply->type == REDIS_REPLY_INTEGER) return reply->integer;
    return strtoll(reply_text(reply), NULL, 10);
}

bool reply_is(const Reply *reply, const char *word) {
    return strcmp(reply_text(reply), word) == 0;
}

// ---- hiredis on libuv ---------------------------------------------------------------------------
// The adapter that comes with hiredis does not notice a refused connection, and asks the kernel
// twice for every write. Here hiredis only notes what it wants; it is armed once hiredis is off the
// stack.

typedef struct {
    uv_poll_t poll;
    Store *store;
    redisAsyncContext *connection; // NULL once hiredis has let go
    int wanted;
    int armed;
} Adapter;

static void want_read(void *adapter) {
    ((Adapter *)adapter)->wanted |= UV_READABLE;
}
static void want_write(void *adapter) {
    ((Adapter *)adapter)->wanted |= UV_WRITABLE;
}
static void drop_read(void *adapter) {
    ((Adapter *)adapter)->wanted &= ~UV_READABLE;
}
static void drop_write(void *adapter) {
    ((Adapter *)adapter)->wanted &= ~UV_WRITABLE;
}

static void release(void *data);
static void on_released(uv_handle_t *handle) {
    free(handle->data);
}
static void release(void *data) {
    Adapter *adapter = data;
    adapter->connection = NULL;
    uv_close((uv_handle_t *)&adapter->poll, on_released);
}

static void on_polled(uv_poll_t *poll, int status, int events);

static void arm(Adapter *adapter) {
    if (adapter->wanted == adapter->armed) return;
    adapter->armed = adapter->wanted;
    if (adapter->wanted)
        uv_poll_start(&adapter->poll, adapter->wanted, on_polled);
    else
        uv_poll_stop(&adapter->poll);
}

static void on_polled(uv_poll_t *poll, int status, int events) {
    Adapter *adapter = poll->data;
    Store *store = adapter->store;
    if (status < 0) { // libuv has stopped the poll; hiredis asks the socket what is wrong
        adapter->armed = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    store->polling = true;
    if (adapter->connection && events & UV_READABLE) redisAsyncHandleRead(adapter->connection);
    if (adapter->connection && events & UV_WRITABLE) redisAsyncHandleWrite(adapter->connection);
    store->polling = false;
    if (adapter->connection) arm(adapter);
}

static int attach(Store *store, redisAsyncContext *connection) {
    Adapter *adapter = xcalloc(1, sizeof *adapter);
    int code = uv_poll_init(store->loop, &adapter->poll, connection->c.fd);
    if (code < 0) {
        free(adapter);
        return code;
    }
    adapter->poll.data = adapter;
    adapter->store = store;
    adapter->connection = connection;
    connection->data = store;
    connection->ev.data = adapter;
    connection->ev.addRead = want_read;
    connection->ev.delRead = drop_read;
    connection->ev.addWrite = want_write;
    connection->ev.delWrite = drop_write;
    connection->ev.cleanup = release;
    return 0;
}

// Writes what was appended at once, not after another turn of the loop.
static void flush(Store *store) {
    if (store->polling) return;
    Adapter *adapter = store->connection->ev.data;
    redisAsyncHandleWrite(adapter->connection);
    if (adapter->connection) arm(adapter);
}

// ---- the time limit of a reply ------------------------------------------------------------------
// Something on the way (a proxy, a firewall) may drop what is sent and keep the connection open. So
// a Redis that owes a reply and is silent for `reply_ms` is taken for gone: every batch may be sent
// again.

static void fail(Store *store, const RedisError *error, const char *why);

static void expect_reply(Store *store);

// Lua may have kept this thread for longer than that, with the reply waiting in the socket.
static bool is_readable(const Store *store) {
    if (!store->connection) return false;
    struct pollfd socket = {.fd = store->connection->c.fd, .events = POLLIN};
    return poll(&socket, 1, 0) > 0;
}

static void on_overdue(uv_timer_t *timer) {
    Store *store = timer->data;
    char why[WHY_SIZE];
    if (is_readable(store)) {
        expect_reply(store);
        return;
    }
    snprintf(why, sizeof why, "no reply for %lld ms", (long long)store->reply_ms);
    fail(store, redis_error_unreachable, why);
}

static void expect_reply(Store *store) {
    if (uv_is_active((uv_handle_t *)&store->deadline)) return;
    uv_timer_start(&store->deadline, on_overdue, (uint64_t)store->reply_ms, 0);
}

// Redis said something: the time of what it still owes counts anew.
static void reply_came(Store *store, bool owes_more) {
    uv_timer_stop(&store->deadline);
    if (owes_more) expect_reply(store);
}

// ---- calls --------------------------------------------------------------------------------------

static void refuse(Store *store, const char *error);
static void on_replied(redisAsyncContext *connection, void *data, void *about);

Batch *store_batch(const Store *store) {
    return batch_new(store->room);
}

static char *write_integer(char *at, int64_t integer) {
    char text[INTEGER_TEXT];
    return resp_write(at, text, integer_write(text, integer));
}

static char *write_text(char *at, const char *text) {
    return resp_write(at, text, strlen(text));
}

// Puts the command's beginning right before the groups; where it starts.
static char *write_header(const Store *store, Batch *batch) {
    const TextList *queues = &store->config->queues;
    int64_t capacity = batch->unknown ? 0 : batch->capacity;
    const char *worker = batch->worker[0] ? batch->worker : store->worker;
    int64_t queue_count = worker[0] ? queues->count : 0; // a client serves none
    char *at = store->header;
    *at++ = '*';
    at += integer_write(at, (int64_t)(batch->arguments + 7) + queue_count);
    *at++ = '\r';
    *at++ = '\n';
    at = write_text(at, "EVALSHA");
    at = write_text(at, store->sha);
    at = write_text(at, "1");
    at = write_text(at, store->key);
    at = write_text(at, worker);
    at = write_integer(at, capacity);
    at = write_integer(at, queue_count);
    for (int64_t i = 0; i < queue_count; i++) at = write_text(at, queues->items[i]);

    size_t length = (size_t)(at - store->header);
    assert(length <= batch->room);
    return memcpy(batch->bytes + batch->room - length, store->header, length);
}

static void send_batch(Store *store, Batch *batch) {
    if (inject_fault(store, "call")) {
        fail(store, redis_error_unreachable, "fault injected before a call");
        return;
    }
    char *start = write_header(store, batch);
    size_t size = (size_t)(batch->bytes + batch->end - start);
    batch->sent = true;
    redisAsyncFormattedCommand(store->connection, on_replied, batch, start, size);
    expect_reply(store);
    flush(store);
    if (inject_fault(store, "sent"))
        fail(store, redis_error_unreachable, "fault injected after a call");
}

void store_call(Store *store, Batch *batch, int64_t capacity,
                void (*replied)(void *owner, Batch *batch, const Answer *answer), void *owner) {
    assert(batch->owed == 0 && !store->channels);
    batch->capacity = capacity;
    batch->on_replied = replied;
    batch->owner = owner;
    DL_APPEND(store->batches, batch);
    if (store->state == STORE_READY) send_batch(store, batch);
}

void store_call_for(Store *store, const char *worker, const Batch *batch,
                    void (*replied)(void *owner, Batch *batch, const Answer *answer), void *owner) {
    Batch *copy = batch_copy(batch);
    snprintf(copy->worker, sizeof copy->worker, "%s", worker);
    store_call(store, copy, 0, replied, owner);
}

static bool read_answer(const Reply *reply, Answer *answer) {
    enum { WORD, NOW, COMMIT, GROUPS, CLAIMS, NEXT_DUE, COUNT };
    const Reply *word = reply_at(reply, WORD);
    *answer = (Answer){
        .lost = reply_is(word, "lost"),
        .now_ms = reply_integer(reply_at(reply, NOW)),
        .commit = reply_integer(reply_at(reply, COMMIT)),
        .next_due_ms = reply_integer(reply_at(reply, NEXT_DUE)),
        .groups = reply_at(reply, GROUPS),
        .claims = reply_at(reply, CLAIMS),
    };
    return answer->lost || (reply_is(word, "ok") && reply_count(reply) >= COUNT);
}

static void report(Store *store, const RedisError *now, const char *why) {
    const RedisError *before = store->error;
    store->error = now;
    bool news = now != before || (now && now->kind == REDIS_ERROR_OTHER); // that may last
    if (news && store->events.on_error)
        store->events.on_error(store->events.owner, before, now, why);
}

// Redis does what it is asked again: also the next fault is news.
static void recovered(Store *store) {
    report(store, NULL, "");
    store->pause_ms = FIRST_PAUSE_MS;
}

// Redis answered a batch: an error is back-pressure, or a script that is no longer loaded, and
// nothing was written; anything else settles the batch.
static void on_replied(redisAsyncContext *connection, void *data, void *about) {
    Store *store = connection->data;
    const Reply *reply = data;
    Batch *batch = about;
    if (!store || !reply)
        return; // the connection died: the batch is kept, and sent on the next one
    if (inject_fault(store, "reply")) {
        fail(store, redis_error_unreachable, "fault injected before a reply");
        return;
    }
    Answer answer;
    if (is_error(reply)) {
        refuse(store, reply->str);
        return;
    }
    if (!read_answer(reply, &answer)) {
        refuse(store, "unexpected reply to a batch");
        return;
    }
    // A batch that asks for no runs, as one that is sent again, says nothing of one that does.
    bool asked = batch->capacity > 0 && !batch->refused;
    if (asked) store->refused_runs = false;
    if (!batch->refused && !store->refused_runs) recovered(store);
    DL_DELETE(store->batches, batch);
    reply_came(store, store->batches != NULL);
    batch->on_replied(batch->owner, batch, &answer);
    batch_free(batch);
    if (inject_fault(store, "handled"))
        fail(store, redis_error_unreachable, "fault injected after a reply");
}

// ---- connect, greet, resend ---------------------------------------------------------------------

static void drop(Store *store) {
    redisAsyncContext *connection = store->connection;
    store->connection = NULL;
    store->state = STORE_DOWN;
    uv_timer_stop(&store->deadline);
    uv_timer_stop(&store->probe);
    if (!connection) return;
    connection->data = NULL; // what hiredis still has to say of it is ignored
    redisAsyncFree(connection);
}

static void on_paused(uv_timer_t *timer);

// The only way into DOWN, but for the beginning and the end.
static void fail(Store *store, const RedisError *error, const char *why) {
    Batch *batch;
    char line[WHY_SIZE]; // `why` may be a reply that goes with its connection
    snprintf(line, sizeof line, "%.*s", (int)strcspn(why, "\r\n"), why);
    drop(store);
    DL_FOREACH(store->batches, batch) {
        batch->unknown = batch->unknown || batch->sent;
        batch->sent = false;
    }
    uv_timer_start(&store->pause, on_paused, (uint64_t)store->pause_ms, 0);
    bool over_soon = strncmp(line, "NOSCRIPT", 8) == 0 || store->pause_ms == FIRST_PAUSE_MS;
    if (!over_soon) report(store, error, line);
    store->pause_ms =
        store->pause_ms * 2 < LONGEST_PAUSE_MS ? store->pause_ms * 2 : LONGEST_PAUSE_MS;
}

// Redis answered with an error: nothing was written.
static void refuse(Store *store, const char *error) {
    Batch *batch;
    DL_FOREACH(store->batches, batch) {
        if (!batch->sent) continue;
        batch->refused = true;
        if (batch->capacity > 0) store->refused_runs = true;
    }
    fail(store, redis_error_of(error), error);
}

static void probe_later(Store *store);

static void become_ready(Store *store) {
    store->state = STORE_READY;
    reply_came(store, false);
    if (store->channels) probe_later(store);
    Batch *batch, *next;
    DL_FOREACH_SAFE(store->batches, batch, next) {
        send_batch(store, batch);
        if (store->state != STORE_READY) return;
    }
    if (store->channels) recovered(store);
    if (store->events.on_connected) store->events.on_connected(store->events.owner);
}

// One reply to AUTH, SELECT or SCRIPT LOAD; that to SCRIPT LOAD comes last, with the script's name.
static void on_greeted(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    const Reply *reply = data;
    if (!store || !reply) return;
    if (is_error(reply)) {
        refuse(store, reply->str);
        return;
    }
    if (--store->greetings > 0) return;
    snprintf(store->sha, sizeof store->sha, "%s", reply_text(reply));
    become_ready(store);
}

// A listener's: "subscribe" once for each channel, then messages.
static void on_heard(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    const Reply *reply = data;
    if (!store || !reply) return;
    if (is_error(reply)) {
        refuse(store, reply->str);
    } else if (reply_is(reply_at(reply, 0), "message")) {
        store->events.on_message(store->events.owner, reply_text(reply_at(reply, 1)),
                                 reply_text(reply_at(reply, 2)));
    } else if (store->state == STORE_READY) { // the answer to a probe
        reply_came(store, false);
        probe_later(store);
    } else if (--store->greetings == 0) {
        become_ready(store);
    }
}

static void say(Store *store, redisCallbackFn *replied, int count, const char *const *words,
                const size_t *sizes) {
    const char **arguments = (const char **)words;
    redisAsyncCommandArgv(store->connection, replied, NULL, count, arguments, sizes);
}

static void subscribe(Store *store) {
    const char *words[1 + 8] = {"SUBSCRIBE"};
    assert(store->channel_count <= 8);
    for (size_t i = 0; i < store->channel_count; i++) words[i + 1] = store->channels[i];
    store->greetings += store->channel_count;
    say(store, on_heard, (int)store->channel_count + 1, words, NULL);
}

// A listener that hears nothing cannot report silence from a connection that died without a word.
// To subscribe again to the first channel changes nothing and is answered on the way of all
// messages.
static void on_probe(uv_timer_t *timer) {
    Store *store = timer->data;
    const char *words[] = {"SUBSCRIBE", store->channels[0]};
    say(store, on_heard, 2, words, NULL);
    expect_reply(store);
    flush(store);
}

static void probe_later(Store *store) {
    uv_timer_start(&store->probe, on_probe, PROBE_MS, 0);
}

static void load_script(Store *store) {
    size_t sizes[3] = {6, 4, 0};
    const char *words[3] = {"SCRIPT", "LOAD", script_text(&sizes[2])};
    store->greetings++;
    say(store, on_greeted, 3, words, sizes);
}

static void greet(Store *store) {
    const RedisAddress *address = &store->config->redis;
    store->state = STORE_GREETING;
    store->greetings = 0;
    if (address->password) {
        const char *words[3] = {"AUTH", address->user, address->password};
        const char *old[2] = {"AUTH", address->password};
        store->greetings++;
        if (address->user)
            say(store, on_greeted, 3, words, NULL);
        else
            say(store, on_greeted, 2, old, NULL);
    }
    if (address->db) {
        char db[INTEGER_TEXT];
        snprintf(db, sizeof db, "%d", address->db);
        const char *words[2] = {"SELECT", db};
        store->greetings++;
        say(store, on_greeted, 2, words, NULL);
    }
    if (store->channels)
        subscribe(store);
    else
        load_script(store);
}

static void on_connected(const redisAsyncContext *connection, int status) {
    Store *store = connection->data;
    if (!store) return;
    if (status == REDIS_OK) {
        greet(store);
        return;
    }
    store->connection = NULL; // hiredis frees it itself
    fail(store, redis_error_unreachable, connection->errstr);
}

static void on_disconnected(const redisAsyncContext *connection, int status) {
    Store *store = connection->data;
    if (!store) return;
    store->connection = NULL; // likewise
    if (status == REDIS_OK) {
        fail(store, redis_error_unreachable, "connection closed");
        return;
    }
    // hiredis takes a SUBSCRIBE that is refused for the connection's fault
    const RedisError *error = redis_error_of(connection->errstr);
    fail(store, error->kind == REDIS_ERROR_OTHER ? redis_error_unreachable : error,
         connection->errstr);
}

static void connect_now(Store *store) {
    const RedisAddress *address = &store->config->redis;
    redisAsyncContext *connection = address->socket
                                        ? redisAsyncConnectUnix(address->socket)
                                        : redisAsyncConnect(address->host, address->port);
    if (!connection) abort();
    if (connection->err || attach(store, connection) < 0) {
        fail(store, redis_error_unreachable,
             connection->err ? connection->errstr : "cannot watch it");
        redisAsyncFree(connection);
        return;
    }
    fcntl(connection->c.fd, F_SETFD, FD_CLOEXEC); // programs that a step starts do not get it
    if (!address->socket) {
        // Without this the kernel tries for a quarter of an hour to reach a peer that is gone.
        unsigned timeout_ms = SILENCE_MS;
        redisEnableKeepAlive(&connection->c);
        setsockopt(connection->c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    }
    store->connection = connection;
    expect_reply(store);
    redisAsyncSetConnectCallback(connection, on_connected);
    redisAsyncSetDisconnectCallback(connection, on_disconnected);
    arm(connection->ev.data);
}

static void on_paused(uv_timer_t *timer) {
    connect_now(timer->data);
}

// ---- open and close -----------------------------------------------------------------------------

static char *join_key(const Config *config, const char *channel) {
    size_t size = strlen(config->prefix) + strlen(channel) + sizeof ":{0}:";
    char *key = xmalloc(size);
    snprintf(key, size, "%s:{0}:%s", config->prefix, channel);
    return key;
}

static size_t header_room(const Store *store) {
    size_t room = FIXED_ROOM + NAME_SIZE + strlen(store->key);
    const TextList *queues = &store->config->queues;
    for (int64_t i = 0; i < queues->count; i++) room += strlen(queues->items[i]) + RESP_FRAME;
    return room;
}

Store *store_open(uv_loop_t *loop, const Config *config, StoreEvents events) {
    Store *store = xcalloc(1, sizeof *store);
    store->loop = loop;
    store->config = config;
    store->events = events;
    store->key = join_key(config, "");
    store->room = header_room(store);
    store->header = xmalloc(store->room);
    store->pause_ms = FIRST_PAUSE_MS;
    store->reply_ms = REPLY_MS;
    uv_timer_t *timers[] = {&store->pause, &store->deadline, &store->probe};
    store->open_timers = sizeof timers / sizeof *timers;
    for (size_t i = 0; i < store->open_timers; i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = store;
    }
    uv_timer_start(&store->pause, on_paused, 0, 0);
    return store;
}

Store *store_subscribe(uv_loop_t *loop, const Config *config, StoreEvents events,
                       const char *const *channels, size_t channel_count) {
    Store *store = store_open(loop, config, events);
    store->channels = xcalloc(channel_count, sizeof *store->channels);
    store->channel_count = channel_count;
    for (size_t i = 0; i < channel_count; i++) store->channels[i] = join_key(config, channels[i]);
    return store;
}

void store_set_reply_timeout(Store *store, int64_t reply_ms) {
    store->reply_ms = reply_ms;
}

void store_set_worker(Store *store, const char *worker) {
    int length = snprintf(store->worker, sizeof store->worker, "%s", worker);
    assert(length < NAME_SIZE);
    (void)length;
}

static void abandon(Store *store) {
    drop(store);
    Batch *batch, *next, *batches = store->batches;
    store->batches = NULL; // a callback may call again: that batch is not one of these
    DL_FOREACH_SAFE(batches, batch, next) {
        batch->on_replied(batch->owner, batch, NULL);
        batch_free(batch);
    }
}

void store_abandon(Store *store) {
    abandon(store);
    uv_timer_start(&store->pause, on_paused, 0, 0);
}

static void on_closed(uv_handle_t *handle) {
    Store *store = handle->data;
    if (--store->open_timers > 0) return;
    for (size_t i = 0; i < store->channel_count; i++) free(store->channels[i]);
    free(store->channels);
    free(store->header);
    free(store->key);
    free(store);
}

void store_close(Store *store) {
    abandon(store);
    assert(!store->batches);
    uv_close((uv_handle_t *)&store->pause, on_closed);
    uv_close((uv_handle_t *)&store->deadline, on_closed);
    uv_close((uv_handle_t *)&store->probe, on_closed);
}

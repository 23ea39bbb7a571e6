// store: see store.h for what it promises.
//
// clang-format off
//           connected              script loaded, or channels subscribed
//   DOWN ---------------> GREETING ------------------------------> READY
//     ^                       |                                      |
//     +------- pause ---------+--- connection lost, Redis refused ---+
// clang-format on
//
// The store handles every fault in one way: it drops the connection, pauses, connects, greets and
// resends. It cannot know whether Redis executed a call whose reply was lost, and need not know, as
// every verb may be sent again.
#include "redis/store.h"

#include "base/xmalloc.h"
#include "redis/greeting.h"
#include "redis/keyspace.h"
#include "redis/script_call.h"

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
    SILENCE_MS =
        10000,       // the kernel drops a connection when its peer acknowledges nothing for so long
    REPLY_MS = 5000, // the store drops a connection when Redis owes a reply for so long, by default
    PROBE_MS = 10000, // between two probes of a listener's connection
    WHY_SIZE = 256
};

typedef enum { STORE_DOWN, STORE_GREETING, STORE_READY } StoreState;

// A call that Redis has not answered yet.
typedef struct Pending Pending;
struct Pending {
    StoreCall call;
    Pending *prev, *next;
    StoreReplied *on_replied;
    void *owner;
    char worker[WORKER_NAME_SIZE]; // the worker in whose name it is sent; "": the store's
    bool sent;                     // on this connection
    bool refused;                  // Redis refused this call, or a call beside it
};

struct Store {
    uv_loop_t *loop;
    uv_timer_t pause;
    uv_timer_t deadline; // of the next reply, while Redis owes one
    uv_timer_t probe;    // of a listener
    size_t open_timers;
    const Config *config;
    StoreEvents events;
    char **channels; // of a listener; NULL: this store sends batches
    size_t channel_count;

    StoreState state;
    redisAsyncContext *connection; // NULL when DOWN
    size_t greetings;              // replies that Redis still owes to the greeting
    Pending *pending;              // oldest first
    char worker[WORKER_NAME_SIZE];
    ScriptCall script;
    int64_t pause_ms;
    int64_t reply_ms;
    const RedisError *error; // the last that the owner was told; NULL: none
    bool refused_runs; // Redis refused a call that asked for runs, and has answered no such call
                       // since
    bool polling;      // hiredis is on the stack and must not be entered again
};

bool (*store_failpoint)(const char *moment, const char *worker);

static bool reached_failpoint(const Store *store, const char *moment) {
    return store_failpoint && store_failpoint(moment, store->worker);
}

// ---- hiredis on libuv ---------------------------------------------------------------------------
// The adapter that comes with hiredis does not notice a refused connection, and makes two system
// calls for every write. This one only notes which events hiredis wants, and starts the poll when
// hiredis has returned.

typedef struct {
    uv_poll_t poll;
    Store *store;
    redisAsyncContext *connection; // NULL when hiredis has freed it
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

// Writes the commands now; the poll would write them after another iteration of the loop.
static void flush(Store *store) {
    if (store->polling) return;
    Adapter *adapter = store->connection->ev.data;
    redisAsyncHandleWrite(adapter->connection);
    if (adapter->connection) arm(adapter);
}

// ---- the time limit of a reply ------------------------------------------------------------------
// A proxy or a firewall may drop packets and keep the connection open. So the store drops the
// connection when Redis owes a reply and sends nothing for `reply_ms`. Every batch may be sent
// again.

static void fail(Store *store, const RedisError *error, const char *why);

static void expect_reply(Store *store);

// Lua may have kept this thread for longer than the limit while the reply waited in the socket.
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

// After each reply the time limit of the replies that Redis still owes begins again.
static void reply_came(Store *store, bool owes_more) {
    uv_timer_stop(&store->deadline);
    if (owes_more) expect_reply(store);
}

// ---- calls --------------------------------------------------------------------------------------

static void refuse(Store *store, const char *error);
static void on_replied(redisAsyncContext *connection, void *data, void *about);

Batch *store_batch(const Store *store) {
    return script_call_batch(&store->script);
}

// A call that is sent again asks for no runs, as Redis may have given some already.
static void send_call(Store *store, Pending *pending) {
    if (reached_failpoint(store, "call")) {
        fail(store, redis_error_unreachable, "cut by a failpoint before a call");
        return;
    }
    const StoreCall *call = &pending->call;
    const char *worker = *pending->worker ? pending->worker : store->worker;
    size_t size;
    const char *command = script_call_write(&store->script, call->batch, worker,
                                            call->resent ? 0 : call->capacity, &size);
    pending->sent = true;
    redisAsyncFormattedCommand(store->connection, on_replied, pending, command, size);
    expect_reply(store);
    flush(store);
    if (reached_failpoint(store, "sent"))
        fail(store, redis_error_unreachable, "cut by a failpoint after a call");
}

static void add_call(Store *store, const char *worker, Batch *batch, int64_t capacity,
                     StoreReplied *replied, void *owner) {
    assert(batch->owed == 0 && !store->channels);
    Pending *pending = xcalloc(1, sizeof *pending);
    pending->call = (StoreCall){.batch = batch, .capacity = capacity};
    pending->on_replied = replied;
    pending->owner = owner;
    snprintf(pending->worker, sizeof pending->worker, "%s", worker);
    DL_APPEND(store->pending, pending);
    if (store->state == STORE_READY) send_call(store, pending);
}

void store_call(Store *store, Batch *batch, int64_t capacity, StoreReplied *replied, void *owner) {
    add_call(store, "", batch, capacity, replied, owner);
}

void store_call_for(Store *store, const char *worker, const Batch *batch, StoreReplied *replied,
                    void *owner) {
    add_call(store, worker, batch_copy(batch), 0, replied, owner);
}

static void end_call(Pending *pending, const Answer *answer) {
    pending->on_replied(pending->owner, &pending->call, answer);
    batch_free(pending->call.batch);
    free(pending);
}

static bool read_answer(const Reply *reply, Answer *answer) {
    enum { WORD, NOW, COMMIT, GROUPS, CLAIMS, NEXT_DUE, COUNT };
    const Reply *word = reply_at(reply, WORD);
    *answer = (Answer){
        .lost = reply_is(word, "lease_lost"),
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

// Redis serves again, so the owner is told also of the same error from now on.
static void recovered(Store *store) {
    report(store, NULL, "");
    store->pause_ms = FIRST_PAUSE_MS;
}

// An error means that the script wrote nothing: Redis cannot serve now, or does not have the script
// any more. Then the store sends the call again. Any other reply ends the call.
static void on_replied(redisAsyncContext *connection, void *data, void *about) {
    Store *store = connection->data;
    const Reply *reply = data;
    Pending *pending = about;
    if (!store || !reply) return; // the connection died, and `fail` has kept the call
    if (reached_failpoint(store, "reply")) {
        fail(store, redis_error_unreachable, "cut by a failpoint before a reply");
        return;
    }
    Answer answer;
    if (reply_is_error(reply, "")) {
        refuse(store, reply_text(reply));
        return;
    }
    if (!read_answer(reply, &answer)) {
        refuse(store, "unexpected reply to a batch");
        return;
    }
    // A full Redis refuses calls that ask for runs and may answer others. The answer to another
    // call does not show that it serves again.
    bool asked = pending->call.capacity > 0 && !pending->refused;
    if (asked) store->refused_runs = false;
    if (!pending->refused && !store->refused_runs) recovered(store);
    DL_DELETE(store->pending, pending);
    reply_came(store, store->pending != NULL);
    end_call(pending, &answer);
    if (reached_failpoint(store, "handled"))
        fail(store, redis_error_unreachable, "cut by a failpoint after a reply");
}

// ---- connect, greet, resend ---------------------------------------------------------------------

static void drop(Store *store) {
    redisAsyncContext *connection = store->connection;
    store->connection = NULL;
    store->state = STORE_DOWN;
    uv_timer_stop(&store->deadline);
    uv_timer_stop(&store->probe);
    if (!connection) return;
    connection->data = NULL; // makes the callbacks that are left return at once
    redisAsyncFree(connection);
}

static void on_paused(uv_timer_t *timer);

// Every fault leads here. Only store_open and store_close reach DOWN in another way.
static void fail(Store *store, const RedisError *error, const char *why) {
    Pending *pending;
    char line[WHY_SIZE]; // `why` may belong to the connection
    snprintf(line, sizeof line, "%.*s", (int)strcspn(why, "\r\n"), why);
    drop(store);
    DL_FOREACH(store->pending, pending) {
        pending->call.resent = pending->call.resent || pending->sent;
        pending->sent = false;
    }
    uv_timer_start(&store->pause, on_paused, (uint64_t)store->pause_ms, 0);
    bool over_soon = strncmp(line, "NOSCRIPT", 8) == 0 || store->pause_ms == FIRST_PAUSE_MS;
    if (!over_soon) report(store, error, line);
    store->pause_ms =
        store->pause_ms * 2 < LONGEST_PAUSE_MS ? store->pause_ms * 2 : LONGEST_PAUSE_MS;
}

// Redis answered with an error, so the script wrote nothing.
static void refuse(Store *store, const char *error) {
    Pending *pending;
    DL_FOREACH(store->pending, pending) {
        if (!pending->sent) continue;
        pending->refused = true;
        if (pending->call.capacity > 0) store->refused_runs = true;
    }
    fail(store, redis_error_of(error), error);
}

static void probe_later(Store *store);

static void become_ready(Store *store) {
    store->state = STORE_READY;
    reply_came(store, false);
    if (store->channels) probe_later(store);
    Pending *pending, *next;
    DL_FOREACH_SAFE(store->pending, pending, next) {
        send_call(store, pending);
        if (store->state != STORE_READY) return;
    }
    if (store->channels) recovered(store);
    if (store->events.on_connected) store->events.on_connected(store->events.owner);
}

// A reply to AUTH, SELECT or SCRIPT LOAD, which is sent last.
static void on_greeted(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    const Reply *reply = data;
    if (!store || !reply) return;
    if (reply_is_error(reply, "")) {
        refuse(store, reply_text(reply));
        return;
    }
    if (--store->greetings > 0) return;
    script_call_loaded(&store->script, reply);
    become_ready(store);
}

// A listener gets one reply "subscribe" for each channel, then messages.
static void on_heard(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    const Reply *reply = data;
    if (!store || !reply) return;
    if (reply_is_error(reply, "")) {
        refuse(store, reply_text(reply));
    } else if (reply_is(reply_at(reply, 0), "message")) {
        const char *channel = reply_text(reply_at(reply, 1));
        store->events.on_message(store->events.owner, keyspace_name(store->config->prefix, channel),
                                 reply_text(reply_at(reply, 2)));
    } else if (store->state == STORE_READY) { // it answers a probe
        reply_came(store, false);
        probe_later(store);
    } else if (--store->greetings == 0) {
        become_ready(store);
    }
}

static void send_command(Store *store, redisCallbackFn *replied, int count,
                         const char *const *words, const size_t *sizes) {
    const char **arguments = (const char **)words;
    redisAsyncCommandArgv(store->connection, replied, NULL, count, arguments, sizes);
}

static void subscribe(Store *store) {
    const char *words[1 + 8] = {"SUBSCRIBE"};
    assert(store->channel_count <= 8);
    for (size_t i = 0; i < store->channel_count; i++) words[i + 1] = store->channels[i];
    store->greetings += store->channel_count;
    send_command(store, on_heard, (int)store->channel_count + 1, words, NULL);
}

// A listener sends nothing, so it would not notice that its connection is dead. It probes by
// subscribing again to the first channel: that changes nothing, and Redis answers between the
// messages.
static void on_probe(uv_timer_t *timer) {
    Store *store = timer->data;
    const char *words[] = {"SUBSCRIBE", store->channels[0]};
    send_command(store, on_heard, 2, words, NULL);
    expect_reply(store);
    flush(store);
}

static void probe_later(Store *store) {
    uv_timer_start(&store->probe, on_probe, PROBE_MS, 0);
}

static void greet_with(Store *store, const GreetingCommand *command) {
    store->greetings++;
    send_command(store, on_greeted, command->count, command->words, command->sizes);
}

static void greet(Store *store) {
    GreetingCommand login[GREETING_LOGIN], load;
    int count = greeting_log_in(&store->config->redis, login);
    store->state = STORE_GREETING;
    store->greetings = 0;
    for (int i = 0; i < count; i++) greet_with(store, &login[i]);
    if (store->channels) {
        subscribe(store);
    } else {
        greeting_load_script(&load);
        greet_with(store, &load);
    }
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
    store->connection = NULL; // hiredis frees it here, too
    if (status == REDIS_OK) {
        fail(store, redis_error_unreachable, "connection closed");
        return;
    }
    // hiredis reports a SUBSCRIBE that Redis refused as an error of the connection
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
             connection->err ? connection->errstr : "libuv cannot poll its socket");
        redisAsyncFree(connection);
        return;
    }
    fcntl(connection->c.fd, F_SETFD,
          FD_CLOEXEC); // so that programs that a step starts do not inherit it
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

Store *store_open(uv_loop_t *loop, const Config *config, StoreEvents events) {
    Store *store = xcalloc(1, sizeof *store);
    store->loop = loop;
    store->config = config;
    store->events = events;
    script_call_open(&store->script, config);
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
    for (size_t i = 0; i < channel_count; i++)
        store->channels[i] = keyspace_join(config->prefix, channels[i]);
    return store;
}

void store_set_reply_timeout(Store *store, int64_t reply_ms) {
    store->reply_ms = reply_ms;
}

void store_set_worker(Store *store, const char *worker) {
    int length = snprintf(store->worker, sizeof store->worker, "%s", worker);
    assert(length < WORKER_NAME_SIZE);
    (void)length;
}

static void abandon(Store *store) {
    drop(store);
    Pending *pending, *next, *abandoned = store->pending;
    store->pending = NULL; // a callback may add a call, which stays
    DL_FOREACH_SAFE(abandoned, pending, next) {
        end_call(pending, NULL);
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
    script_call_close(&store->script);
    free(store);
}

void store_close(Store *store) {
    abandon(store);
    assert(!store->pending);
    uv_close((uv_handle_t *)&store->pause, on_closed);
    uv_close((uv_handle_t *)&store->deadline, on_closed);
    uv_close((uv_handle_t *)&store->probe, on_closed);
}

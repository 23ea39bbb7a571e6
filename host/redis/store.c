// store: see store.h for what it promises.
//
// clang-format off
//           connected              script loaded and dataset judged, or channels subscribed
//   DOWN ---------------> GREETING ------------------------------> READY
//     ^                       |                                      |
//     +------- pause ---------+--- connection lost, Redis refused ---+
// clang-format on
//
// The store handles every fault in one way: it drops the connection, pauses, connects, greets and
// resends. It cannot know whether Redis executed a call whose reply was lost, and need not know, as
// every verb may be sent again. Under Sentinel the store connects to the primary that primary.h
// tells, asks for its ROLE in the greeting, and leaves it at once when there is another.
//
// A store that waits for a replica sends WAIT behind each call and holds the answer back until a
// replica has confirmed the call. WAIT counts all that this connection wrote before it. So when a
// replica confirms, all answers that are held are given; and when it does not in time, one more
// WAIT is sent. The calls are not repeated for that.
#include "redis/store.h"

#include "base/xmalloc.h"
#include "redis/adapter.h"
#include "redis/greeting.h"
#include "redis/keyspace.h"
#include "redis/script_call.h"
#include "redis/sentinel.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <utlist.h>

enum {
    FIRST_PAUSE_MS = 1,
    LONGEST_PAUSE_MS = 1000,
    NOSCRIPT_PAUSE_MS = 16, // the longest pause while Redis serves and only lacks the script
    SILENCE_MS = 10000, // the kernel drops a connection when its peer acknowledges nothing so long
    REPLY_MS = 5000, // the store drops a connection when Redis owes a reply for so long, by default
    PROBE_MS = 10000, // between two probes of a listener's connection
    CONFIRM_MS = 500, // what one WAIT waits for a replica; less than any time limit of a reply
    WHY_SIZE = 1024
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
    Reply *held;                   // until a replica has confirmed the call; NULL: none
};

struct Store {
    uv_loop_t *loop;
    uv_timer_t pause;
    uv_timer_t deadline; // of the next reply, while Redis owes one
    uv_timer_t probe;    // of a listener
    uv_async_t moved;    // the primary is another one
    size_t open_handles;
    const Config *config;
    StoreEvents events;
    Primary *primary;     // NULL: --redis names the Redis itself
    PrimaryPlace place;   // where the store connects, or did last
    bool waits;           // for a replica, behind each call
    size_t confirmations; // WAITs that Redis has not answered
    char **channels;      // of a listener; NULL: this store sends batches
    size_t channel_count;

    StoreState state;
    redisAsyncContext *connection; // NULL when DOWN
    size_t greetings;              // replies that Redis still owes to the greeting
    Pending *pending;              // oldest first
    char worker[WORKER_NAME_SIZE];
    ScriptCall script;
    Trust *trust;     // NULL: any Redis will do
    TrustView view;   // of the dataset there
    RedisFacts facts; // of the Redis there
    bool judged;      // once, at least
    int64_t losses;   // that the owner was told of
    int64_t commit;   // that this connection saw last
    void (*on_safe)(void *owner);
    void *on_safe_owner;
    int64_t pause_ms;
    int64_t reply_ms;
    const RedisError *error; // the last that the owner was told; NULL: none
    bool refused_runs; // Redis refused a call that asked for runs, and has answered no such call
                       // since
};

bool (*store_failpoint)(const char *moment, const char *worker);

static bool reached_failpoint(const Store *store, const char *moment) {
    return store_failpoint && store_failpoint(moment, store->worker);
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

static void on_confirmed(redisAsyncContext *connection, void *data, void *about);

static void ask_for_confirmation(Store *store) {
    store->confirmations++;
    redisAsyncCommand(store->connection, on_confirmed, NULL, "WAIT 1 %d", CONFIRM_MS);
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
    if (store->waits) ask_for_confirmation(store);
    expect_reply(store);
    adapter_flush(store->connection);
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

// Whether the answer comes from the Redis that was judged, with the data that it had.
static bool is_genuine(Store *store, const Answer *answer) {
    if (!store->trust) return true;
    if (answer->commit < store->commit) {
        fail(store, redis_error_unreachable, "it has older data than before");
        return false;
    }
    store->commit = answer->commit;
    if (trust_saw(store->trust, &store->view, answer->commit, answer->now_ms)) return true;
    fail(store, redis_error_unreachable, "another Redis serves the dataset");
    return false;
}

// Takes the reply from hiredis, which frees the empty shell that is left when the callback returns.
static Reply *take_over(Reply *reply) {
    Reply *taken = xmemdup(reply, sizeof *reply);
    reply->type = REDIS_REPLY_NIL;
    return taken;
}

static void let_go(Pending *pending) {
    if (pending->held) freeReplyObject(pending->held);
    pending->held = NULL;
}

// Redis has answered the call, and a replica has confirmed it where that is asked for. Returns
// whether the connection is still there.
static bool finish_call(Store *store, Pending *pending, const Answer *answer) {
    if (!is_genuine(store, answer)) return false;
    // A full Redis refuses calls that ask for runs and may answer others. The answer to another
    // call does not show that it serves again.
    bool asked = pending->call.capacity > 0 && !pending->refused;
    if (asked) store->refused_runs = false;
    if (!pending->refused && !store->refused_runs) recovered(store);
    DL_DELETE(store->pending, pending);
    reply_came(store, store->pending != NULL);
    Reply *held = pending->held;
    end_call(pending, answer);
    if (held) freeReplyObject(held);
    if (!reached_failpoint(store, "handled")) return store->state == STORE_READY;
    fail(store, redis_error_unreachable, "cut by a failpoint after a reply");
    return false;
}

// An error means that the script wrote nothing: Redis cannot serve now, or does not have the script
// any more. Then the store sends the call again. Any other reply ends the call.
static void on_replied(redisAsyncContext *connection, void *data, void *about) {
    Store *store = connection->data;
    Reply *reply = data;
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
    if (store->waits) {
        pending->held = take_over(reply);
        reply_came(store, true);
    } else {
        finish_call(store, pending, &answer);
    }
}

// The reply to a WAIT: how many replicas have what was written before it.
static void on_confirmed(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    const Reply *reply = data;
    if (!store || !reply) return;
    if (reply_is_error(reply, "")) {
        refuse(store, reply_text(reply));
        return;
    }
    store->confirmations--;
    reply_came(store, store->pending != NULL);
    bool confirmed = reply_integer(reply) > 0;
    Answer answer;
    for (Pending *first; confirmed && (first = store->pending) && first->held;) {
        read_answer(first->held, &answer);
        if (!finish_call(store, first, &answer)) return;
    }
    if (confirmed || !store->pending) return;
    report(store, redis_error_of(REDIS_ERROR_UNCONFIRMED), REDIS_ERROR_UNCONFIRMED);
    if (store->confirmations) return; // the next reply tells
    ask_for_confirmation(store);
    expect_reply(store);
    adapter_flush(store->connection);
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
static void disconnect(Store *store) {
    Pending *pending;
    drop(store);
    store->confirmations = 0;
    DL_FOREACH(store->pending, pending) {
        pending->call.resent = pending->call.resent || pending->sent;
        pending->sent = false;
        let_go(pending);
    }
}

static void fail(Store *store, const RedisError *error, const char *why) {
    char line[WHY_SIZE]; // `why` may belong to the connection
    size_t length = strcspn(why, "\r\n");
    if (store->primary && error == redis_error_unreachable)
        snprintf(line, sizeof line, "%s:%d: %.*s", store->place.host, store->place.port,
                 (int)length, why);
    else
        snprintf(line, sizeof line, "%.*s", (int)length, why);
    disconnect(store);
    if (store->primary) primary_doubt(store->primary, store->place.version);
    bool lacks_script = strncmp(line, "NOSCRIPT", 8) == 0;
    int64_t longest_ms = lacks_script ? NOSCRIPT_PAUSE_MS : LONGEST_PAUSE_MS;
    if (store->pause_ms > longest_ms) store->pause_ms = longest_ms;
    uv_timer_start(&store->pause, on_paused, (uint64_t)store->pause_ms, 0);
    if (!lacks_script && store->pause_ms > FIRST_PAUSE_MS) report(store, error, line);
    store->pause_ms = store->pause_ms * 2 < longest_ms ? store->pause_ms * 2 : longest_ms;
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

static void judge_dataset(Store *store);

// Acts on a verdict. True: the greeting goes on.
static bool obey(Store *store, TrustVerdict verdict, const char *why) {
    if (verdict == TRUSTED) return true;
    if (verdict == TRUST_ASK_AGAIN)
        judge_dataset(store);
    else if (verdict == TRUST_WAIT)
        fail(store, redis_error_of(why), why);
    else
        drop(store); // for good: the host ends
    return false;
}

// Whether Redis has lost changes that the owner may have seen: then it abandons this connection.
static bool tell_loss(Store *store) {
    bool news = store->judged && store->losses != store->view.losses && store->events.on_loss;
    store->losses = store->view.losses;
    store->judged = true;
    if (news) store->events.on_loss(store->events.owner);
    return news;
}

// The reply to the group `epoch`.
static void on_judged(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    char why[TRUST_WHY_SIZE];
    Store *store = connection->data;
    const Reply *reply = data;
    Answer answer;
    if (!store || !reply) return;
    bool answered = !reply_is_error(reply, "") && read_answer(reply, &answer);
    const Reply *epoch = answered ? reply_at(answer.groups, 0) : NULL;
    if (!reply_is(reply_at(epoch, 0), "epoch")) {
        refuse(store, epoch ? reply_text(reply_at(epoch, 1)) : reply_text(reply));
        return;
    }
    if (!obey(store, trust_judge(store->trust, &store->view, epoch, why), why)) return;
    if (!tell_loss(store)) become_ready(store);
}

// In the name of a client: the host may have no lease here.
static void judge_dataset(Store *store) {
    Batch *batch = store_batch(store);
    size_t size;
    trust_ask(store->trust, &store->facts, &store->view, batch);
    const char *command = script_call_write(&store->script, batch, "", 0, &size);
    redisAsyncFormattedCommand(store->connection, on_judged, NULL, command, size);
    batch_free(batch);
    expect_reply(store);
    adapter_flush(store->connection);
}

static void on_info(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    if (!store || !data) return;
    store->facts = (RedisFacts){0};
    redis_facts_read_info(&store->facts, data);
}

static void on_settings(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    if (!store || !data) return;
    redis_facts_read_settings(&store->facts, data);
    if (store->state == STORE_READY && trust_settings(store->trust, &store->facts))
        store->on_safe(store->on_safe_owner);
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
    if (!store->trust) {
        become_ready(store);
        return;
    }
    char why[TRUST_WHY_SIZE];
    store->commit = 0;
    if (obey(store, trust_check(store->trust, &store->facts, why), why)) judge_dataset(store);
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
    adapter_flush(store->connection);
}

static void probe_later(Store *store) {
    uv_timer_start(&store->probe, on_probe, PROBE_MS, 0);
}

static void greet_with(Store *store, const GreetingCommand *command) {
    store->greetings++;
    send_command(store, on_greeted, command->count, command->words, command->sizes);
}

static void on_role(redisAsyncContext *connection, void *data, void *about) {
    (void)about;
    Store *store = connection->data;
    const Reply *reply = data;
    char why[WHY_SIZE];
    if (!store || !reply) return;
    if (reply_is_error(reply, "")) {
        refuse(store, reply_text(reply));
    } else if (sentinel_is_primary(reply)) {
        store->greetings--;
    } else {
        snprintf(why, sizeof why, "%s:%d is a replica", store->place.host, store->place.port);
        fail(store, redis_error_no_primary, why);
    }
}

static void ask_for_role(Store *store) {
    GreetingCommand role;
    sentinel_ask_role(&role);
    store->greetings++;
    send_command(store, on_role, role.count, role.words, role.sizes);
}

static void ask_facts(Store *store) {
    GreetingCommand facts[GREETING_FACTS];
    greeting_ask_facts(facts);
    send_command(store, on_info, facts[0].count, facts[0].words, facts[0].sizes);
    send_command(store, on_settings, facts[1].count, facts[1].words, facts[1].sizes);
}

void store_read_settings(Store *store, void (*on_safe)(void *owner), void *owner) {
    if (store->state != STORE_READY || !store->trust) return;
    store->on_safe = on_safe;
    store->on_safe_owner = owner;
    ask_facts(store);
    adapter_flush(store->connection);
}

static void greet(Store *store) {
    GreetingCommand login[GREETING_LOGIN], load;
    int count = greeting_log_in(&store->config->redis, login);
    store->state = STORE_GREETING;
    store->greetings = 0;
    for (int i = 0; i < count; i++) greet_with(store, &login[i]);
    if (store->primary) ask_for_role(store);
    if (store->channels) {
        subscribe(store);
    } else {
        if (store->trust) ask_facts(store);
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

static redisAsyncContext *begin_connection(Store *store) {
    const RedisAddress *address = &store->config->redis;
    if (store->primary) return redisAsyncConnect(store->place.host, store->place.port);
    if (address->socket) return redisAsyncConnectUnix(address->socket);
    return redisAsyncConnect(address->host, address->port);
}

// Whether it is known where to connect.
static bool find_primary(Store *store) {
    if (!store->primary) return true;
    primary_look(store->primary, &store->place);
    if (store->place.error) fail(store, store->place.error, store->place.why);
    return store->place.version && !store->place.error; // without an answer `moved` comes
}

static void connect_now(Store *store) {
    if (!find_primary(store)) return;
    redisAsyncContext *connection = begin_connection(store);
    if (!connection) abort();
    if (connection->err || adapter_attach(store->loop, connection) < 0) {
        fail(store, redis_error_unreachable,
             connection->err ? connection->errstr : "libuv cannot poll its socket");
        redisAsyncFree(connection);
        return;
    }
    connection->data = store;
    if (!store->config->redis.socket) {
        // Without this the kernel tries for a quarter of an hour to reach a peer that is gone.
        unsigned timeout_ms = SILENCE_MS;
        redisEnableKeepAlive(&connection->c);
        setsockopt(connection->c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    }
    store->connection = connection;
    expect_reply(store);
    redisAsyncSetConnectCallback(connection, on_connected);
    redisAsyncSetDisconnectCallback(connection, on_disconnected);
    adapter_arm(connection);
}

static void connect_soon(Store *store) {
    uv_timer_start(&store->pause, on_paused, 0, 0);
}

// Sentinel has made another Redis the primary. The old one may still answer, or say nothing.
static void on_moved(uv_async_t *async) {
    Store *store = async->data;
    PrimaryPlace place;
    primary_look(store->primary, &place);
    if (place.version == store->place.version) return;
    disconnect(store);
    store->pause_ms = FIRST_PAUSE_MS;
    connect_soon(store);
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
    store->open_handles = sizeof timers / sizeof *timers;
    for (size_t i = 0; i < store->open_handles; i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = store;
    }
    connect_soon(store);
    return store;
}

void store_follow(Store *store, Primary *primary) {
    if (!primary) return;
    store->primary = primary;
    uv_async_init(store->loop, &store->moved, on_moved);
    store->moved.data = store;
    store->open_handles++;
    primary_follow(primary, &store->moved);
}

void store_wait_for_replica(Store *store) {
    store->waits = true;
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

void store_trust(Store *store, Trust *trust) {
    store->trust = trust;
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
    store->confirmations = 0;
    store->pending = NULL; // a callback may add a call, which stays
    DL_FOREACH_SAFE(abandoned, pending, next) {
        let_go(pending);
        end_call(pending, NULL);
    }
}

void store_abandon(Store *store) {
    abandon(store);
    connect_soon(store);
}

static void on_closed(uv_handle_t *handle) {
    Store *store = handle->data;
    if (--store->open_handles > 0) return;
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
    if (!store->primary) return;
    primary_unfollow(store->primary, &store->moved);
    uv_close((uv_handle_t *)&store->moved, on_closed);
}

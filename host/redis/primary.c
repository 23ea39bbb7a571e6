// primary: see primary.h.
//
// A round asks the Sentinels, one after the other, until one answers. It begins with the one that
// answered last, or that has just told of another primary. Rounds begin 100 ms apart at least, but
// for the news of a Sentinel. Each question has a connection of its own, because a connection that
// is subscribed takes no other commands.
#include "redis/primary.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "redis/adapter.h"
#include "redis/greeting.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    ROUND_MS = 100,   // from the beginning of a round to the next
    LISTEN_MS = 1000, // until a lost subscription is tried again
};

typedef struct {
    Primary *primary;
    int index;
    redisAsyncContext *connection; // NULL: it is down
    uv_timer_t retry;
} Listener;

struct Primary {
    uv_loop_t *loop;
    const RedisAddress *redis;
    pthread_mutex_t lock;
    PrimaryPlace place;
    uv_async_t **followers;
    size_t follower_count;
    _Atomic uint64_t doubted; // the version

    // only for the thread of the loop
    uv_async_t message;
    uv_timer_t next;  // round
    uv_timer_t limit; // of a question
    redisAsyncContext *question;
    int index; // of the Sentinel that is asked, or was asked last
    int asked; // in this round
    uint64_t round_ms;
    const RedisError *error; // of this round
    char why[SENTINEL_WHY_SIZE];
    Listener *listeners; // by Sentinel
    bool stopped;
    size_t open_handles;
};

static void want_round(Primary *primary);

// ---- the answer ---------------------------------------------------------------------------------

// Holds the lock.
static void tell(Primary *primary) {
    primary->place.version++;
    for (size_t i = 0; i < primary->follower_count; i++) uv_async_send(primary->followers[i]);
}

static void found(Primary *primary, const char *host, int port) {
    PrimaryPlace *place = &primary->place;
    pthread_mutex_lock(&primary->lock);
    bool known = place->version && !place->error;
    if (!known || place->port != port || strcmp(place->host, host) != 0) {
        if (known)
            log_info("redis at %s: Sentinel made %s:%d the primary", primary->redis->url, host,
                     port);
        snprintf(place->host, sizeof place->host, "%s", host);
        place->port = port;
        place->error = NULL;
        tell(primary);
    }
    pthread_mutex_unlock(&primary->lock);
}

static void not_found(Primary *primary) {
    PrimaryPlace *place = &primary->place;
    pthread_mutex_lock(&primary->lock);
    if (!place->version || place->error) {
        place->error = primary->error;
        memcpy(place->why, primary->why, sizeof place->why);
        if (!place->version) tell(primary); // later the stores try again by themselves
    }
    pthread_mutex_unlock(&primary->lock);
}

void primary_look(Primary *primary, PrimaryPlace *place) {
    pthread_mutex_lock(&primary->lock);
    *place = primary->place;
    pthread_mutex_unlock(&primary->lock);
}

void primary_follow(Primary *primary, uv_async_t *changed) {
    pthread_mutex_lock(&primary->lock);
    size_t size = (primary->follower_count + 1) * sizeof *primary->followers;
    primary->followers = xrealloc(primary->followers, size);
    primary->followers[primary->follower_count++] = changed;
    pthread_mutex_unlock(&primary->lock);
}

void primary_unfollow(Primary *primary, uv_async_t *changed) {
    pthread_mutex_lock(&primary->lock);
    for (size_t i = 0; i < primary->follower_count; i++)
        if (primary->followers[i] == changed)
            primary->followers[i--] = primary->followers[--primary->follower_count];
    pthread_mutex_unlock(&primary->lock);
}

// ---- rounds -------------------------------------------------------------------------------------

static void ask(Primary *primary);

static void drop(redisAsyncContext **connection) {
    redisAsyncContext *dropped = *connection;
    *connection = NULL;
    if (!dropped) return;
    dropped->data = NULL; // the callbacks that hiredis still makes return at once
    redisAsyncFree(dropped);
}

// The end of a question.
static void take_reply(Primary *primary, const Reply *reply, const char *fault) {
    char host[SENTINEL_HOST_SIZE], why[SENTINEL_WHY_SIZE];
    int port;
    const RedisError *error =
        sentinel_read(primary->redis, primary->index, reply, fault, host, &port, why);
    uv_timer_stop(&primary->limit);
    drop(&primary->question);
    if (!error) {
        found(primary, host, port);
        return;
    }
    const RedisError *worse = sentinel_worse(primary->error, error);
    if (worse != primary->error) memcpy(primary->why, why, sizeof why);
    primary->error = worse;
    primary->index = (primary->index + 1) % primary->redis->sentinel_count;
    if (primary->asked < primary->redis->sentinel_count)
        ask(primary);
    else
        not_found(primary);
}

static void on_answered(redisAsyncContext *connection, void *data, void *last) {
    Primary *primary = connection->data;
    if (primary && data && last) take_reply(primary, data, "");
}

static void on_question_connected(const redisAsyncContext *connection, int status) {
    Primary *primary = connection->data;
    if (!primary || status == REDIS_OK) return;
    primary->question = NULL; // hiredis frees it itself
    take_reply(primary, NULL, connection->errstr);
}

static void on_question_lost(const redisAsyncContext *connection, int status) {
    Primary *primary = connection->data;
    (void)status;
    if (!primary) return;
    primary->question = NULL; // likewise
    take_reply(primary, NULL, "connection closed");
}

static void on_limit(uv_timer_t *timer) {
    char fault[32];
    snprintf(fault, sizeof fault, "no reply for %d ms", SENTINEL_REPLY_MS);
    take_reply(timer->data, NULL, fault);
}

// NULL, and nothing is left of it, when the connection cannot even be begun.
static redisAsyncContext *connect_to(Primary *primary, int index, void *data,
                                     redisConnectCallback *connected,
                                     redisDisconnectCallback *lost) {
    const HostPort *sentinel = &primary->redis->sentinels[index];
    redisAsyncContext *connection = redisAsyncConnect(sentinel->host, sentinel->port);
    if (!connection) abort();
    if (connection->err || adapter_attach(primary->loop, connection) < 0) {
        redisAsyncFree(connection);
        return NULL;
    }
    redisEnableKeepAlive(&connection->c);
    connection->data = data;
    redisAsyncSetConnectCallback(connection, connected);
    redisAsyncSetDisconnectCallback(connection, lost);
    return connection;
}

static void send_command(redisAsyncContext *connection, redisCallbackFn *replied, void *about,
                         GreetingCommand *command) {
    redisAsyncCommandArgv(connection, replied, about, command->count, command->words,
                          command->sizes);
}

static void ask(Primary *primary) {
    GreetingCommand commands[2];
    int count = sentinel_question(primary->redis, commands);
    primary->asked++;
    uv_timer_start(&primary->limit, on_limit, SENTINEL_REPLY_MS, 0);
    primary->question =
        connect_to(primary, primary->index, primary, on_question_connected, on_question_lost);
    if (!primary->question) {
        take_reply(primary, NULL, "its address cannot be used");
        return;
    }
    for (int i = 0; i < count; i++)
        send_command(primary->question, on_answered, i == count - 1 ? primary : NULL, &commands[i]);
    adapter_arm(primary->question);
}

static void begin_round(Primary *primary) {
    drop(&primary->question);
    uv_timer_stop(&primary->next);
    primary->round_ms = uv_now(primary->loop);
    primary->asked = 0;
    primary->error = NULL;
    ask(primary);
}

static void on_next(uv_timer_t *timer) {
    begin_round(timer->data);
}

static void want_round(Primary *primary) {
    bool soon = primary->question || uv_is_active((uv_handle_t *)&primary->next);
    if (soon || primary->stopped) return;
    uint64_t since = uv_now(primary->loop) - primary->round_ms;
    uv_timer_start(&primary->next, on_next, since < ROUND_MS ? ROUND_MS - since : 0, 0);
}

static void on_message(uv_async_t *async) {
    Primary *primary = async->data;
    if (atomic_load(&primary->doubted) == primary->place.version) want_round(primary);
}

void primary_doubt(Primary *primary, uint64_t version) {
    atomic_store(&primary->doubted, version);
    uv_async_send(&primary->message);
}

// ---- +switch-master -----------------------------------------------------------------------------

static void listen_later(Listener *listener);

// "<name> <old host> <old port> <new host> <new port>"
static bool is_about_us(const Primary *primary, const char *text) {
    size_t length = strlen(primary->redis->primary);
    return strncmp(text, primary->redis->primary, length) == 0 && text[length] == ' ';
}

static void on_heard(redisAsyncContext *connection, void *data, void *about) {
    Listener *listener = connection->data;
    const Reply *reply = data;
    (void)about;
    if (!listener || !reply) return;
    Primary *primary = listener->primary;
    if (reply_is(reply_at(reply, 0), "subscribe")) {
        want_round(primary); // a message may have been missed
    } else if (is_about_us(primary, reply_text(reply_at(reply, 2)))) {
        primary->index = listener->index;
        begin_round(primary);
    }
}

static void on_listening(const redisAsyncContext *connection, int status) {
    Listener *listener = connection->data;
    if (!listener || status == REDIS_OK) return;
    listener->connection = NULL; // hiredis frees it itself
    listen_later(listener);
}

static void on_listener_lost(const redisAsyncContext *connection, int status) {
    Listener *listener = connection->data;
    (void)status;
    if (!listener) return;
    listener->connection = NULL; // likewise
    listen_later(listener);
}

static void listen_now(Listener *listener) {
    Primary *primary = listener->primary;
    GreetingCommand commands[2], subscribe;
    int logins = sentinel_question(primary->redis, commands) - 1;
    listener->connection =
        connect_to(primary, listener->index, listener, on_listening, on_listener_lost);
    if (!listener->connection) {
        listen_later(listener);
        return;
    }
    greeting_words(&subscribe, 2, "SUBSCRIBE", "+switch-master");
    for (int i = 0; i < logins; i++) send_command(listener->connection, NULL, NULL, &commands[i]);
    send_command(listener->connection, on_heard, NULL, &subscribe);
    adapter_arm(listener->connection);
}

static void on_retry(uv_timer_t *timer) {
    listen_now(timer->data);
}

static void listen_later(Listener *listener) {
    if (listener->primary->stopped) return;
    uv_timer_start(&listener->retry, on_retry, LISTEN_MS, 0);
}

// ---- open and close -----------------------------------------------------------------------------

Primary *primary_open(uv_loop_t *loop, const RedisAddress *redis) {
    Primary *primary = xcalloc(1, sizeof *primary);
    primary->loop = loop;
    primary->redis = redis;
    pthread_mutex_init(&primary->lock, NULL);
    uv_async_init(loop, &primary->message, on_message);
    uv_timer_init(loop, &primary->next);
    uv_timer_init(loop, &primary->limit);
    primary->message.data = primary->next.data = primary->limit.data = primary;
    primary->listeners = xcalloc((size_t)redis->sentinel_count, sizeof *primary->listeners);
    for (int i = 0; i < redis->sentinel_count; i++) {
        Listener *listener = &primary->listeners[i];
        *listener = (Listener){.primary = primary, .index = i};
        uv_timer_init(loop, &listener->retry);
        listener->retry.data = listener;
        uv_timer_start(&listener->retry, on_retry, 0, 0);
    }
    primary->open_handles = 3 + (size_t)redis->sentinel_count;
    uv_timer_start(&primary->next, on_next, 0, 0);
    return primary;
}

void primary_stop(Primary *primary) {
    primary->stopped = true;
    drop(&primary->question);
    uv_timer_stop(&primary->next);
    uv_timer_stop(&primary->limit);
    for (int i = 0; i < primary->redis->sentinel_count; i++) {
        drop(&primary->listeners[i].connection);
        uv_timer_stop(&primary->listeners[i].retry);
    }
    uv_unref((uv_handle_t *)&primary->message);
}

static void on_closed(uv_handle_t *handle) {
    Primary *primary = ((Primary *)handle->data);
    if (--primary->open_handles > 0) return;
    pthread_mutex_destroy(&primary->lock);
    free(primary->followers);
    free(primary->listeners);
    free(primary);
}

static void on_listener_closed(uv_handle_t *handle) {
    handle->data = ((Listener *)handle->data)->primary;
    on_closed(handle);
}

void primary_close(Primary *primary) {
    for (int i = 0; i < primary->redis->sentinel_count; i++)
        uv_close((uv_handle_t *)&primary->listeners[i].retry, on_listener_closed);
    uv_close((uv_handle_t *)&primary->next, on_closed);
    uv_close((uv_handle_t *)&primary->limit, on_closed);
    uv_close((uv_handle_t *)&primary->message, on_closed);
}

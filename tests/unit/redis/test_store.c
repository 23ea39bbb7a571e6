// One connection that mends itself: each batch is answered exactly once, whatever happens to it.
#include "redis/store.h"

#include "serve/private_redis.h"
#include "unit.h"

#include <hiredis/hiredis.h>
#include <unistd.h>

static PrivateRedis *server;
static Config config = {.prefix = "unit"};
static uv_loop_t loop;
static Store *store;

static int answers, abandoned, connections, losses;
static char last[512]; // the last answer's first reply, its first words
static RedisErrorKind last_trouble;

static int start_redis(void **state) {
    (void)state;
    char fault[PRIVATE_REDIS_FAULT_SIZE];
    return private_redis_start(&server, NULL, "everysec", &config.redis, fault);
}

static int stop_redis(void **state) {
    (void)state;
    private_redis_stop(server);
    return 0;
}

static void on_connected(void *owner) {
    (void)owner;
    connections++;
}

static void on_error(void *owner, const RedisError *before, const RedisError *now,
                     const char *why) {
    (void)owner, (void)before, (void)why;
    if (!now) return;
    losses++;
    last_trouble = now->kind;
}

static void on_answered(void *owner, const StoreCall *done, const Answer *answer) {
    (void)owner, (void)done;
    if (!answer) {
        abandoned++;
        return;
    }
    answers++;
    const Reply *reply = reply_at(answer->groups, 0);
    snprintf(last, sizeof last, "%s %s", reply_text(reply_at(reply, 0)),
             reply_text(reply_at(reply, 1)));
}

static int open_store(void **state) {
    (void)state;
    answers = abandoned = connections = losses = 0;
    uv_loop_init(&loop);
    store = store_open(&loop, &config,
                       (StoreEvents){.on_connected = on_connected, .on_error = on_error});
    return 0;
}

static int close_store(void **state) {
    (void)state;
    store_failpoint = NULL;
    store_close(store);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void call(const char *verb) {
    Batch *batch = store_batch(store);
    batch_group(batch, verb, 0, NULL, NULL);
    store_call(store, batch, 0, on_answered, NULL);
}

static void run_until(const int *count, int wanted) {
    while (*count < wanted) uv_run(&loop, UV_RUN_ONCE);
}

static void test_a_batch_is_answered(void **state) {
    (void)state;
    call("registry"); // before there is a connection
    run_until(&answers, 1);
    assert_string_equal(last, "registry ");
    call("registry");
    run_until(&answers, 2);
    assert_int_equal(connections, 1);
}

static void test_a_verb_that_raises_is_an_error_of_its_group(void **state) {
    (void)state;
    call("fly");
    run_until(&answers, 1);
    assert_memory_equal(last, "error ", 6);
}

static void test_many_batches_are_answered_in_order(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) call(i % 2 ? "registry" : "fly");
    run_until(&answers, 1000);
    assert_string_equal(last, "registry ");
}

static const char *wanted_moment;

static bool cut_once(const char *moment, const char *worker) {
    (void)worker;
    if (!wanted_moment || strcmp(moment, wanted_moment) != 0) return false;
    wanted_moment = NULL;
    return true;
}

static void test_a_cut_connection_loses_no_batch_and_answers_none_twice(void **state) {
    (void)state;
    const char *moments[] = {"call", "sent", "reply", "handled"};
    store_failpoint = cut_once;
    for (int i = 0; i < 4; i++) {
        wanted_moment = moments[i];
        for (int k = 0; k < 3; k++) call("registry");
        run_until(&answers, 3 * (i + 1));
        assert_null(wanted_moment);
    }
    for (int i = 0; i < 20; i++) uv_run(&loop, UV_RUN_NOWAIT);
    run_until(&connections, 4); // the first was cut before it could be told
    assert_int_equal(answers, 12);
}

static void test_a_script_that_redis_forgot_is_loaded_again(void **state) {
    (void)state;
    call("registry");
    run_until(&answers, 1);
    redisContext *other = redisConnectUnix(config.redis.socket);
    freeReplyObject(redisCommand(other, "SCRIPT FLUSH"));
    redisFree(other);
    call("registry");
    run_until(&answers, 2);
    assert_int_equal(losses, 0);
}

static void test_abandoned_batches_hear_so_once(void **state) {
    (void)state;
    call("registry");
    run_until(&answers, 1);
    call("registry");
    call("registry");
    store_abandon(store);
    assert_int_equal(abandoned, 2);
    call("registry");
    run_until(&answers, 2);
    assert_int_equal(abandoned, 2);
}

static void test_where_no_redis_is_that_is_told_once(void **state) {
    (void)state;
    const char *socket = config.redis.socket;
    config.redis.socket = "/nowhere/redis.sock";
    call("registry");
    run_until(&losses, 1);
    for (int i = 0; i < 6; i++) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(losses, 1);
    assert_int_equal(last_trouble, REDIS_ERROR_UNREACHABLE);
    config.redis.socket = socket;
    run_until(&answers, 1);
}

static void test_a_refused_login_is_told_as_such(void **state) {
    (void)state;
    redisContext *other = redisConnectUnix(config.redis.socket);
    freeReplyObject(redisCommand(other, "CONFIG SET requirepass sesame"));
    run_until(&losses, 1);
    assert_int_equal(last_trouble, REDIS_ERROR_LOGIN);
    config.redis.password = "sesame";
    call("registry");
    run_until(&answers, 1);
    config.redis.password = NULL;
    freeReplyObject(redisCommand(other, "CONFIG SET requirepass %s", ""));
    redisFree(other);
}

static void test_a_database_that_is_not_there_is_told_as_a_refused_login(void **state) {
    (void)state;
    config.redis.db = 99;
    run_until(&losses, 1);
    assert_int_equal(last_trouble, REDIS_ERROR_LOGIN);
    config.redis.db = 0;
    call("registry");
    run_until(&answers, 1);
}

static void assert_told(const char *why, RedisErrorKind kind, const char *wanted) {
    char text[REDIS_ERROR_TEXT];
    const RedisError *trouble = redis_error_of(why);
    assert_int_equal(trouble->kind, kind);
    redis_error_text(trouble, why, &config.redis, "weir", text);
    assert_string_equal(text, wanted);
}

static void test_what_redis_says_at_the_door_is_told_with_what_to_do(void **state) {
    (void)state;
    assert_told(
        "DENIED Redis is running in protected mode because protected mode is enabled and no "
        "password is set for the default user. In this mode connections are only accepted "
        "from the loopback interface. If you want to connect from external computers to "
        "Redis you may adopt one of the following solutions: 1) Just disable protected ...",
        REDIS_ERROR_LOGIN,
        "DENIED Redis is running in protected mode because protected mode is enabled and no "
        "password is set for the default user; set one (requirepass), and give it to "
        "--redis");
    assert_told("ERR DB index is out of range", REDIS_ERROR_LOGIN,
                "ERR DB index is out of range; give --redis a database that it has");
    assert_told("ERR max number of clients reached", REDIS_ERROR_BACKPRESSURE,
                "ERR max number of clients reached; raise its maxclients");
}

// ---- listening ----------------------------------------------------------------------------------

static char heard[256];
static int messages;

static void on_message(void *owner, const char *channel, const char *text) {
    (void)owner;
    snprintf(heard, sizeof heard, "%s %s", channel, text);
    messages++;
}

static void test_a_listener_hears_its_channels_also_after_a_cut(void **state) {
    (void)state;
    const char *channels[] = {"wake:1", "due"};
    StoreEvents events = {.on_connected = on_connected, .on_message = on_message};
    Store *listener = store_subscribe(&loop, &config, events, channels, 2);
    redisContext *other = redisConnectUnix(config.redis.socket);
    run_until(&connections, 2); // the store's and the listener's
    freeReplyObject(redisCommand(other, "PUBLISH unit:{0}:due 17"));
    run_until(&messages, 1);
    assert_string_equal(heard, "due 17");
    freeReplyObject(redisCommand(other, "CLIENT KILL TYPE pubsub"));
    run_until(&connections, 3);
    freeReplyObject(redisCommand(other, "PUBLISH unit:{0}:wake:1 2"));
    run_until(&messages, 2);
    assert_string_equal(heard, "wake:1 2");
    redisFree(other);
    store_close(listener);
}

// ---- a replica ----------------------------------------------------------------------------------

static redisContext *open_command(const RedisAddress *address) {
    redisContext *redis = redisConnectUnix(address->socket);
    assert_int_equal(redis->err, 0);
    return redis;
}

// Redis finds a port that is free.
static int open_port(redisContext *redis) {
    for (int port = 20000 + getpid() % 10000;; port++) {
        redisReply *reply = redisCommand(redis, "CONFIG SET port %d", port);
        bool open = reply->type != REDIS_REPLY_ERROR;
        freeReplyObject(reply);
        if (open) return port;
    }
}

static void replicate(redisContext *redis, const char *host, const char *port) {
    freeReplyObject(redisCommand(redis, "CONFIG SET repl-diskless-sync-delay 0"));
    freeReplyObject(redisCommand(redis, "REPLICAOF %s %s", host, port));
}

static void call_a_change(void) {
    Batch *batch = store_batch(store);
    batch_group(batch, "cancel", 1, NULL, NULL);
    batch_text(batch, "nothing");
    store_call(store, batch, 0, on_answered, NULL);
}

static void test_a_batch_waits_until_a_replica_has_it(void **state) {
    (void)state;
    PrivateRedis *other;
    RedisAddress address = {0};
    char fault[PRIVATE_REDIS_FAULT_SIZE], port[16];
    assert_int_equal(private_redis_start(&other, NULL, "none", &address, fault), 0);
    redisContext *primary = open_command(&config.redis), *replica = open_command(&address);
    freeReplyObject(redisCommand(primary, "CONFIG SET repl-diskless-sync-delay 0"));
    snprintf(port, sizeof port, "%d", open_port(primary));

    store_wait_for_replica(store);
    for (int i = 0; i < 3; i++) call_a_change();
    run_until(&losses, 1);
    assert_int_equal(last_trouble, REDIS_ERROR_BACKPRESSURE);
    assert_int_equal(answers, 0);
    store_abandon(store);
    assert_int_equal(abandoned, 3);

    for (int i = 0; i < 3; i++) call_a_change();
    replicate(replica, "127.0.0.1", port);
    run_until(&answers, 3);
    store_failpoint = cut_once; // the answers that are held are given up, and the calls sent again
    wanted_moment = "reply";
    for (int i = 0; i < 100; i++) call_a_change();
    run_until(&answers, 103);
    assert_null(wanted_moment);

    replicate(replica, "NO", "ONE");
    freeReplyObject(redisCommand(primary, "CONFIG SET port 0"));
    redisFree(primary);
    redisFree(replica);
    private_redis_stop(other);
    address_free(&address);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)
    const struct CMUnitTest tests[] = {
        TEST(test_a_batch_is_answered),
        TEST(test_a_verb_that_raises_is_an_error_of_its_group),
        TEST(test_many_batches_are_answered_in_order),
        TEST(test_a_cut_connection_loses_no_batch_and_answers_none_twice),
        TEST(test_a_script_that_redis_forgot_is_loaded_again),
        TEST(test_abandoned_batches_hear_so_once),
        TEST(test_where_no_redis_is_that_is_told_once),
        TEST(test_a_refused_login_is_told_as_such),
        TEST(test_a_database_that_is_not_there_is_told_as_a_refused_login),
        TEST(test_what_redis_says_at_the_door_is_told_with_what_to_do),
        TEST(test_a_listener_hears_its_channels_also_after_a_cut),
        TEST(test_a_batch_waits_until_a_replica_has_it),
    };
    return cmocka_run_group_tests_name("store", tests, start_redis, stop_redis);
}

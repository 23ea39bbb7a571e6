// A connection of hiredis on a loop: replies, a refused connection, and an end within a reply.
#include "redis/adapter.h"

#include "serve/private_redis.h"
#include "unit.h"

#include <fcntl.h>

static PrivateRedis *server;
static RedisAddress address;
static uv_loop_t loop;
static int replies, faults;

static int start_redis(void **state) {
    (void)state;
    char fault[PRIVATE_REDIS_FAULT_SIZE];
    return private_redis_start(&server, NULL, "everysec", &address, fault);
}

static int stop_redis(void **state) {
    (void)state;
    private_redis_stop(server);
    return 0;
}

static int open_loop(void **state) {
    (void)state;
    replies = faults = 0;
    return uv_loop_init(&loop);
}

static int close_loop(void **state) {
    (void)state;
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static redisAsyncContext *connect_to(const char *path) {
    redisAsyncContext *connection = redisAsyncConnectUnix(path);
    assert_int_equal(adapter_attach(&loop, connection), 0);
    return connection;
}

static void on_connected(const redisAsyncContext *connection, int status) {
    (void)connection;
    if (status != REDIS_OK) faults++;
}

static void on_replied(redisAsyncContext *connection, void *reply, void *about) {
    if (!reply) return;
    replies++;
    if (about) redisAsyncFree(connection);
}

static void test_replies_come_and_the_socket_is_not_inherited(void **state) {
    (void)state;
    redisAsyncContext *connection = connect_to(address.socket);
    assert_true(fcntl(connection->c.fd, F_GETFD) & FD_CLOEXEC);
    redisAsyncSetConnectCallback(connection, on_connected);
    redisAsyncCommand(connection, on_replied, NULL, "PING");
    adapter_arm(connection);
    while (replies < 1) uv_run(&loop, UV_RUN_ONCE);
    redisAsyncCommand(connection, on_replied, NULL, "PING");
    adapter_flush(connection);
    while (replies < 2) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(faults, 0);
    redisAsyncFree(connection);
}

static void test_a_connection_may_end_within_a_reply(void **state) {
    (void)state;
    redisAsyncContext *connection = connect_to(address.socket);
    redisAsyncCommand(connection, on_replied, &replies, "PING");
    redisAsyncCommand(connection, on_replied, &replies, "PING");
    adapter_arm(connection);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(replies, 1);
}

static void test_a_refused_connection_is_noticed(void **state) {
    (void)state;
    redisAsyncContext *connection = redisAsyncConnect("127.0.0.1", 1); // nothing listens there
    assert_int_equal(adapter_attach(&loop, connection), 0);
    redisAsyncSetConnectCallback(connection, on_connected);
    adapter_arm(connection);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(faults, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)
    const struct CMUnitTest tests[] = {
        TEST(test_replies_come_and_the_socket_is_not_inherited),
        TEST(test_a_connection_may_end_within_a_reply),
        TEST(test_a_refused_connection_is_noticed),
    };
    return cmocka_run_group_tests_name("adapter", tests, start_redis, stop_redis);
}

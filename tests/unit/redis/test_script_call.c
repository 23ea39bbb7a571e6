// A call is one RESP command: a header in front of the groups, which can be written again.
#include "redis/script_call.h"

#include "redis/greeting.h"
#include "redis/keyspace.h"
#include "unit.h"

static const char *const queues[] = {"default", "mail"};
static const Config config = {.prefix = "unit",
                              .queues = {.items = (const char **)queues, .count = 2}};
static ScriptCall call;

static int open_call(void **state) {
    (void)state;
    script_call_open(&call, &config);
    return 0;
}

static int close_call(void **state) {
    (void)state;
    script_call_close(&call);
    return 0;
}

static void load_as(const char *sha) {
    Reply *reply = unit_reply(sha);
    script_call_loaded(&call, reply);
    freeReplyObject(reply);
}

static void expect_call(Batch *batch, const char *worker, int64_t capacity, const char *expected) {
    size_t size;
    const char *command = script_call_write(&call, batch, worker, capacity, &size);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(command, expected, size);
}

static void test_a_worker_names_itself_and_its_queues(void **state) {
    (void)state;
    load_as("abc");
    Batch *batch = script_call_batch(&call);
    batch_group(batch, "due", 0, NULL, NULL);
    for (int times = 0; times < 2; times++)
        expect_call(batch, "7.1", 50,
                    "*12\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n2\r\n$9\r\nunit:{0}:\r\n"
                    "$13\r\nunit:{0}:none\r\n"
                    "$3\r\n7.1\r\n$2\r\n50\r\n$1\r\n2\r\n$7\r\ndefault\r\n$4\r\nmail\r\n"
                    "$3\r\ndue\r\n$1\r\n0\r\n");
    batch_free(batch);
}

static void test_a_client_serves_no_queue(void **state) {
    (void)state;
    load_as("abc");
    Batch *batch = script_call_batch(&call);
    batch_group(batch, "due", 0, NULL, NULL);
    expect_call(batch, "", 0,
                "*10\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n2\r\n$9\r\nunit:{0}:\r\n"
                "$13\r\nunit:{0}:none\r\n"
                "$0\r\n\r\n$1\r\n0\r\n$1\r\n0\r\n$3\r\ndue\r\n$1\r\n0\r\n");
    batch_free(batch);
}

static void test_a_forgotten_script_is_loaded_again(void **state) {
    (void)state;
    redisReply missing = {
        .type = REDIS_REPLY_ERROR, .str = "NOSCRIPT No matching script.", .len = 28};
    redisReply busy = {.type = REDIS_REPLY_ERROR, .str = "BUSY Redis is busy", .len = 18};
    load_as("abc");
    assert_false(script_call_forgotten(&call, &busy));
    assert_string_equal(call.sha, "abc");
    assert_true(script_call_forgotten(&call, &missing));
    assert_string_equal(call.sha, "");
}

static void test_names_lose_the_prefix_that_they_got(void **state) {
    (void)state;
    char *key = keyspace_join("unit", "wake:7");
    assert_string_equal(key, "unit:{0}:wake:7");
    assert_string_equal(keyspace_name("unit", key), "wake:7");
    assert_string_equal(keyspace_name("uni", key), "");
    assert_string_equal(keyspace_name("unit", "unit"), "");
    free(key);
}

static void test_a_connection_logs_in_as_its_address_asks(void **state) {
    (void)state;
    GreetingCommand login[GREETING_LOGIN];
    assert_int_equal(greeting_log_in(&(RedisAddress){.host = "x"}, login), 0);
    assert_int_equal(greeting_log_in(&(RedisAddress){.password = "p", .db = 3}, login), 2);
    assert_int_equal(login[0].count, 2);
    assert_string_equal(login[0].words[1], "p");
    assert_string_equal(login[1].words[0], "SELECT");
    assert_string_equal(login[1].words[1], "3");
    assert_int_equal(greeting_log_in(&(RedisAddress){.user = "u", .password = "p"}, login), 1);
    assert_int_equal(login[0].count, 3);
    assert_string_equal(login[0].words[1], "u");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_call, close_call)
    const struct CMUnitTest tests[] = {
        TEST(test_a_worker_names_itself_and_its_queues),
        TEST(test_a_client_serves_no_queue),
        TEST(test_a_forgotten_script_is_loaded_again),
        TEST(test_names_lose_the_prefix_that_they_got),
        TEST(test_a_connection_logs_in_as_its_address_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

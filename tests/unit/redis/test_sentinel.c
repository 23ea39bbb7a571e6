// The question to a Sentinel, and the meaning of its answer.
#include "redis/sentinel.h"

#include "unit.h"

static HostPort sentinels[] = {{"s1", 26379}, {"s2", 7001}};
static RedisAddress address = {.primary = "main", .sentinels = sentinels, .sentinel_count = 2};
static char host[SENTINEL_HOST_SIZE], why[SENTINEL_WHY_SIZE];
static int port;

static const RedisError *read_answer(int index, const Reply *reply, const char *fault) {
    return sentinel_read(&address, index, reply, fault, host, &port, why);
}

static void test_a_question_logs_in_first_where_that_is_needed(void **state) {
    (void)state;
    GreetingCommand commands[2];
    assert_int_equal(sentinel_question(&address, commands), 1);
    assert_string_equal(commands[0].words[0], "SENTINEL");
    assert_string_equal(commands[0].words[2], "main");
    RedisAddress login = address;
    login.user = "of-redis";
    login.password = "of-redis";
    login.sentinel_user = "u";
    login.sentinel_password = "p";
    assert_int_equal(sentinel_question(&login, commands), 2);
    assert_string_equal(commands[0].words[1], "u");
    assert_string_equal(commands[0].words[2], "p");
}

static void test_an_answer_names_the_primary(void **state) {
    (void)state;
    Reply *reply = unit_reply("(127.0.0.1 6380)");
    assert_null(read_answer(0, reply, ""));
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 6380);
    freeReplyObject(reply);
}

static void test_each_error_names_the_sentinel(void **state) {
    (void)state;
    redisReply none = {.type = REDIS_REPLY_NIL};
    redisReply login = {
        .type = REDIS_REPLY_ERROR, .str = "NOAUTH Authentication required.", .len = 31};
    redisReply other = {.type = REDIS_REPLY_ERROR, .str = "ERR unknown command", .len = 19};
    assert_ptr_equal(read_answer(0, &none, ""), redis_error_no_such_primary);
    assert_string_equal(why, "the Sentinel at s1:26379 knows no primary named \"main\"");
    assert_ptr_equal(read_answer(1, &login, ""), redis_error_sentinel_login);
    assert_string_equal(why, "the Sentinel at s2:7001 refuses: NOAUTH Authentication required.");
    assert_ptr_equal(read_answer(1, &other, ""), redis_error_no_sentinel);
    assert_string_equal(why, "the Sentinel at s2:7001 does not answer: ERR unknown command");
    assert_ptr_equal(read_answer(1, NULL, "Connection refused"), redis_error_no_sentinel);
    assert_string_equal(why, "the Sentinel at s2:7001 does not answer: Connection refused");
}

static void test_the_error_that_tells_more_is_kept(void **state) {
    (void)state;
    const RedisError *away = redis_error_no_sentinel, *name = redis_error_no_such_primary;
    assert_ptr_equal(sentinel_worse(NULL, away), away);
    assert_ptr_equal(sentinel_worse(away, name), name);
    assert_ptr_equal(sentinel_worse(name, away), name);
}

static void test_only_a_primary_has_the_role(void **state) {
    (void)state;
    Reply *primary = unit_reply("(master 17 ())"), *replica = unit_reply("(slave h 1 sync 0)");
    assert_true(sentinel_is_primary(primary));
    assert_false(sentinel_is_primary(replica));
    assert_false(sentinel_is_primary(NULL));
    freeReplyObject(primary);
    freeReplyObject(replica);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_logs_in_first_where_that_is_needed),
        cmocka_unit_test(test_an_answer_names_the_primary),
        cmocka_unit_test(test_each_error_names_the_sentinel),
        cmocka_unit_test(test_the_error_that_tells_more_is_kept),
        cmocka_unit_test(test_only_a_primary_has_the_role),
    };
    return cmocka_run_group_tests_name("sentinel", tests, NULL, NULL);
}

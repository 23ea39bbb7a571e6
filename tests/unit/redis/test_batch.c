// A batch sends RESP to Redis, byte for byte, and each group gets its reply exactly once.
#include "redis/batch.h"

#include "unit.h"

static int heard;
static const Reply *told;

static void on_replied(void *about, const Reply *reply) {
    heard += *(int *)about;
    told = reply;
}

static void test_arguments_are_resp(void **state) {
    (void)state;
    Batch *batch = batch_new(10);
    batch_group(batch, "turn", 4, NULL, NULL);
    batch_text(batch, "order-17");
    batch_bytes(batch, "a\0b", 3);
    batch_integer(batch, -42);
    batch_text(batch, "");
    const char expected[] =
        "$4\r\nturn\r\n$1\r\n4\r\n$8\r\norder-17\r\n$3\r\na\0b\r\n$3\r\n-42\r\n$0\r\n\r\n";
    assert_int_equal(batch_weight(batch), sizeof expected - 1);
    assert_memory_equal(batch->bytes + 10, expected, sizeof expected - 1);
    assert_int_equal(batch->arguments, 6);
    batch_free(batch);
}

static void test_integers_of_every_length(void **state) {
    (void)state;
    const int64_t integers[] = {0, 9, 10, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        char text[INTEGER_TEXT + 1], expected[INTEGER_TEXT + 1];
        text[integer_write(text, integers[i])] = '\0';
        snprintf(expected, sizeof expected, "%lld", (long long)integers[i]);
        assert_string_equal(text, expected);
    }
}

static void test_grows_beyond_its_first_size(void **state) {
    (void)state;
    Batch *batch = batch_new(0);
    static char payload[100000];
    for (int i = 0; i < 200; i++) {
        batch_group(batch, "x", 1, NULL, NULL);
        batch_bytes(batch, payload, i % 10 ? 5 : sizeof payload);
    }
    assert_int_equal(batch->group_count, 200);
    assert_true(batch_weight(batch) > 20 * sizeof payload);
    batch_free(batch);
}

static void test_each_group_hears_its_reply(void **state) {
    (void)state;
    int one = 1, ten = 10;
    Batch *batch = batch_new(0);
    batch_group(batch, "a", 0, on_replied, &one);
    batch_group(batch, "b", 0, NULL, NULL);
    batch_group(batch, "c", 0, on_replied, &ten);
    Reply *replies = unit_reply("(x y z)");
    heard = 0;
    batch_settle(batch, replies);
    assert_int_equal(heard, 11);
    assert_string_equal(told->str, "z");
    batch_settle(batch, NULL);
    assert_null(told);
    freeReplyObject(replies);
    batch_free(batch);
}

static void test_the_last_group_can_go_alone(void **state) {
    (void)state;
    int one = 1;
    Batch *batch = batch_new(7);
    batch_group(batch, "small", 1, NULL, NULL);
    batch_text(batch, "1");
    batch_group(batch, "large", 2, on_replied, &one);
    batch_text(batch, "2");
    batch_text(batch, "3");
    Batch *alone = batch_split(batch);
    assert_string_equal(unit_groups(batch), "small 1 1");
    assert_int_equal(batch->arguments, 3);
    assert_string_equal(unit_groups(alone), "large 2 2 3");
    assert_int_equal(alone->arguments, 4);
    heard = 0;
    batch_settle(batch, NULL);
    assert_int_equal(heard, 0);
    batch_settle(alone, NULL);
    assert_int_equal(heard, 1);
    batch_free(batch);
    batch_free(alone);
}

static void test_an_abandoned_batch_answers_without_replies(void **state) {
    (void)state;
    int one = 1, ten = 10;
    heard = 0;
    told = (const Reply *)state; // not NULL
    Batch *batch = batch_new(0);
    batch_group(batch, "a", 0, on_replied, &one);
    batch_group(batch, "b", 0, on_replied, &ten);
    batch_abandon(batch);
    assert_int_equal(heard, 11);
    assert_null(told);
    batch_abandon(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_are_resp),
        cmocka_unit_test(test_integers_of_every_length),
        cmocka_unit_test(test_grows_beyond_its_first_size),
        cmocka_unit_test(test_each_group_hears_its_reply),
        cmocka_unit_test(test_the_last_group_can_go_alone),
        cmocka_unit_test(test_an_abandoned_batch_answers_without_replies),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}

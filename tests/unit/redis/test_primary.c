// Where no Sentinel answers: the followers are told once, and doubts ask again. The story
// tests/e2e/sentinel_spec.lua has real Sentinels.
#include "redis/primary.h"

#include "unit.h"

// Nothing listens on port 1.
static HostPort sentinels[] = {{"127.0.0.1", 1}, {"127.0.0.1", 1}};
static RedisAddress address = {.url = "redis+sentinel://x/main",
                               .primary = "main",
                               .sentinels = sentinels,
                               .sentinel_count = 2};
static uv_loop_t loop;
static uv_async_t changed;
static int changes;
static Primary *primary;

static void on_changed(uv_async_t *async) {
    (void)async;
    changes++;
}

static int open_primary(void **state) {
    (void)state;
    changes = 0;
    uv_loop_init(&loop);
    uv_async_init(&loop, &changed, on_changed);
    primary = primary_open(&loop, &address);
    primary_follow(primary, &changed);
    return 0;
}

static int close_primary(void **state) {
    (void)state;
    primary_unfollow(primary, &changed);
    uv_close((uv_handle_t *)&changed, NULL);
    primary_stop(primary);
    primary_close(primary);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void test_before_an_answer_there_is_none(void **state) {
    (void)state;
    PrimaryPlace place;
    primary_look(primary, &place);
    assert_int_equal(place.version, 0);
}

static void test_that_none_answers_is_told_once(void **state) {
    (void)state;
    PrimaryPlace place;
    while (!changes) uv_run(&loop, UV_RUN_ONCE);
    primary_look(primary, &place);
    assert_int_equal(place.version, 1);
    assert_ptr_equal(place.error, redis_error_no_sentinel);
    assert_string_equal(place.why,
                        "the Sentinel at 127.0.0.1:1 does not answer: Connection refused");
    uint64_t until = uv_now(&loop) + 300;
    while (uv_now(&loop) < until) {
        primary_doubt(primary, place.version);
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(changes, 1);
}

static void test_who_follows_no_more_is_not_told(void **state) {
    (void)state;
    PrimaryPlace place = {0};
    primary_unfollow(primary, &changed);
    for (; !place.version; primary_look(primary, &place)) uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(changes, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_primary, close_primary)
    const struct CMUnitTest tests[] = {
        TEST(test_before_an_answer_there_is_none),
        TEST(test_that_none_answers_is_told_once),
        TEST(test_who_follows_no_more_is_not_told),
    };
    return cmocka_run_group_tests_name("primary", tests, NULL, NULL);
}

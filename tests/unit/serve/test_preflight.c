// Preflight: without a Redis it says why it found nothing, and it asks for none where no file
// changed.
#include "serve/preflight.c" // the functions are its own

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static Source source(const char *path, const char *text) {
    return (Source){(char *)path, (char *)text, strlen(text)};
}

static bool never(void *owner) {
    (void)owner;
    return false;
}

static Preflight found_on(const char *was, const char *is) {
    Source before = source("a.lua", was), now = source("a.lua", is);
    Bundle old = {.sources = &before, .count = 1}, new = {.sources = &now, .count = 1};
    Config config = {
        .prefix = "weir", .memory_bytes = 1 << 24, .cpu_ms = 1000, .redis_found = true};
    assert_int_equal(address_parse(&config.redis, "unix:///nowhere/redis.sock"), 0);
    Preflight found;
    preflight_run(&found, &config, "1b7e", &old, &new, never, NULL);
    address_free(&config.redis);
    return found;
}

static void needs_no_redis_where_nothing_changed(void **state) {
    (void)state;
    Preflight found = found_on("return 1", "return 1");
    assert_null(found.fault);
    assert_null(found.text);
    preflight_free(&found);
}

static void says_why_it_found_nothing(void **state) {
    (void)state;
    Preflight found = found_on("return 1", "return 2");
    assert_non_null(strstr(found.fault, "Redis at unix:///nowhere/redis.sock cannot be reached"));
    assert_null(found.text);
    assert_null(found.first);
    preflight_free(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_no_redis_where_nothing_changed),
        cmocka_unit_test(says_why_it_found_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Which Redis is refused for its settings, and what of it is not held against it.
#include "redis/redis_facts.h"

#include "unit.h"

#include <hiredis/hiredis.h>

static char why[UNSAFE_SIZE];

static RedisFacts facts_of(const char *info, const char *appendfsync) {
    RedisFacts facts = {0};
    char text[512], name[] = "appendfsync", value[32];
    snprintf(text, sizeof text, "%s", info);
    snprintf(value, sizeof value, "%s", appendfsync ? appendfsync : "");
    redisReply reply = {.type = REDIS_REPLY_STRING, .str = text, .len = strlen(text)};
    redisReply key = {.type = REDIS_REPLY_STRING, .str = name, .len = strlen(name)};
    redisReply setting = {.type = REDIS_REPLY_STRING, .str = value, .len = strlen(value)};
    redisReply *elements[] = {&key, &setting};
    redisReply settings = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements};
    redis_facts_read_info(&facts, &reply);
    if (appendfsync) redis_facts_read_settings(&facts, &settings);
    return facts;
}

static void expect(RedisSafety safety, const char *info, const char *appendfsync,
                   const char *durability, const char *text) {
    RedisFacts facts = facts_of(info, appendfsync);
    assert_int_equal(redis_facts_judge(&facts, durability, why), safety);
    assert_non_null(strstr(why, text));
}

#define KEPT                                                                                       \
    "redis_version:7.0.15\r\nrun_id:abc\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n"

static void test_info_is_read(void **state) {
    (void)state;
    RedisFacts facts = facts_of("# Server\r\nredis_version:8.0.1\r\nrun_id:abc\r\n\r\n"
                                "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n",
                                "always");
    assert_string_equal(facts.version, "8.0.1");
    assert_string_equal(facts.run_id, "abc");
    assert_string_equal(facts.role, "master");
    assert_string_equal(facts.replicas, "2");
    assert_string_equal(facts.appendfsync, "always");
    assert_string_equal(facts.aof_enabled, "");
}

static void test_an_error_tells_nothing(void **state) {
    (void)state;
    RedisFacts facts = {0};
    char text[] = "NOPERM run_id:abc";
    redisReply error = {.type = REDIS_REPLY_ERROR, .str = text, .len = strlen(text)};
    redis_facts_read_info(&facts, &error);
    redis_facts_read_settings(&facts, &error);
    assert_string_equal(facts.run_id, "");
    assert_int_equal(redis_facts_judge(&facts, "always", why), REDIS_HIDES_SETTINGS);
    assert_non_null(strstr(why, "INFO"));
}

static void test_the_file_must_be_as_strong_as_asked(void **state) {
    (void)state;
    expect(REDIS_SAFE, KEPT, "everysec", "everysec", "");
    expect(REDIS_SAFE, KEPT, "always", "everysec", "");
    expect(REDIS_SAFE, KEPT, "always", "always", "");
    expect(REDIS_UNSAFE, KEPT, "everysec", "always", "CONFIG SET appendfsync always");
    expect(REDIS_UNSAFE, KEPT, "no", "everysec", "CONFIG SET appendfsync everysec");
    expect(REDIS_UNSAFE, KEPT, "no", "replicated", "CONFIG SET appendfsync everysec");
    expect(REDIS_SAFE, KEPT, "no", "none", "");
    expect(REDIS_UNSAFE, "redis_version:7.0\r\naof_enabled:0\r\n", "always", "everysec",
           "CONFIG SET appendonly yes");
    expect(REDIS_SAFE, "redis_version:7.0\r\naof_enabled:0\r\n", "always", "none", "");
    expect(REDIS_HIDES_SETTINGS, KEPT, NULL, "always", "CONFIG GET");
}

static void test_a_policy_that_takes_keys_without_a_ttl_is_refused(void **state) {
    (void)state;
    const char *const policies[] = {"allkeys-lru", "allkeys-lfu", "allkeys-random"};
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        char info[128];
        snprintf(info, sizeof info, "aof_enabled:1\r\nmaxmemory_policy:%s\r\n", policies[i]);
        expect(REDIS_UNSAFE, info, "everysec", "none", "CONFIG SET maxmemory-policy noeviction");
    }
    expect(REDIS_SAFE, "aof_enabled:1\r\nmaxmemory_policy:volatile-lru\r\n", "everysec", "everysec",
           "");
}

static void test_an_engine_that_is_not_atomic_is_refused(void **state) {
    (void)state;
    expect(REDIS_UNSAFE, "redis_version:7.4.0\r\ndragonfly_version:df-v1.30.0\r\n", NULL, "none",
           "Dragonfly");
    expect(REDIS_UNSAFE, "redis_version:7.4.3\r\ngarnet_version:1.0.2\r\n", NULL, "none", "Garnet");
    expect(REDIS_UNSAFE, "redis_version:6.3.4\r\n", NULL, "none", "6.3.4");
    expect(REDIS_SAFE, "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n",
           NULL, "none", "");
}

static void test_a_replica_that_is_missing_may_come(void **state) {
    (void)state;
    expect(REDIS_WITHOUT_REPLICA, KEPT "connected_slaves:0\r\n", "everysec", "replicated",
           "no replica is connected");
    expect(REDIS_SAFE, KEPT "connected_slaves:1\r\n", "everysec", "replicated", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info_is_read),
        cmocka_unit_test(test_an_error_tells_nothing),
        cmocka_unit_test(test_the_file_must_be_as_strong_as_asked),
        cmocka_unit_test(test_a_policy_that_takes_keys_without_a_ttl_is_refused),
        cmocka_unit_test(test_an_engine_that_is_not_atomic_is_refused),
        cmocka_unit_test(test_a_replica_that_is_missing_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

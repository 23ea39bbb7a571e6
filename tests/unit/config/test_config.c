// The settings of hosts, the Redis of a command, and passwords. spec/cli/command_line_spec.lua has
// the flags and the errors.
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>

static Config config;
static char fault[CONFIG_FAULT_SIZE];

static void forget(void) {
    if (config.lua) lua_close(config.lua);
    address_free(&config.redis);
    config = (Config){0};
}

enum { WORDS = 64 };
static char *argv[WORDS];

// Loads the words of a line.
static int load(const char *line) {
    static char text[1024];
    int argc = 1;
    forget();
    argv[0] = (char *)"weir";
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    argv[argc] = NULL;
    fault[0] = '\0';
    return config_load(&config, argc, argv, fault);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

// Each test in an empty folder and without variables: none above it has a .weir.
static int enter_folder(void **state) {
    (void)state;
    static char folder[64];
    strcpy(folder, "/tmp/weir-unit-XXXXXX");
    unsetenv("WEIR_REDIS");
    unsetenv("WEIR_WORKERS");
    unsetenv("WEIR_DRAIN");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state) {
    (void)state;
    forget();
    char folder[256];
    remove("config.lua");
    remove(".weir/url");
    rmdir(".weir");
    return getcwd(folder, sizeof folder) && chdir("/") == 0 ? rmdir(folder) : -1;
}

static void test_defaults(void **state) {
    (void)state;
    assert_int_equal(load("serve"), STATUS_DONE);
    assert_int_equal(config.command, COMMAND_SERVE);
    assert_string_equal(config.prefix, "weir");
    assert_string_equal(config.redis.url, "redis://127.0.0.1:6379/0");
    assert_false(config.redis_found);
    assert_int_equal(config.folders.count, 1);
    assert_string_equal(config.folders.items[0], "workflows");
    assert_string_equal(config.queues.items[0], "*");
    assert_int_equal(config.drain_ms, 30000);
    assert_int_equal(config.payload_bytes, 16 << 20);
    assert_int_equal(config.poll_ms, 0);
    assert_true(config.workers >= 1);
    assert_non_null(strchr(config.node, '-'));
    assert_null(config.wanted);
}

static void test_the_settings_of_a_host(void **state) {
    (void)state;
    assert_int_equal(
        load("serve a b --node n --workers 2 --concurrency 3 --warm 4 --warm-memory 5K --queues "
             "q,r --drain 6s --poll 7s --lua-path p --lua-cpath c --max-payload 8 --max-memory 9 "
             "--max-cpu 10ms --max-stuck 11ms --max-depth 12 --max-crashes 13 --log json "
             "--log-level warn --prefix x"),
        STATUS_DONE);
    const int64_t expected[] = {2, 3, 4, 5 << 10, 6000, 7000, 8, 9, 10, 11, 12, 13};
    const int64_t found[] = {config.workers,       config.concurrency,  config.warm,
                             config.warm_bytes,    config.drain_ms,     config.poll_ms,
                             config.payload_bytes, config.memory_bytes, config.cpu_ms,
                             config.stuck_ms,      config.depth,        config.crashes};
    assert_memory_equal(found, expected, sizeof expected);
    assert_int_equal(config.folders.count, 2);
    assert_string_equal(config.folders.items[1], "b");
    assert_int_equal(config.queues.count, 2);
    assert_string_equal(config.queues.items[1], "r");
    assert_string_equal(config.node, "n");
    assert_string_equal(config.lua_path, "p");
    assert_string_equal(config.lua_cpath, "c");
    assert_string_equal(config.log, "json");
    assert_string_equal(config.log_level, "warn");
    assert_string_equal(config.prefix, "x");
}

static void test_a_host_with_a_redis_of_its_own(void **state) {
    (void)state;
    assert_int_equal(load("run pay --durability none"), STATUS_DONE);
    assert_int_equal(config.command, COMMAND_RUN);
    assert_string_equal(config.wanted, "pay");
    assert_string_equal(config.node, "run");
    assert_string_equal(config.durability, "none");
    assert_int_equal(load("dev"), STATUS_DONE);
    assert_string_equal(config.node, "dev");
    assert_string_equal(config.durability, "everysec");
}

static void test_options_for_lua(void **state) {
    (void)state;
    assert_int_equal(load("start hello --tag a=1 --delay 2s --wait --redis redis://:pw@h"),
                     STATUS_DONE);
    assert_int_equal(config.command, COMMAND_CLIENT);
    assert_string_equal(config.name, "start");
    lua_State *L = luaL_newstate();
    config_push(L, &config);
    lua_rawgeti(L, 1, 1);
    lua_getfield(L, 1, "tag");
    lua_rawgeti(L, -1, 1);
    lua_getfield(L, 1, "delay_ms");
    lua_getfield(L, 1, "wait");
    lua_getfield(L, 1, "redis");
    lua_getfield(L, 1, "priority");
    assert_string_equal(lua_tostring(L, 2), "hello");
    assert_string_equal(lua_tostring(L, 4), "a=1");
    assert_int_equal(lua_tointeger(L, 5), 2000);
    assert_true(lua_toboolean(L, 6));
    assert_string_equal(lua_tostring(L, 7), "redis://h:6379/0");
    assert_true(lua_isnil(L, 8));
    lua_close(L);
}

static void test_errors(void **state) {
    (void)state;
    assert_int_equal(load("sevre"), EX_USAGE);
    assert_string_equal(fault, "there is no command sevre, did you mean serve?; see weir help");
    assert_int_equal(load("stats --prefix"), EX_USAGE);
    assert_string_equal(fault, "--prefix needs a value: NAME");
    assert_int_equal(load("start w redis://me:secret@a"), EX_USAGE);
    assert_null(strstr(fault, "secret"));
}

static void test_passwords_are_hidden_in_the_list_of_processes(void **state) {
    (void)state;
    assert_int_equal(load("stats --redis redis://me:secret@a --prefix p"), STATUS_DONE);
    assert_string_equal(config.redis.password, "secret");
    assert_null(strstr(argv[3], "secret"));
    assert_int_equal(load("stats --redis=redis://me:secret@a"), STATUS_DONE);
    assert_string_equal(config.redis.password, "secret");
    assert_null(strstr(argv[2], "secret"));
    assert_int_equal(load("stats --redis redis://me:secret@a:x"), EX_USAGE);
    assert_null(strstr(argv[3], "secret"));
}

static void write_password(const char *text, mode_t mode) {
    FILE *file = fopen("secret", "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod("secret", mode);
}

static void test_a_password_may_stand_in_a_file(void **state) {
    (void)state;
    const char *flag = "stats --redis redis://me@h --redis-password-file secret";
    write_password("sesame\n", 0640);
    assert_int_equal(load(flag), STATUS_DONE);
    assert_string_equal(config.redis.user, "me");
    assert_string_equal(config.redis.password, "sesame");
    assert_string_equal(config.redis.password_file, "secret");
    assert_null(config.warning);

    write_password("sesame", 0644);
    assert_int_equal(load(flag), STATUS_DONE);
    assert_string_equal(config.warning, "every user of this machine may read the password in "
                                        "secret; chmod o-r "
                                        "secret");

    write_password("two\nlines\n", 0600);
    assert_int_equal(load(flag), EX_CONFIG);
    assert_string_equal(fault, "--redis-password-file: secret must hold the "
                               "password and nothing else");
    remove("secret");
    assert_int_equal(load(flag), EX_CONFIG);
    assert_string_equal(fault, "--redis-password-file: cannot read secret: No "
                               "such file or directory");
    assert_int_equal(load("stats --redis redis://:a@h --redis-password-file f"), EX_CONFIG);
    assert_string_equal(fault, "both --redis and --redis-password-file have a password; keep one "
                               "of them");
    assert_int_equal(load("stats --redis redis://me@h"), EX_CONFIG);
    assert_non_null(strstr(fault, "a user without a password"));
    assert_int_equal(load("check --redis-password-file f"), STATUS_DONE); // it asks no Redis
}

static void test_redis_urls(void **state) {
    (void)state;
    assert_int_equal(load("stats --redis redis://ada:p%40ss@db.example:7000/3"), STATUS_DONE);
    assert_string_equal(config.redis.host, "db.example");
    assert_string_equal(config.redis.user, "ada");
    assert_string_equal(config.redis.password, "p@ss");
    assert_int_equal(config.redis.port, 7000);
    assert_int_equal(config.redis.db, 3);
    assert_string_equal(config.redis.url, "redis://db.example:7000/3");

    assert_int_equal(load("stats --redis redis://:secret@[::1]"), STATUS_DONE);
    assert_string_equal(config.redis.host, "::1");
    assert_null(config.redis.user);
    assert_string_equal(config.redis.password, "secret");

    assert_int_equal(load("stats --redis unix:///run/redis.sock"), STATUS_DONE);
    assert_string_equal(config.redis.socket, "/run/redis.sock");

    const char *wrong[] = {"redis://",         "redis://a:x",      "redis://a:99999", "redis://a/x",
                           "redis://u%zz:p@a", "redis://u%00:p@a", "http://a",        "unix://a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[128];
        snprintf(line, sizeof line, "stats --redis %s", wrong[i]);
        assert_int_equal(load(line), EX_USAGE);
    }
    assert_int_equal(load("stats --redis redis://me:secret@a:x"), EX_USAGE);
    assert_non_null(strstr(fault, "write redis://[user:password@]host:port/db or unix:///path"));
    assert_null(strstr(fault, "secret"));
}

static void test_a_dev_folder_above_names_the_redis(void **state) {
    (void)state;
    char folder[256];
    assert_int_equal(load("stats"), STATUS_DONE);
    assert_false(config.redis_found);
    assert_non_null(getcwd(folder, sizeof folder));
    assert_int_equal(system("mkdir -p .weir below/deeper"), 0);
    write_file(".weir/url", "unix:///somewhere/redis.sock\n");
    assert_int_equal(chdir("below/deeper"), 0);
    assert_int_equal(load("stats"), STATUS_DONE);
    assert_true(config.redis_found);
    assert_string_equal(config.redis.socket, "/somewhere/redis.sock");
    assert_int_equal(load("serve"), STATUS_DONE); // which takes a Redis that it is told of
    assert_string_equal(config.redis.url, "redis://127.0.0.1:6379/0");
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(rmdir("below/deeper") | rmdir("below"), 0);
}

// Another user may have put it into a folder above.
static void test_a_dev_folder_of_others_is_refused(void **state) {
    (void)state;
    assert_int_equal(mkdir(".weir", 0700) | chmod(".weir", 0722), 0);
    write_file(".weir/url", "unix:///somewhere/redis.sock\n");
    assert_int_equal(load("stats"), EX_CONFIG);
    assert_non_null(strstr(fault, "/.weir: look at what it holds, then chmod 700 it; name the "
                                  "Redis: --redis URL"));
    assert_int_equal(load("check"), STATUS_DONE);
    assert_int_equal(load("stats --redis redis://a"), STATUS_DONE);
    assert_int_equal(chmod(".weir", 0700), 0);
    assert_int_equal(load("stats"), STATUS_DONE);

    static const char *const urls[] = {"redis://somewhere", "unix:///dev/null", "unix:///tmp"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        write_file(".weir/url", urls[i]);
        assert_int_equal(load("start w"), EX_CONFIG);
        assert_non_null(strstr(fault, ".weir/url names no Redis that weir dev"));
    }
    assert_int_equal(remove(".weir/url") | symlink("/etc/hostname", ".weir/url"), 0);
    assert_int_equal(load("stats"), EX_CONFIG); // a link is not followed
}

static void test_urls_of_a_redis_under_sentinel(void **state) {
    (void)state;
    const RedisAddress *redis = &config.redis;
    assert_int_equal(load("serve --redis redis+sentinel://u:p%40ss@s1,s2:7001,[::1]:7002/my%2Fname"
                          "?db=3&sentinel_user=su&sentinel_password=s%26ret"),
                     STATUS_DONE);
    assert_string_equal(redis->url, "redis+sentinel://s1:26379,s2:7001,[::1]:7002/my%2Fname?db=3");
    assert_string_equal(redis->primary, "my/name");
    assert_string_equal(redis->user, "u");
    assert_string_equal(redis->password, "p@ss");
    assert_string_equal(redis->sentinel_user, "su");
    assert_string_equal(redis->sentinel_password, "s&ret");
    assert_int_equal(redis->sentinel_count, 3);
    assert_string_equal(redis->sentinels[2].host, "::1");
    assert_int_equal(redis->sentinels[2].port, 7002);
    assert_int_equal(redis->db, 3);
    assert_null(redis->host);
    assert_null(strstr(argv[3], "s%26ret"));
    assert_null(strstr(argv[3], "p%40ss"));
    assert_non_null(strstr(argv[3], "?db=3&sentinel_user=su&sentinel_password=*******"));

    assert_int_equal(load("list --redis redis+sentinel://s1/name"), STATUS_DONE);
    assert_string_equal(redis->url, "redis+sentinel://s1:26379/name");
    assert_int_equal(load("list --redis redis://h:7"), STATUS_DONE);
    assert_null(redis->primary);
    static const char *const bad[] = {"s1",     "s1/",           "s1,/name", "/name",  "s1/a/b",
                                      "s1:x/n", "s1,s2:70000/n", "s1/n%0g",  "s1/%zz", "[::1/name",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[128];
        snprintf(line, sizeof line, "list --redis redis+sentinel://%s", bad[i]);
        assert_int_equal(load(line), EX_USAGE);
        assert_non_null(strstr(fault, "write redis+sentinel://[user:password@]host:port,"));
    }
    static const char *const bad_options[] = {
        "?db=x", "?x=1", "?sentinel_password",
        "?sentinel_user=", "?sentinel_user=a&sentinel_user=b"};
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        char line[128];
        snprintf(line, sizeof line, "list --redis redis+sentinel://s/n%s", bad_options[i]);
        assert_int_equal(load(line), EX_USAGE);
    }
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_defaults),
        IN_A_FOLDER(test_the_settings_of_a_host),
        IN_A_FOLDER(test_a_host_with_a_redis_of_its_own),
        IN_A_FOLDER(test_options_for_lua),
        IN_A_FOLDER(test_errors),
        IN_A_FOLDER(test_passwords_are_hidden_in_the_list_of_processes),
        IN_A_FOLDER(test_a_password_may_stand_in_a_file),
        IN_A_FOLDER(test_redis_urls),
        IN_A_FOLDER(test_urls_of_a_redis_under_sentinel),
        IN_A_FOLDER(test_a_dev_folder_above_names_the_redis),
        IN_A_FOLDER(test_a_dev_folder_of_others_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

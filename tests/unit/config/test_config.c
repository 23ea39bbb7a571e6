// The settings that the command line, the variables and the config file come to, and the errors
// when these are wrong.
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

// A config lives as long as its process; here are many of them.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static Config config;
static char fault[CONFIG_FAULT_SIZE];

// Loads the words of a line; the texts have to outlive the config.
static int load(const char *line) {
    enum { WORDS = 32 };
    static char text[1024];
    char *argv[WORDS] = {"weir"};
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    fault[0] = '\0';
    return config_load(&config, argc, argv, fault);
}

static void refuses(const char *line, int status, const char *said) {
    assert_int_equal(load(line), status);
    assert_string_equal(fault, said);
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
    assert_true(config.workers >= 1);
}

static void test_what_was_not_given(void **state) {
    (void)state;
    assert_int_equal(load("start hello"), STATUS_DONE);
    assert_true(config.priority == CONFIG_NONE);
    assert_true(config.delay_ms == CONFIG_NONE);
    assert_null(config.data);
}

static void test_flags(void **state) {
    (void)state;
    assert_int_equal(load("start hello --tag a=1 --priority -5 --tag=b=2 --wait --delay 1.5"),
                     STATUS_DONE);
    assert_string_equal(config.arguments.items[0], "hello");
    assert_int_equal(config.tags.count, 2);
    assert_string_equal(config.tags.items[1], "b=2");
    assert_int_equal(config.priority, -5);
    assert_int_equal(config.delay_ms, 1500);
    assert_true(config.wait);
}

static void test_a_selector(void **state) {
    (void)state;
    assert_int_equal(load("cancel --workflow w --tag a=1 --rate 5/s --yes"), STATUS_DONE);
    assert_int_equal(config.arguments.count, 0);
    assert_string_equal(config.workflow, "w");
    assert_string_equal(config.tags.items[0], "a=1");
    assert_string_equal(config.rate, "5/s");
    assert_true(config.limit == CONFIG_NONE);
    assert_true(config.yes);
    refuses("list --group colour", EX_USAGE, "--group: one of error, not colour");
}

static void test_flags_before_the_command_and_words_after_two_dashes(void **state) {
    (void)state;
    assert_int_equal(load("--prefix other show -- --odd-id"), STATUS_DONE);
    assert_int_equal(config.command, COMMAND_SHOW);
    assert_string_equal(config.prefix, "other");
    assert_string_equal(config.arguments.items[0], "--odd-id");
}

static void test_what_a_command_passes_on(void **state) {
    (void)state;
    static const char *const words[] = {"-o",         "TAP", "--tags=slow", "--verbose",
                                        "a_spec.lua", "--",  "--coverage"};
    assert_int_equal(
        load("test -o TAP --tags=slow --watch --json --verbose a_spec.lua -- --coverage"),
        STATUS_DONE);
    assert_int_equal(config.arguments.count, sizeof words / sizeof *words);
    for (int i = 0; i < config.arguments.count; i++)
        assert_string_equal(config.arguments.items[i], words[i]);
    assert_true(config.watch);
    assert_true(config.json);
    assert_false(config.coverage);
    refuses("stats -o TAP", EX_USAGE,
            "there is no flag -o; weir help COMMAND lists those it takes");
}

static void test_flag_over_variable_over_file(void **state) {
    (void)state;
    write_file("config.lua",
               "return { workers = 2, drain = '5s', prefix = 'mine', queues = {'a','b'} }");
    setenv("WEIR_WORKERS", "3", 1);
    setenv("WEIR_DRAIN", "6s", 1);
    assert_int_equal(load("serve --config config.lua --drain 7s"), STATUS_DONE);
    assert_int_equal(config.drain_ms, 7000);
    assert_int_equal(config.workers, 3);
    assert_string_equal(config.prefix, "mine");
    assert_int_equal(config.queues.count, 2);
    assert_string_equal(config.queues.items[1], "b");
}

static void test_a_config_file_is_data(void **state) {
    (void)state;
    write_file("config.lua", "return { worker = 2 }");
    refuses("serve --config config.lua", EX_CONFIG,
            "config.lua: there is no setting worker, did you mean workers?");
    write_file("config.lua", "return { workers = print() }");
    refuses("serve --config config.lua", EX_CONFIG,
            "config.lua:1: attempt to call a nil value (global 'print')");
    write_file("config.lua", "return 5");
    refuses("serve --config config.lua", EX_CONFIG, "config.lua: must return a table of settings");
    write_file("config.lua", "return { drain = 'soon' }");
    assert_int_equal(load("serve --config config.lua"), EX_CONFIG);
    assert_non_null(strstr(fault, "config.lua: drain: \"soon\" is no duration"));
}

static void test_faults_of_the_command_line(void **state) {
    (void)state;
    refuses("", EX_USAGE, "say what to do: weir COMMAND; see weir help");
    refuses("sevre", EX_USAGE, "there is no command sevre, did you mean serve?; see weir help");
    refuses("serve --worker 3", EX_USAGE, "there is no flag --worker, did you mean --workers?");
    refuses("show", EX_USAGE, "show needs more: weir show RUN [OPERATION]");
    refuses("start a b", EX_USAGE,
            "start does not take b; data goes with --data JSON, --data @FILE or --data - (stdin)");
    refuses("show a --wait", EX_USAGE, "show does not take --wait; see weir help show");
    refuses("serve --workers", EX_USAGE, "--workers needs a value: N");
    refuses("serve --workers 0", EX_USAGE, "--workers: an integer from 1 to 256, not 0");
    refuses("serve --log xml", EX_USAGE, "--log: one of text|json, not xml");
    refuses("serve --max-memory 1TB", EX_USAGE, "--max-memory: a size such as 64KiB or 16MiB");
}

static void test_what_is_not_there_yet(void **state) {
    (void)state;
    refuses("logs x", EX_USAGE, "logs is not there yet");
    refuses("serve --listen :80", EX_USAGE, "serve --listen is not there yet");
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

static void test_the_folder_of_a_file_to_run(void **state) {
    (void)state;
    assert_int_equal(load("run orders/pay.lua"), STATUS_DONE);
    assert_string_equal(config.folders.items[0], "orders");
    assert_int_equal(load("run pay.lua"), STATUS_DONE);
    assert_string_equal(config.folders.items[0], ".");
    assert_int_equal(load("run pay"), STATUS_DONE);
    assert_string_equal(config.folders.items[0], "workflows");
    assert_int_equal(load("run pay --dir flows"), STATUS_DONE);
    assert_string_equal(config.folders.items[0], "flows");
}

// Whether the help of a command says that.
static bool tells(const char *command, const char *text) {
    char *usage = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&usage, &size);
    assert_int_equal(config_usage(out, command, fault), STATUS_DONE);
    fclose(out);
    bool found = strstr(usage, text) != NULL;
    free(usage);
    return found;
}

static void test_help_says_what_a_flag_means_to_that_command(void **state) {
    (void)state;
    assert_true(tells("start", " the queue it waits in, instead of the workflow's\n"));
    assert_true(tells("list", " only those of that queue\n"));
    assert_true(tells("start", " give it that tag; may be given again\n"));
    assert_true(tells("cancel", " only those with that tag; may be given again\n"));
    assert_true(tells("show", " show it again and again, until it ended\n"));
    assert_true(tells("test", " go on, and run again what a saved file touches\n"));
    assert_true(tells("list", " how many at most (default 50)\n"));
    assert_true(tells("retry", " how many at most\n"));
    assert_true(tells("retry", "\nexample: weir retry first\n"));
    assert_true(tells("retry", "What has completed is kept"));
    assert_true(tells("states", "  retrying   an attempt failed"));
    assert_true(tells("durations", "250ms, 30s, 5m, 2h, 1d"));
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_defaults),
        IN_A_FOLDER(test_what_was_not_given),
        IN_A_FOLDER(test_flags),
        IN_A_FOLDER(test_a_selector),
        IN_A_FOLDER(test_flags_before_the_command_and_words_after_two_dashes),
        IN_A_FOLDER(test_what_a_command_passes_on),
        IN_A_FOLDER(test_flag_over_variable_over_file),
        IN_A_FOLDER(test_a_config_file_is_data),
        IN_A_FOLDER(test_faults_of_the_command_line),
        IN_A_FOLDER(test_what_is_not_there_yet),
        IN_A_FOLDER(test_redis_urls),
        IN_A_FOLDER(test_a_dev_folder_above_names_the_redis),
        IN_A_FOLDER(test_a_dev_folder_of_others_is_refused),
        IN_A_FOLDER(test_the_folder_of_a_file_to_run),
        IN_A_FOLDER(test_help_says_what_a_flag_means_to_that_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

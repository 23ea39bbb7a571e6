// Which files of a folder are a bundle, in which order, and what is said when it cannot be read.
#include "assets/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

static char folder[64];
static char fault[BUNDLE_FAULT_SIZE];

static int shell(const char *script) {
    char command[1024];
    snprintf(command, sizeof command, "cd %s && %s", folder, script);
    return system(command);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/weir-unit-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return shell("rm -rf \"$PWD\"");
}

static void test_takes_workflow_files_in_order(void **state) {
    (void)state;
    assert_int_equal(shell("mkdir -p b/spec b/c spec .hidden && printf 'return 1' >b/c/z.lua && "
                           "touch b.lua a.lua notes.txt b/a_spec.lua b/spec/x.lua spec/y.lua "
                           ".x.lua .hidden/x.lua _spec.lua && ln -s nowhere dangling.lua && "
                           "ln -s ../b.lua b/linked.lua"),
                     0);
    Bundle bundle;
    assert_int_equal(bundle_read(folder, &bundle, fault), 0);
    const char *paths[] = {"_spec.lua", "a.lua", "b.lua", "b/c/z.lua", "b/linked.lua"};
    assert_int_equal(bundle.count, 5);
    for (size_t i = 0; i < bundle.count; i++) assert_string_equal(bundle.sources[i].path, paths[i]);
    assert_string_equal(bundle.sources[3].text, "return 1");
    assert_int_equal(bundle.sources[3].size, 8);
    bundle_free(&bundle);
}

static void test_an_empty_folder_is_an_empty_bundle(void **state) {
    (void)state;
    Bundle bundle;
    assert_int_equal(bundle_read(folder, &bundle, fault), 0);
    assert_int_equal(bundle.count, 0);
    bundle_free(&bundle);
}

static void test_a_file_larger_than_any_buffer_is_read_whole(void **state) {
    (void)state;
    assert_int_equal(shell("head -c 100000 /dev/zero | tr '\\0' ' ' >large.lua"), 0);
    Bundle bundle;
    assert_int_equal(bundle_read(folder, &bundle, fault), 0);
    assert_int_equal(bundle.sources[0].size, 100000);
    assert_int_equal(strlen(bundle.sources[0].text), 100000);
    bundle_free(&bundle);
}

static atomic_bool swapping;

static void swap_releases(void *unused) {
    (void)unused;
    char live[80], next[80];
    snprintf(live, sizeof live, "%s/live", folder);
    snprintf(next, sizeof next, "%s/next", folder);
    for (int i = 0; swapping; i++) {
        if (symlink(i % 2 ? "1" : "2", next) != 0 || rename(next, live) != 0) break;
    }
}

static void test_a_link_that_is_swapped_gives_one_release_or_the_other(void **state) {
    (void)state;
    assert_int_equal(shell("for r in 1 2; do mkdir -p $r/a/b; for f in x a/x a/b/x a/b/y; do "
                           "echo $r >$r/$f.lua; done; done; ln -s 1 live"),
                     0);
    char live[80];
    snprintf(live, sizeof live, "%s/live", folder);
    uv_thread_t thread;
    swapping = true;
    assert_int_equal(uv_thread_create(&thread, swap_releases, NULL), 0);
    for (int i = 0; i < 500; i++) {
        Bundle bundle;
        assert_int_equal(bundle_read(live, &bundle, fault), 0);
        assert_int_equal(bundle.count, 4);
        for (size_t j = 1; j < bundle.count; j++)
            assert_string_equal(bundle.sources[j].text, bundle.sources[0].text);
        bundle_free(&bundle);
    }
    swapping = false;
    uv_thread_join(&thread);
}

static void test_a_missing_folder_is_named(void **state) {
    (void)state;
    Bundle bundle;
    assert_int_equal(bundle_read("/no/such/folder", &bundle, fault), UV_ENOENT);
    assert_string_equal(
        fault, "there is no folder /no/such/folder; name the one that has the workflow files");
    bundle_free(&bundle);
}

static void test_bounds(void **state) {
    (void)state;
    Bundle bundle;
    assert_int_equal(shell("ln -s . circle"), 0);
    assert_int_equal(bundle_read(folder, &bundle, fault), UV_E2BIG);
    assert_non_null(strstr(fault, "16 levels"));
    bundle_free(&bundle);
    assert_int_equal(shell("rm circle && truncate -s 17M large.lua"), 0);
    assert_int_equal(bundle_read(folder, &bundle, fault), UV_E2BIG);
    assert_non_null(strstr(fault, "16 MiB"));
    bundle_free(&bundle);
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_takes_workflow_files_in_order),
        IN_A_FOLDER(test_an_empty_folder_is_an_empty_bundle),
        IN_A_FOLDER(test_a_file_larger_than_any_buffer_is_read_whole),
        IN_A_FOLDER(test_a_link_that_is_swapped_gives_one_release_or_the_other),
        IN_A_FOLDER(test_a_missing_folder_is_named),
        IN_A_FOLDER(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

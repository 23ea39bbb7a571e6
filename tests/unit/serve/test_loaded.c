// Which bundles a worker keeps in its VM. The VM is replaced by functions that write down what they
// are asked.
#include "serve/loaded.c"

#include "unit.h"

#include <uv.h>

static char said[1024];
static bool does_not_load;
static LoadedBundles loaded;

static void say(const char *what, const char *name) {
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s%s:%s", *said ? " " : "", what,
             name);
}

static void expect_said(const char *words) {
    assert_string_equal(said, words);
    said[0] = '\0';
}

int vm_load_bundle(Vm *vm, const char *hash, const Source *sources, size_t count, char **faults) {
    (void)vm, (void)sources, (void)count;
    say("load", hash);
    if (does_not_load) *faults = xstrdup("a.lua:1: no");
    return does_not_load ? UV_EINVAL : 0;
}

void vm_refuse_bundle(Vm *vm, const char *hash, const char *fault) {
    (void)vm, (void)fault;
    say("refuse", hash);
}

void vm_forget_bundle(Vm *vm, const char *hash) {
    (void)vm;
    say("drop", hash);
}

static int add_bundle(const char *name) {
    char *faults = NULL;
    int code = loaded_add(&loaded, NULL, name, NULL, 0, &faults);
    free(faults);
    return code;
}

static int end_test(void **state) {
    (void)state;
    loaded_clear(&loaded);
    assert_null(loaded.by_name);
    said[0] = '\0';
    does_not_load = false;
    return 0;
}

static void test_a_bundle_is_loaded_once(void **state) {
    (void)state;
    assert_null(loaded_use(&loaded, "a"));
    assert_int_equal(add_bundle("a"), 0);
    assert_int_equal(add_bundle("a"), 0);
    expect_said("load:a");
    LoadedBundle *bundle = loaded_use(&loaded, "a");
    assert_ptr_equal(bundle, loaded_use(&loaded, "a"));
    loaded_leave(&loaded, NULL, bundle);
    loaded_leave(&loaded, NULL, bundle);
    assert_non_null(loaded_use(&loaded, "a"));
    expect_said("");
}

static void test_bundles_that_no_run_uses_are_dropped_but_for_the_last_few(void **state) {
    (void)state;
    add_bundle("used");
    LoadedBundle *used = loaded_use(&loaded, "used");
    for (int i = 0; i < LOADED_IDLE; i++) add_bundle((char[]){'x', (char)('0' + i), '\0'});
    assert_int_equal(loaded.count, LOADED_IDLE + 1);
    said[0] = '\0';
    loaded_leave(&loaded, NULL, loaded_use(&loaded, "x0")); // used last
    add_bundle("y");
    expect_said("load:y drop:x1");
    loaded_leave(&loaded, NULL, used);
    expect_said("drop:x2");
    assert_int_equal(loaded.count, LOADED_IDLE);
}

static void test_a_bundle_that_does_not_load_is_not_kept(void **state) {
    (void)state;
    does_not_load = true;
    assert_int_equal(add_bundle("a"), UV_EINVAL);
    assert_int_equal(loaded.count, 0);
    LoadedBundle *refused = loaded_refuse(&loaded, NULL, "a", "no");
    expect_said("load:a refuse:a");
    assert_null(loaded_use(&loaded, "a")); // the next run asks again
    loaded_leave(&loaded, NULL, refused);
    expect_said("drop:a");
    assert_int_equal(loaded.count, 0);
}

static void test_a_refused_bundle_that_is_loaded_after_all_is_kept(void **state) {
    (void)state;
    LoadedBundle *refused = loaded_refuse(&loaded, NULL, "a", "no");
    assert_int_equal(add_bundle("a"), 0);
    assert_ptr_equal(loaded_use(&loaded, "a"), refused);
    loaded_leave(&loaded, NULL, refused);
    loaded_leave(&loaded, NULL, refused);
    expect_said("refuse:a load:a");
    assert_int_equal(loaded.idle_count, 1);
}

#define TEST(test) cmocka_unit_test_teardown(test, end_test)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_bundle_is_loaded_once),
        TEST(test_bundles_that_no_run_uses_are_dropped_but_for_the_last_few),
        TEST(test_a_bundle_that_does_not_load_is_not_kept),
        TEST(test_a_refused_bundle_that_is_loaded_after_all_is_kept),
    };
    return cmocka_run_group_tests_name("loaded", tests, NULL, NULL);
}

// Reloading: how the log names the files that changed.
#include "serve/reload.c" // the functions are its own

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_told(const char *expected, const Bundle *before, const Bundle *now) {
    char *text = differences(before, now);
    assert_string_equal(text, expected);
    free(text);
}

static Source source(const char *path, const char *text) {
    return (Source){(char *)path, (char *)text, strlen(text)};
}

static void names_files_that_differ(void **state) {
    (void)state;
    Source before[] = {source("a.lua", "1"), source("b.lua", "1"), source("d.lua", "1")};
    Source now[] = {source("b.lua", "2"), source("c.lua", "1"), source("d.lua", "1")};
    Bundle old = {.sources = before, .count = 3}, new = {.sources = now, .count = 3}, none = {0};
    assert_told("a.lua removed, b.lua changed, c.lua added", &old, &new);
    assert_told("a.lua removed, b.lua removed, d.lua removed", &old, &none);
    assert_told("b.lua added, c.lua added, d.lua added", &none, &new);
    assert_told("", &old, &old);
}

static void counts_what_is_too_much_to_name(void **state) {
    (void)state;
    Source sources[NAMED + 2];
    char paths[NAMED + 2][8];
    for (int i = 0; i < NAMED + 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%d.lua", i);
        sources[i] = source(paths[i], "");
    }
    Bundle none = {0}, all = {.sources = sources, .count = NAMED + 2};
    assert_told("0.lua added, 1.lua added, 2.lua added, 3.lua added, 4.lua added and 2 more", &none,
                &all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_files_that_differ),
        cmocka_unit_test(counts_what_is_too_much_to_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

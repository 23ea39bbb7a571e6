// Reloading: how the log names the files that changed, and shows the line of a fault.
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

static void assert_shown(const char *expected, const char *text, const char *fault) {
    Source sources[] = {source("a.lua", "return 1"), source("b/c.lua", text)};
    Bundle bundle = {.sources = sources, .count = 2};
    char *lines = excerpt(&bundle, fault);
    if (expected)
        assert_string_equal(lines, expected);
    else
        assert_null(lines);
    free(lines);
}

static void shows_the_line_of_a_fault(void **state) {
    (void)state;
    assert_shown("    2 |   local x = }\n      |             ^", "-- a\n\t\tlocal x = }\n",
                 "b/c.lua:2: unexpected symbol near '}'");
    assert_shown("    1 |   a = a = a\n      |   ^", "  a = a = a\n",
                 "b/c.lua:1: syntax error near 'a'");
    assert_shown("    1 | return {\n      |         ^", "return {", "b/c.lua:1: x near <eof>");
    assert_shown("    1 | \xc3\xa4 = }\n      |     ^", "\xc3\xa4 = }", "b/c.lua:1: x near '}'");
    assert_shown("    2 | \n      | ^", "return {\n", "b/c.lua:2: x near <eof>");
}

static void shows_the_part_of_a_long_line_that_matters(void **state) {
    (void)state;
    char text[1001], expected[400];
    memset(text, '1', 1000);
    text[1000] = '\0';
    text[500] = '}';
    snprintf(expected, sizeof expected, "    1 | %.120s\n      | %80s^", text + 420, "");
    assert_shown(expected, text, "b/c.lua:1: x near '}'");
}

static void shows_nothing_of_a_fault_without_a_line(void **state) {
    (void)state;
    assert_shown(NULL, "1", "the folder is gone");
    assert_shown(NULL, "1", "b/c.lua: no line");
    assert_shown(NULL, "1", "b/c.lua:7: no such line");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_files_that_differ),
        cmocka_unit_test(counts_what_is_too_much_to_name),
        cmocka_unit_test(shows_the_line_of_a_fault),
        cmocka_unit_test(shows_the_part_of_a_long_line_that_matters),
        cmocka_unit_test(shows_nothing_of_a_fault_without_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

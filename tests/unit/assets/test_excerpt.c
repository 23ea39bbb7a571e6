// Excerpts: which line of a bundle a fault is about, and where its caret stands.
#include "assets/excerpt.h"
#include "base/xmalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static Source source(const char *path, const char *text) {
    return (Source){(char *)path, (char *)text, strlen(text)};
}

static void assert_shown(const char *expected, const char *text, const char *fault) {
    Source sources[] = {source("a.lua", "return 1"), source("b/c.lua", text)};
    Bundle bundle = {.sources = sources, .count = 2};
    Excerpt excerpt;
    if (!excerpt_of(&bundle, fault, &excerpt)) {
        assert_null(expected);
        return;
    }
    char *shown =
        xformat("%5ld | %s\n      | %*s^", excerpt.number, excerpt.line, excerpt.caret, "");
    assert_string_equal(shown, expected);
    assert_int_equal(fault[excerpt.place], ':');
    free(shown);
    free(excerpt.line);
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
        cmocka_unit_test(shows_the_line_of_a_fault),
        cmocka_unit_test(shows_the_part_of_a_long_line_that_matters),
        cmocka_unit_test(shows_nothing_of_a_fault_without_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Text that others wrote, as people and programs read it.
#include "base/text.h"

#include "unit.h"

static void assert_text(TextForm form, const char *text, size_t size, const char *expected) {
    char *plain = text_plain(text, size, form);
    assert_string_equal(plain, expected);
    free(plain);
}

#define ASSERT_TEXT(form, text, expected) assert_text(form, text, sizeof text - 1, expected)

static void test_harmless_text_stays(void **state) {
    (void)state;
    ASSERT_TEXT(TEXT_LINE, "", "");
    ASSERT_TEXT(TEXT_LINE, "a\tb \\n \"ä€😀\"", "a\tb \\n \"ä€😀\"");
    ASSERT_TEXT(TEXT_LINES, "a\nb", "a\nb");
    ASSERT_TEXT(TEXT_JSON, "ä€😀 /", "ä€😀 /");
}

static void test_controls_are_spelled(void **state) {
    (void)state;
    ASSERT_TEXT(TEXT_LINE, "\33]0;x\7\r\nweir: all is well",
                "\\x1b]0;x\\x07\\x0d\\nweir: all is well");
    ASSERT_TEXT(TEXT_LINES, "\33[2J\n\x7f", "\\x1b[2J\n\\x7f");
    ASSERT_TEXT(TEXT_LINE, "\302\2332J \u202e \u2066", "\\u009b2J \\u202e \\u2066");
    ASSERT_TEXT(TEXT_LINE, "a\0b", "a\\x00b");
    ASSERT_TEXT(TEXT_JSON, "a\0\"\\\n\t\x7f\302\233\u202e",
                "a\\u0000\\\"\\\\\\n\\u0009\\u007f\\u009b\\u202e");
}

static void test_json_stays_the_same_json(void **state) {
    (void)state;
    ASSERT_TEXT(TEXT_OF_JSON, "{\"a\":\"\\n\302\233\x7fä\"}", "{\"a\":\"\\n\\u009b\\u007fä\"}");
}

static void test_bytes_that_are_no_utf8_are_spelled(void **state) {
    (void)state;
    ASSERT_TEXT(TEXT_LINE, "\xff|\xc0\x80|\xed\xa0\x80|\xe2\x82",
                "\\xff|\\xc0\\x80|\\xed\\xa0\\x80|\\xe2\\x82");
    ASSERT_TEXT(TEXT_JSON, "\xff|\xf4\x90\x80\x80", "\\ufffd|\\ufffd\\ufffd\\ufffd\\ufffd");
    assert_text(TEXT_LINE, "\xe2\x82\xac", 2, "\\xe2\\x82"); // cut in a character
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_harmless_text_stays),
        cmocka_unit_test(test_controls_are_spelled),
        cmocka_unit_test(test_json_stays_the_same_json),
        cmocka_unit_test(test_bytes_that_are_no_utf8_are_spelled),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}

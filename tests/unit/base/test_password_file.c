// A password that stands alone in a file.
#include "base/password_file.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/weir-test-XXXXXX";
static char password[PASSWORD_SIZE], fault[PASSWORD_FAULT_SIZE];
static bool open_to_all;

static bool reads(const char *bytes, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    *password = *fault = '\0';
    return password_file_read(path, password, &open_to_all, fault);
}

static void test_one_line_break_at_the_end_is_no_part_of_it(void **state) {
    (void)state;
    const char *const forms[] = {"a b\xc3\xa9", "a b\xc3\xa9\n", "a b\xc3\xa9\r\n"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(reads(forms[i], strlen(forms[i])));
        assert_string_equal(password, "a b\xc3\xa9");
    }
}

static void test_what_is_no_password_is_refused_and_not_quoted(void **state) {
    (void)state;
    char *expected, longest[PASSWORD_SIZE];
    memset(longest, 'x', sizeof longest);
    assert_false(reads("", 0));
    assert_non_null(strstr(fault, "is empty; it must hold the password"));
    assert_false(reads("\n", 1));
    assert_false(reads("sesame\nopen\n", 12));
    assert_true(asprintf(&expected, "%s must hold the password and nothing else", path) > 0);
    assert_string_equal(fault, expected);
    free(expected);
    assert_false(reads("sesame\0open", 11));
    assert_false(reads(longest, sizeof longest));
    assert_non_null(strstr(fault, "is too long for a password"));
    assert_true(reads(longest, sizeof longest - 1));
    assert_false(password_file_read("/", password, &open_to_all, fault));
    assert_string_equal(fault, "cannot read /: Is a directory");
}

static void test_a_pipe_without_a_writer_does_not_block(void **state) {
    (void)state;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(password_file_read(path, password, &open_to_all, fault));
    unlink(path);
}

static void test_it_tells_whether_every_user_may_read_it(void **state) {
    (void)state;
    assert_true(reads("x", 1));
    chmod(path, 0640);
    assert_true(password_file_read(path, password, &open_to_all, fault) && !open_to_all);
    chmod(path, 0444);
    assert_true(password_file_read(path, password, &open_to_all, fault) && open_to_all);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_break_at_the_end_is_no_part_of_it),
        cmocka_unit_test(test_what_is_no_password_is_refused_and_not_quoted),
        cmocka_unit_test(test_a_pipe_without_a_writer_does_not_block),
        cmocka_unit_test(test_it_tells_whether_every_user_may_read_it),
    };
    int descriptor = mkstemp(path);
    if (descriptor < 0) return 1;
    close(descriptor);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Lines that many failing runs leave in the log.
#include "base/log.h"
#include "base/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

static char written[65536];

// Everything that `body` writes to stderr.
static void capture(void (*body)(void)) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int before = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    body();
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    written[fread(written, 1, sizeof written - 1, file)] = '\0';
    fclose(file);
}

static size_t count(const char *text) {
    size_t found = 0;
    for (const char *at = written; (at = strstr(at, text)); at += strlen(text)) found++;
    return found;
}

static void tell(ReportKind kind, size_t times) {
    for (size_t i = 0; i < times; i++) {
        Reports reports = {0};
        reports_note(&reports, kind, "failed: no", "{\"code\":\"error\"}");
        reports_tell(&reports, "r");
        assert_int_equal(reports.count, 0);
    }
}

static void let_time_pass(void) {
    static int64_t ahead;
    reports_tick((int64_t)(uv_hrtime() / 1000000) + (ahead += 60000));
}

static void tell_many(void) {
    let_time_pass();
    tell(REPORT_FAILED, 100);
    tell(REPORT_RETRYING, 21);
}

static void test_many_are_told_up_to_a_number(void **state) {
    (void)state;
    capture(let_time_pass);
    capture(tell_many);
    assert_int_equal(count("warn  r: failed: no {\"code\":\"error\"}\n"), 20);
    assert_int_equal(count("info  r: failed: no {\"code\":\"error\"}\n"), 20);
    capture(let_time_pass);
    assert_int_equal(count("80 more failed within 10 s: weir list --state failed --group error\n"),
                     1);
    assert_int_equal(count("1 more attempt failed within 10 s"), 1);
    capture(let_time_pass);
    assert_string_equal(written, "");
}

static void tell_none(void) {
    reports_leave_out_failed();
    tell(REPORT_FAILED, 3);
    let_time_pass();
}

static void test_failed_ones_are_left_to_others(void **state) {
    (void)state;
    capture(tell_none);
    assert_string_equal(written, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_are_told_up_to_a_number),
        cmocka_unit_test(test_failed_ones_are_left_to_others),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}

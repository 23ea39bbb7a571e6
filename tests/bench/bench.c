// bench: bench WEIR [NAME]: measures that binary, all of it or one measurement, and prints a table.
//
// Rows with a target end with PASS or FAIL; the exit status is 1 when one has failed. Progress goes
// to stderr. Run it from the root of the source tree.
#include "measure.h"
#include "rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATIENCE_S = 1200 };

static size_t missed;

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile(double *values, size_t count, double share) {
    qsort(values, count, sizeof *values, by_size);
    return values[(size_t)(share * (double)(count - 1) + 0.5)];
}

double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

void row(const char *what, TargetKind kind, double number, double target, const char *format, ...) {
    char figure[128];
    va_list values;
    va_start(values, format);
    vsnprintf(figure, sizeof figure, format, values);
    va_end(values);
    bool met = kind == AT_LEAST ? number >= target : number <= target;
    printf("%-46s %8.2f", what, number);
    if (kind == NO_TARGET)
        printf("  %9s  %4s", "", "");
    else
        printf("  %s %6.5g  %s", kind == AT_LEAST ? ">=" : "<=", target, met ? "PASS" : "FAIL");
    printf("  %s\n", figure);
    fflush(stdout);
    missed += kind != NO_TARGET && !met;
}

static void print_machine(void) {
    struct utsname machine;
    uname(&machine);
    Rig *rig = rig_open("everysec");
    redisReply *reply = command(rig, "INFO server");
    const char *version = strstr(reply->str, "redis_version:");
    version = version ? version + strlen("redis_version:") : "?";
    printf("%ld cores, %s %s, Redis %.*s\n", sysconf(_SC_NPROCESSORS_ONLN), machine.sysname,
           machine.release, (int)strcspn(version, "\r\n"), version);
    printf("%-46s %8s  %9s\n", "", "figure", "target");
    freeReplyObject(reply);
    rig_close(rig);
}

static bool wanted(const Measurement *measurement, const char *only) {
    return !only || strcmp(only, measurement->name) == 0;
}

static bool is_known(const char *only) {
    for (size_t i = 0; i < measurement_count; i++)
        if (wanted(&measurements[i], only)) return true;
    return false;
}

int main(int argc, char **argv) {
    const char *only = argc > 2 && *argv[2] ? argv[2] : NULL;
    if (argc < 2 || !is_known(only)) {
        fprintf(stderr, "bench: bench WEIR [NAME], where NAME is one of\n");
        for (size_t i = 0; i < measurement_count; i++)
            fprintf(stderr, "  %-12s %s\n", measurements[i].name, measurements[i].what);
        return EX_USAGE;
    }
    rig_setup(argv[1], PATIENCE_S);
    print_machine();
    for (size_t i = 0; i < measurement_count; i++) {
        if (!wanted(&measurements[i], only)) continue;
        fprintf(stderr, "bench: %s\n", measurements[i].what);
        measurements[i].run();
    }
    if (missed) printf("%zu missed their target\n", missed);
    return missed ? EXIT_FAILURE : EXIT_SUCCESS;
}

// measure: what is measured, and the table it is written to.
#ifndef WEIR_BENCH_MEASURE_H
#define WEIR_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name; // of `make bench ONLY=name`
    const char *what;
    void (*run)(void);
} Measurement;

extern const Measurement measurements[];
extern const size_t measurement_count;

// In reload.c.
void measure_reload(void);

// In hosts.c.
void measure_heartbeat(void);
void measure_idle(void);

// The middle of `count` values, which it sorts; a share of them is below the quantile.
double median(double *values, size_t count);
double quantile(double *values, size_t count, double share);

typedef enum { NO_TARGET, AT_LEAST, AT_MOST } TargetKind;

// A row: a figure as people read it, and the number that is held against the target.
__attribute__((format(printf, 5, 6))) void row(const char *what, TargetKind kind, double number,
                                               double target, const char *format, ...);

#endif

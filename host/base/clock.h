// clock: this machine's steady clocks, in milliseconds from an unknown beginning.
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Stands still while the machine sleeps: for what this process does.
static inline int64_t clock_ms(void) {
    return clock_read_ms(CLOCK_MONOTONIC);
}

// Goes on while the machine sleeps: for promises made to others, such as a lease.
static inline int64_t clock_awake_ms(void) {
    return clock_read_ms(CLOCK_BOOTTIME);
}

#endif

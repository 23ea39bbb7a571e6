// clock: preloaded into a redis-server, it moves that server's idea of the time of day by as many
// milliseconds as the file named by TEST_CLOCK holds, so that a story can put the clock back.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static int64_t offset_ms(void) {
    const char *path = getenv("TEST_CLOCK");
    FILE *file = path ? fopen(path, "r") : NULL;
    long long offset = 0;
    if (!file) return 0;
    if (fscanf(file, "%lld", &offset) != 1) offset = 0;
    fclose(file);
    return offset;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int code = real(now, zone);
    int64_t us = (int64_t)now->tv_sec * 1000000 + now->tv_usec + offset_ms() * 1000;
    now->tv_sec = us / 1000000;
    now->tv_usec = us % 1000000;
    return code;
}

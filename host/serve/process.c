// process: see process.h.
#include "serve/process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The start time stands behind the process' name, which may itself have spaces and parentheses.
static bool start_time(int64_t pid, uint64_t *started) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strrchr(text, ')');
    char state;
    unsigned long long ticks;
    bool found =
        at && sscanf(at,
                     ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                     "%*s %*s %llu",
                     &state, &ticks) == 2;
    if (found) *started = ticks;
    return found && state != 'Z' && state != 'X';
}

bool process_is_alive(int64_t pid, uint64_t started) {
    uint64_t now;
    return start_time(pid, &now) && now == started;
}

ProcessIdentity process_identity(void) {
    ProcessIdentity self = {.boot = "unknown", .pidns = "unknown", .pid = getpid()};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file) {
        if (fscanf(file, "%39s", self.boot) != 1) strcpy(self.boot, "unknown");
        fclose(file);
    }
    ssize_t length = readlink("/proc/self/ns/pid", self.pidns, sizeof self.pidns - 1);
    if (length > 0) self.pidns[length] = '\0';
    start_time(self.pid, &self.started);
    return self;
}

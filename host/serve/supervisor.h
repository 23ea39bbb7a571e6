// supervisor: between this process and whoever started it: signals, sd_notify, and who we are.
#ifndef WEIR_SUPERVISOR_H
#define WEIR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// What other processes tell this one by. A pid alone is used again; with its start time it is not.
typedef struct {
    char boot[40];  // of the machine since it was last started
    char pidns[40]; // in which the pid counts
    int64_t pid;
    uint64_t started; // clock ticks after boot
} Identity;

Identity supervisor_identity(void);

// Whether a process of this boot and pid namespace still runs.
bool supervisor_alive(int64_t pid, uint64_t started);

// Tells the service manager; does nothing where there is none. The sd_notify protocol is lines such
// as "READY=1" and "STATUS=...". Any thread.
__attribute__((format(printf, 1, 2))) void supervisor_notify(const char *format, ...);

typedef struct {
    void *owner;
    void (*on_stop)(void *owner);     // SIGTERM or SIGINT; a second one ends the process at once
    void (*on_describe)(void *owner); // SIGUSR1: log what is going on
    void (*on_reload)(void *owner);   // SIGHUP; when the terminal was closed that is on_stop
} SupervisorEvents;

// Listens for signals on `loop`, for the process: open it once. SIGPIPE is ignored from then on.
void supervisor_open(uv_loop_t *loop, SupervisorEvents events);

// Its handles are closed when the loop has run once more.
void supervisor_close(void);

#endif

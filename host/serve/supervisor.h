// supervisor: the signals of the program that supervises this process; notify.h has the way back.
#ifndef WEIR_SUPERVISOR_H
#define WEIR_SUPERVISOR_H

#include <uv.h>

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

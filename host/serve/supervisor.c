// supervisor: signals arrive on the loop as events.
//
// The first signal to stop restores the default action of the signal. So a second one ends the
// process also when the loop does not turn.
#include "serve/supervisor.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

static SupervisorEvents listener;
static uv_signal_t handles[4];
static bool is_open;
static bool started_on_terminal;
static bool outlives_terminal; // as nohup wants it

static void on_stop(uv_signal_t *handle, int number) {
    (void)handle, (void)number;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (handles[i].signum == SIGTERM || handles[i].signum == SIGINT)
            uv_signal_stop(&handles[i]);
    listener.on_stop(listener.owner);
}

static bool has_terminal(void) {
    int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal >= 0) close(terminal);
    return terminal >= 0;
}

// SIGHUP means a reload, or that the terminal was closed: then the process has no terminal any
// more. The kernel and the shell may each send one.
static void on_hangup(uv_signal_t *handle, int number) {
    static bool told;
    if (started_on_terminal && !has_terminal()) {
        if (!told && !outlives_terminal) on_stop(handle, number);
        told = true;
    } else {
        listener.on_reload(listener.owner);
    }
}

static void on_describe(uv_signal_t *handle, int number) {
    (void)handle, (void)number;
    listener.on_describe(listener.owner);
}

void supervisor_open(uv_loop_t *loop, SupervisorEvents events) {
    static const struct {
        int number;
        uv_signal_cb on_signal;
    } rows[] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGUSR1, on_describe}, {SIGHUP, on_hangup}};
    assert(!is_open);
    listener = events;
    is_open = true;
    signal(SIGPIPE, SIG_IGN);
    started_on_terminal = has_terminal();
    outlives_terminal = signal(SIGHUP, SIG_IGN) == SIG_IGN;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        uv_signal_init(loop, &handles[i]);
        uv_signal_start(&handles[i], rows[i].on_signal, rows[i].number);
        uv_unref((uv_handle_t *)&handles[i]);
    }
}

void supervisor_close(void) {
    if (!is_open) return;
    is_open = false;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        uv_close((uv_handle_t *)&handles[i], NULL);
}

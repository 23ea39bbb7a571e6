// interrupts: see interrupts.h.
#include "client/interrupts.h"

#include "base/clock.h"
#include "client/client_error.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum { STATUS_INTERRUPTED = 130 };

static int interruption; // an eventfd, readable from interrupts_trigger on

static void open_interruption(void) {
    interruption = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (interruption < 0) abort();
}

static int interruption_descriptor(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_interruption);
    return interruption;
}

void interrupts_trigger(void) {
    eventfd_write(interruption_descriptor(), 1);
}

static void on_signal(int number) {
    (void)number;
    eventfd_write(interruption, 1);
}

// heed_interrupts(): Ctrl-C and SIGTERM end the process only the second time. The first one makes
// `pause` return true, and any other wait raise.
static int heed_interrupts(lua_State *L) {
    (void)L;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};
    interruption_descriptor();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return 0;
}

// pause(ms) -> whether the process was interrupted, which ends the pause. An instant that has
// passed meanwhile makes `ms` negative: that is no pause, though poll takes it for one without an
// end.
static int pause_for(lua_State *L) {
    struct pollfd wait = {.fd = interruption_descriptor(), .events = POLLIN};
    lua_Integer ms = luaL_checkinteger(L, 1);
    int ready, timeout_ms = ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
    do ready = poll(&wait, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    lua_pushboolean(L, ready > 0);
    return 1;
}

bool interrupts_wait_readable(lua_State *L, int descriptor, int64_t timeout_ms) {
    struct pollfd waits[] = {{.fd = interruption_descriptor(), .events = POLLIN},
                             {.fd = descriptor, .events = POLLIN}};
    int ready;
    do ready = poll(waits, 2, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (waits[0].revents) client_error_raise(L, STATUS_INTERRUPTED, "interrupted");
    return ready > 0;
}

static int monotonic_ms(lua_State *L) {
    lua_pushinteger(L, clock_ms());
    return 1;
}

const luaL_Reg interrupts_functions[] = {
    {"pause", pause_for},
    {"heed_interrupts", heed_interrupts},
    {"now_ms", monotonic_ms},
    {NULL, NULL},
};

// screen: see screen.h.
//
// There is one terminal, so its state is static: handlers of signals and of exit restore it.
#include "cli/screen.h"

#include "client/client_error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
#define LEAVE "\x1b[0m\x1b[?25h\x1b[?1049l"

static const int deadly[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGABRT,
                             SIGSEGV, SIGBUS,  SIGFPE, SIGILL};
enum { DEADLY = sizeof deadly / sizeof *deadly };

static struct termios before;
static atomic_bool is_open;
static int resized = -1; // an eventfd
static struct sigaction old_deadly[DEADLY], old_resize;

static void put(const char *text) {
    ssize_t ignored = write(STDOUT_FILENO, text, strlen(text));
    (void)ignored;
}

// Calls only what a handler of signals may call.
static void restore(void) {
    if (!atomic_exchange(&is_open, false)) return;
    put(LEAVE);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

// The handler is gone by now: the signal ends the process as if it had never been there.
static void on_deadly(int number) {
    restore();
    raise(number);
}

static void on_resize(int number) {
    int error = errno;
    (void)number;
    eventfd_write(resized, 1);
    errno = error;
}

// Keys come one by one, Ctrl-C too, and are not echoed.
static int set_modes(void) {
    struct termios raw = before;
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR | IGNCR);
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
}

static int enter(lua_State *L) {
    if (tcgetattr(STDIN_FILENO, &before) < 0 || set_modes() < 0)
        return client_error_raise(L, EX_IOERR, "cannot use this terminal: %s", strerror(errno));
    atomic_store(&is_open, true);
    put(ENTER);
    return 0;
}

static void heed_signals(void) {
    static bool at_exit;
    if (!at_exit) atexit(restore);
    at_exit = true;
    if (resized < 0) resized = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resized < 0) abort();
    struct sigaction end = {.sa_handler = on_deadly, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    for (size_t i = 0; i < DEADLY; i++) sigaction(deadly[i], &end, &old_deadly[i]);
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_resize}, &old_resize);
}

static int open_screen(lua_State *L) {
    heed_signals();
    return enter(L);
}

void screen_close(void) {
    if (!atomic_load(&is_open)) return;
    restore();
    for (size_t i = 0; i < DEADLY; i++) sigaction(deadly[i], &old_deadly[i], NULL);
    sigaction(SIGWINCH, &old_resize, NULL);
}

static int close_screen(lua_State *L) {
    (void)L;
    screen_close();
    return 0;
}

// As Ctrl-Z of the terminal would do it, which does not see that key now.
static int suspend(lua_State *L) {
    restore();
    raise(SIGTSTP);
    return enter(L);
}

// keys(timeout_ms) -> the bytes that were typed; nothing when the time is over or the terminal has
// another size; false when the terminal is gone.
static int read_keys(lua_State *L) {
    char bytes[256];
    struct pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = resized, .events = POLLIN}};
    lua_Integer ms = luaL_checkinteger(L, 1);
    if (poll(waits, 2, ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms) <= 0) return 0;
    eventfd_t count;
    if (waits[1].revents) eventfd_read(resized, &count);
    if (!waits[0].revents) return 0;
    ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
    if (size > 0)
        lua_pushlstring(L, bytes, (size_t)size);
    else
        lua_pushboolean(L, false);
    return 1;
}

const luaL_Reg screen_functions[] = {
    {"open_screen", open_screen},
    {"close_screen", close_screen},
    {"suspend", suspend},
    {"keys", read_keys},
    {NULL, NULL},
};

// notify: see notify.h for what it promises.
#include "serve/notify.h"

#include "base/text.h"
#include "base/xmalloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_US = 100000 };

static struct sockaddr_un address;
static socklen_t address_size; // 0: no supervisor listens
static int64_t watchdog_us;

// Leaves `address_size` at 0 for an address that is neither a path nor a name in the abstract
// namespace.
static void read_address(const char *name) {
    size_t length = name ? strlen(name) : 0;
    if (length < 2 || length >= sizeof address.sun_path || !strchr("/@", *name)) return;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, name, length);
    if (*name == '@') address.sun_path[0] = '\0'; // the abstract namespace
    address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int64_t positive(const char *text) {
    char *end;
    errno = 0;
    long long value = text ? strtoll(text, &end, 10) : 0;
    return text && end > text && !*end && !errno && value > 0 ? value : 0;
}

void notify_open(void) {
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    const char *pid = getenv("WATCHDOG_PID");
    address_size = 0;
    read_address(getenv("NOTIFY_SOCKET"));
    watchdog_us = !pid || positive(pid) == getpid() ? positive(getenv("WATCHDOG_USEC")) : 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
}

bool notify_is_heard(void) {
    return address_size > 0;
}

int64_t notify_watchdog_ms(void) {
    return notify_is_heard() ? (watchdog_us + 999) / 1000 : 0;
}

// A supervisor that reads its socket late may take a message; one that never does must not stop the
// host.
void notify_send(const char *lines) {
    if (!notify_is_heard()) return;
    int connection = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connection < 0) return;
    struct timeval patience = {.tv_usec = PATIENCE_US};
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sendto(connection, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&address,
           address_size);
    close(connection);
}

// The text may hold a message of Redis: a line break in it would begin a line of the protocol.
void notify_status(const char *lines, const char *format, ...) {
    if (!notify_is_heard()) return;
    char *text;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    if (length < 0) abort();
    char *plain = text_plain(text, (size_t)length, TEXT_LINE);
    char *message = xformat("%sSTATUS=%s", lines, plain);
    notify_send(message);
    free(message);
    free(plain);
    free(text);
}

// Messages to a supervisor, on a real socket: a path, a name in the abstract namespace, and none.
#include "serve/notify.h"

#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int socket_fd;
static char path[64];

// A name that begins with "@" stands in the abstract namespace.
static void listen_at(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    if (*name == '@') address.sun_path[0] = '\0';
    socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(socket_fd >= 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    assert_int_equal(bind(socket_fd, (struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static int set_up(void **state) {
    (void)state;
    static int number;
    snprintf(path, sizeof path, "/tmp/weir-test-notify-%d-%d", (int)getpid(), number++);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    socket_fd = -1;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    if (socket_fd >= 0) close(socket_fd);
    unlink(path);
    return 0;
}

static void assert_received(const char *expected) {
    char text[8192];
    ssize_t size = recv(socket_fd, text, sizeof text - 1, 0);
    assert_true(size >= 0);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

static void sends_to_a_path(void **state) {
    (void)state;
    listen_at(path);
    notify_open();
    assert_true(notify_is_heard());
    notify_send("READY=1");
    assert_received("READY=1");
    notify_status("READY=1\n", "%d workers", 4);
    assert_received("READY=1\nSTATUS=4 workers");
}

static void sends_to_an_abstract_name(void **state) {
    (void)state;
    char name[80];
    snprintf(name, sizeof name, "@%s", path);
    listen_at(name);
    notify_open();
    notify_send("WATCHDOG=1");
    assert_received("WATCHDOG=1");
}

static void sends_nothing_where_no_supervisor_listens(void **state) {
    (void)state;
    const char *const names[] = {"", "/", "relative/path", "vsock:2:1234", "@"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open();
        assert_false(notify_is_heard());
        notify_send("READY=1");
    }
    char long_name[256];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    setenv("NOTIFY_SOCKET", long_name, 1);
    notify_open();
    assert_false(notify_is_heard());
    setenv("NOTIFY_SOCKET", path, 1); // no socket is there
    notify_open();
    notify_status("", "goes nowhere");
}

static void a_status_is_one_line(void **state) {
    (void)state;
    listen_at(path);
    notify_open();
    notify_status("", "Redis says %s", "no\nWATCHDOG=trigger");
    assert_received("STATUS=Redis says no\\nWATCHDOG=trigger");
}

static void hides_itself_from_children(void **state) {
    (void)state;
    listen_at(path);
    setenv("WATCHDOG_USEC", "1000000", 1);
    notify_open();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    assert_int_equal(notify_watchdog_ms(), 1000);
}

static void assert_watchdog(int64_t expected_ms, const char *usec, const char *pid) {
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", usec, 1);
    unsetenv("WATCHDOG_PID");
    if (pid) setenv("WATCHDOG_PID", pid, 1);
    notify_open();
    assert_int_equal(notify_watchdog_ms(), expected_ms);
}

static void the_watchdog_of_another_process_is_not_ours(void **state) {
    (void)state;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    listen_at(path);
    assert_watchdog(30000, "30000000", pid);
    assert_watchdog(30000, "30000000", NULL);
    assert_watchdog(1, "1", pid);
    assert_watchdog(0, "30000000", "1");
    assert_watchdog(0, "30000000", "");
    assert_watchdog(0, "0", pid);
    assert_watchdog(0, "soon", pid);
    unsetenv("NOTIFY_SOCKET");
    setenv("WATCHDOG_USEC", "30000000", 1);
    notify_open();
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sends_to_a_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_to_an_abstract_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_nothing_where_no_supervisor_listens, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_status_is_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hides_itself_from_children, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_watchdog_of_another_process_is_not_ours, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The private redis-server: it answers when it was started, keeps what it should, and never stays
// behind.
#include "serve/private_redis.h"
#include "serve/process.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

static char folder[64], kept[80];
static char fault[PRIVATE_REDIS_FAULT_SIZE];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/weir-unit-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(kept, sizeof kept, "%s/.weir", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int connection = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) return connection;
    close(connection);
    return -1;
}

// The first bytes of the answer to an inline command.
static void assert_answers(const RedisAddress *address, const char *command, const char *answer) {
    char reply[64] = "";
    int connection = connect_to(address->socket);
    assert_true(connection >= 0);
    assert_int_equal(write(connection, command, strlen(command)), strlen(command));
    assert_true(read(connection, reply, sizeof reply - 1) > 0);
    assert_int_equal(strncmp(reply, answer, strlen(answer)), 0);
    close(connection);
}

static void test_a_temporary_server_leaves_nothing(void **state) {
    (void)state;
    PrivateRedis *server;
    RedisAddress address = {0};
    struct stat status;
    assert_int_equal(private_redis_start(&server, NULL, "everysec", &address, fault), 0);
    assert_answers(&address, "CONFIG GET appendfsync\r\n",
                   "*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec");
    private_redis_stop(server);
    assert_int_equal(stat(address.socket, &status), -1);
    *strrchr((char *)address.socket, '/') = '\0';
    assert_int_equal(stat(address.socket, &status), -1);
    address_free(&address);
}

static void test_a_folder_keeps_its_data(void **state) {
    (void)state;
    PrivateRedis *server;
    RedisAddress address = {0};
    assert_int_equal(private_redis_start(&server, kept, "everysec", &address, fault), 0);
    assert_answers(&address, "SET a 5\r\n", "+OK");
    private_redis_stop(server);
    address_free(&address);
    assert_int_equal(private_redis_start(&server, kept, "always", &address, fault), 0);
    assert_answers(&address, "GET a\r\n", "$1\r\n5");
    private_redis_stop(server);
    address_free(&address);
}

static void test_a_folder_has_one_server(void **state) {
    (void)state;
    PrivateRedis *first, *second;
    RedisAddress address = {0}, none = {0};
    assert_int_equal(private_redis_start(&first, kept, "everysec", &address, fault), 0);
    assert_int_equal(private_redis_start(&second, kept, "everysec", &none, fault), UV_EBUSY);
    char said[256];
    snprintf(said, sizeof said, "weir dev is running here already (pid %d, %s)", getpid(), kept);
    assert_string_equal(fault, said);
    assert_null(second);
    private_redis_stop(first);
    address_free(&address);
}

static void test_a_long_path_has_its_socket_elsewhere(void **state) {
    (void)state;
    char path[256];
    int length = snprintf(path, sizeof path, "%s/", folder);
    memset(path + length, 'x', 100);
    path[length + 100] = '\0';
    PrivateRedis *server;
    RedisAddress address = {0};
    assert_int_equal(private_redis_start(&server, path, "everysec", &address, fault), 0);
    assert_true(strlen(address.socket) < 108);
    assert_answers(&address, "PING\r\n", "+PONG");
    private_redis_stop(server);
    address_free(&address);
}

// Killed as it cannot catch: the server goes all the same, and the folder can be had again.
static void test_it_dies_with_its_parent(void **state) {
    (void)state;
    PrivateRedis *server;
    RedisAddress address = {0};
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t parent = fork();
    if (parent == 0) {
        bool started = private_redis_start(&server, kept, "everysec", &address, fault) == 0;
        if (write(ready[1], &started, sizeof started) < 0) _exit(1);
        for (;;) pause();
    }
    bool started = false;
    assert_int_equal(read(ready[0], &started, sizeof started), sizeof started);
    assert_true(started);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    assert_int_equal(private_redis_start(&server, kept, "everysec", &address, fault), 0);
    private_redis_stop(server);
    address_free(&address);
    close(ready[0]);
    close(ready[1]);
}

static void test_a_missing_server_is_named(void **state) {
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    setenv("PATH", folder, 1);
    PrivateRedis *server;
    RedisAddress address = {0};
    assert_int_equal(private_redis_start(&server, NULL, "everysec", &address, fault), UV_ENOENT);
    assert_string_equal(fault, "there is no redis-server: apt-get install redis-server");
    setenv("PATH", path, 1);
}

// As another user may have put it there.
static void assert_refuses(const char *why) {
    PrivateRedis *server;
    RedisAddress address = {0};
    char said[256];
    snprintf(said, sizeof said, why, kept);
    assert_int_equal(private_redis_start(&server, kept, "everysec", &address, fault), UV_EACCES);
    assert_string_equal(fault, said);
    assert_null(server);
}

static void test_a_folder_of_others_is_refused(void **state) {
    (void)state;
    assert_int_equal(mkdir(kept, 0700) | chmod(kept, 0770), 0);
    assert_refuses("others may write to %s: look at what it holds, then chmod 700 it");
    assert_int_equal(chmod(kept, 0702), 0);
    assert_refuses("others may write to %s: look at what it holds, then chmod 700 it");
    assert_int_equal(chmod(kept, 0700), 0);
    if (chown(kept, 65534, (gid_t)-1) == 0) assert_refuses("%s belongs to user nobody");
    assert_int_equal(rmdir(kept) | symlink("/tmp", kept), 0);
    assert_refuses("%s is no folder, or a link to one");
}

static void test_a_file_that_is_a_link_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"lock", "redis.lock", "url.new", "redis.log"};
    char victim[128], path[128], text[16] = "";
    snprintf(victim, sizeof victim, "%s/victim", folder);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PrivateRedis *server;
        RedisAddress address = {0};
        FILE *file = fopen(victim, "w+");
        assert_non_null(file);
        assert_true(fputs("precious", file) >= 0 && fflush(file) == 0);
        snprintf(path, sizeof path, "%s/%s", kept, names[i]);
        mkdir(kept, 0700);
        assert_int_equal(symlink(victim, path), 0);
        assert_true(private_redis_start(&server, kept, "everysec", &address, fault) < 0);
        rewind(file);
        assert_non_null(fgets(text, sizeof text, file));
        assert_string_equal(text, "precious");
        fclose(file);
        unlink(path);
    }
}

// Also where the folder was there, copied or unpacked, with another mode.
static void test_nobody_else_may_read_the_data(void **state) {
    (void)state;
    PrivateRedis *server;
    RedisAddress address = {0};
    struct stat about;
    char path[128];
    mode_t before = umask(0);
    assert_int_equal(mkdir(kept, 0755), 0);
    assert_int_equal(private_redis_start(&server, kept, "everysec", &address, fault), 0);
    umask(before);
    const char *const names[] = {"", "lock", "url", "redis.log", "appendonlydir"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", kept, names[i]);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_mode & 077, 0);
    }
    private_redis_stop(server);
    address_free(&address);
}

static void test_who_is_alive(void **state) {
    (void)state;
    ProcessIdentity self = process_identity();
    assert_int_equal(self.pid, getpid());
    assert_int_equal(strlen(self.boot), 36);
    assert_true(process_is_alive(self.pid, self.started));
    assert_false(process_is_alive(self.pid, self.started + 1));
    pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t ended;
    waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT);
    assert_false(process_is_alive(child, self.started)); // a zombie is dead
    waitpid(child, NULL, 0);
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_a_temporary_server_leaves_nothing),
        IN_A_FOLDER(test_a_folder_keeps_its_data),
        IN_A_FOLDER(test_a_folder_has_one_server),
        IN_A_FOLDER(test_a_long_path_has_its_socket_elsewhere),
        IN_A_FOLDER(test_it_dies_with_its_parent),
        IN_A_FOLDER(test_a_missing_server_is_named),
        IN_A_FOLDER(test_a_folder_of_others_is_refused),
        IN_A_FOLDER(test_a_file_that_is_a_link_is_refused),
        IN_A_FOLDER(test_nobody_else_may_read_the_data),
        cmocka_unit_test(test_who_is_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

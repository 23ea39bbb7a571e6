// private_redis: starts redis-server, waits until it answers, stops it.
//
// A folder that is kept has two locks. This process holds `lock`, so that a second `weir dev` is
// refused at once. redis-server inherits `redis.lock`: after its parent was killed it may live for
// another moment, and the next server waits for its end. Two servers would ruin the append-only
// file.
#include "serve/private_redis.h"

#include "base/clock.h"
#include "base/parent.h"
#include "base/private_folder.h"
#include "base/xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

// Time limits of a server: to end after its parent died, to read its data, to write its data.
enum { LOCK_MS = 10000, READY_MS = 60000, STOP_MS = 10000 };

struct PrivateRedis {
    char *data;      // folder of the server's files
    int folder;      // the same, opened
    char *temporary; // folder to remove at the end, or NULL
    char *socket;
    bool kept;
    int lock;
    int redis_lock;
    pid_t pid; // 0: no server runs
    char *fault;
};

__attribute__((format(printf, 3, 4))) static int fail(PrivateRedis *server, int status,
                                                      const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(server->fault, PRIVATE_REDIS_FAULT_SIZE, format, values);
    va_end(values);
    return status;
}

// ---- its folder ---------------------------------------------------------------------------------

static int make_temporary(PrivateRedis *server) {
    // TMPDIR is not used when it is long: the path of a socket has room for 107 bytes
    const char *tmp = getenv("TMPDIR");
    if (!tmp || *tmp != '/' || strlen(tmp) > 60) tmp = "/tmp";
    server->temporary = xformat("%s/weir-XXXXXX", tmp);
    if (mkdtemp(server->temporary)) return 0;
    int status = -errno;
    fail(server, status, "cannot make a folder in %s: %s", tmp, uv_strerror(status));
    free(server->temporary);
    server->temporary = NULL;
    return status;
}

static int open_lock(PrivateRedis *server, const char *name, int *lock) {
    *lock = private_folder_file(server->folder, name, O_RDWR | O_CREAT);
    if (*lock >= 0) return 0;
    return fail(server, *lock, "cannot open %s/%s: %s", server->data, name, uv_strerror(*lock));
}

// Lets one process have the folder. The lock file has its pid, which the error of a later one
// names.
static int take_folder(PrivateRedis *server) {
    int status = open_lock(server, "lock", &server->lock);
    if (status < 0) return status;
    if (flock(server->lock, LOCK_EX | LOCK_NB) < 0) {
        char holder[32] = "";
        if (pread(server->lock, holder, sizeof holder - 1, 0) < 0) holder[0] = '\0';
        return fail(server, UV_EBUSY, "weir dev is running here already (pid %s, %s)", holder,
                    server->data);
    }
    if (ftruncate(server->lock, 0) < 0 || dprintf(server->lock, "%ld", (long)getpid()) < 0) {
        status = -errno;
        return fail(server, status, "cannot write in %s: %s", server->data, uv_strerror(status));
    }
    return 0;
}

static int write_text(PrivateRedis *server, const char *name, int flags, const char *text) {
    int file = private_folder_file(server->folder, name, O_WRONLY | O_CREAT | flags);
    int status = file < 0 ? file : 0;
    if (status == 0 && write(file, text, strlen(text)) < 0) status = -errno;
    if (file >= 0) close(file);
    if (status == 0) return 0;
    return fail(server, status, "cannot write %s/%s: %s", server->data, name, uv_strerror(status));
}

// Keeps the data out of git.
static int hide(PrivateRedis *server) {
    int status = write_text(server, ".gitignore", O_EXCL, "*\n");
    return status == UV_EEXIST ? 0 : status;
}

static int wait_for_last_server(PrivateRedis *server) {
    int status = open_lock(server, "redis.lock", &server->redis_lock);
    if (status < 0) return status;
    int64_t end = clock_ms() + LOCK_MS;
    while (flock(server->redis_lock, LOCK_EX | LOCK_NB) < 0) {
        if (clock_ms() > end)
            return fail(server, UV_EBUSY, "a redis-server still uses %s; stop it first",
                        server->data);
        uv_sleep(1);
    }
    return 0;
}

// Commands in this folder or below read the address from here when no --redis is given.
static int write_url(PrivateRedis *server) {
    char *text = xformat("unix://%s\n", server->socket);
    int status = write_text(server, "url.new", O_TRUNC, text), folder = server->folder;
    free(text);
    if (status < 0 || renameat(folder, "url.new", folder, "url") == 0) return status;
    status = -errno;
    return fail(server, status, "cannot write %s/url: %s", server->data, uv_strerror(status));
}

// Checks that the folder can be trusted. From here on only this user can read the data in it.
static int open_folder(PrivateRedis *server) {
    char why[PRIVATE_FOLDER_FAULT_SIZE];
    server->folder = private_folder_open(server->data, why);
    if (server->folder < 0) return fail(server, server->folder, "%s", why);
    if (fchmod(server->folder, 0700) == 0) return 0;
    int status = -errno;
    return fail(server, status, "cannot chmod %s: %s", server->data, uv_strerror(status));
}

static int open_kept(PrivateRedis *server, const char *folder) {
    char here[PATH_MAX];
    if ((mkdir(folder, 0700) < 0 && errno != EEXIST) || !getcwd(here, sizeof here)) {
        int status = -errno;
        return fail(server, status, "cannot make %s: %s", folder, uv_strerror(status));
    }
    server->data = *folder == '/' ? xstrdup(folder) : xformat("%s/%s", here, folder);
    int status = open_folder(server);
    if (status == 0) status = take_folder(server);
    if (status == 0) status = hide(server);
    if (status == 0) status = wait_for_last_server(server);
    if (status < 0) return status;

    server->socket = xformat("%s/redis.sock", server->data);
    if (strlen(server->socket) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        status = make_temporary(server);
        if (status < 0) return status;
        free(server->socket);
        server->socket = xformat("%s/redis.sock", server->temporary);
    }
    return write_url(server);
}

static int open_temporary(PrivateRedis *server) {
    int status = make_temporary(server);
    if (status < 0) return status;
    server->data = xstrdup(server->temporary);
    server->socket = xformat("%s/redis.sock", server->data);
    return open_folder(server);
}

// ---- the server ---------------------------------------------------------------------------------

// In the child. Returns only when redis-server cannot be started.
static void become_server(const PrivateRedis *server, const char *durability, pid_t parent) {
    // in a process group of its own: ^C must reach the host alone, which stops the server at its
    // end
    setpgid(0, 0);
    parent_follow(parent, server->kept ? SIGTERM : SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (server->redis_lock >= 0) fcntl(server->redis_lock, F_SETFD, 0);
    umask(077); // its files hold the data of all runs
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = private_folder_file(server->folder, "redis.log", O_WRONLY | O_CREAT | O_APPEND);
    if (in < 0 || out < 0 || fchdir(server->folder) < 0) return;
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);

    bool none_kept = strcmp(durability, "none") == 0;
    // clang-format off
    execlp("redis-server", "redis-server", "--port", "0",
           "--unixsocket", server->socket, "--unixsocketperm", "700",
           "--dir", ".", "--save", "",
           "--appendonly", none_kept ? "no" : "yes",
           "--appendfsync", none_kept ? "no" : durability,
           "--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no",
           (char *)NULL);
    // clang-format on
}

static int spawn(PrivateRedis *server, const char *durability) {
    int report[2]; // exec closes it; if exec fails, the child writes errno to it
    if (pipe2(report, O_CLOEXEC) < 0)
        return fail(server, -errno, "cannot make a pipe: %s", strerror(errno));
    unlink(server->socket); // a left-over socket would accept no connection
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0) {
        become_server(server, durability, parent);
        int why = errno;
        _exit(write(report[1], &why, sizeof why) == sizeof why ? 127 : 126);
    }
    int why = errno;
    close(report[1]);
    bool failed = server->pid < 0 || read(report[0], &why, sizeof why) == sizeof why;
    close(report[0]);
    if (!failed) return 0;
    if (server->pid > 0) waitpid(server->pid, NULL, 0);
    server->pid = 0;
    if (why == ENOENT)
        return fail(server, UV_ENOENT, "there is no redis-server: apt-get install redis-server");
    return fail(server, -why, "cannot start redis-server: %s", strerror(why));
}

// Whether the server answers a PING. While it reads its data it answers -LOADING.
static bool answers(const PrivateRedis *server) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, server->socket, strlen(server->socket) + 1);
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reply[5] = "";
    bool pong = connection >= 0 &&
                connect(connection, (struct sockaddr *)&address, sizeof address) == 0 &&
                write(connection, "PING\r\n", 6) == 6 &&
                read(connection, reply, sizeof reply) == sizeof reply &&
                memcmp(reply, "+PONG", sizeof reply) == 0;
    if (connection >= 0) close(connection);
    return pong;
}

// Finds the last line of the server's log, which says why it ended.
static void last_words(const PrivateRedis *server, char *line, int size) {
    int descriptor = private_folder_file(server->folder, "redis.log", O_RDONLY);
    FILE *log = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    snprintf(line, (size_t)size, "its log %s/redis.log is empty", server->data);
    if (log) {
        while (fgets(line, size, log)) {
        }
        line[strcspn(line, "\n")] = '\0';
        fclose(log);
    }
}

static int wait_ready(PrivateRedis *server) {
    for (int64_t end = clock_ms() + READY_MS; !answers(server); uv_sleep(1)) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            char line[256];
            last_words(server, line, sizeof line);
            return fail(server, UV_EIO, "redis-server ended: %s", line);
        }
        if (clock_ms() > end)
            return fail(server, UV_ETIMEDOUT, "redis-server did not answer within a minute");
    }
    return 0;
}

static void stop_server(PrivateRedis *server) {
    if (!server->pid) return;
    // a temporary folder is removed, so its data need not be written
    kill(server->pid, server->kept ? SIGTERM : SIGKILL);
    int64_t end = clock_ms() + STOP_MS;
    while (waitpid(server->pid, NULL, WNOHANG) == 0) {
        if (clock_ms() > end) kill(server->pid, SIGKILL);
        uv_sleep(1);
    }
    server->pid = 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    remove(path);
    return 0;
}

int private_redis_start(PrivateRedis **result, const char *folder, const char *durability,
                        RedisAddress *address, char fault[PRIVATE_REDIS_FAULT_SIZE]) {
    PrivateRedis *server = xmalloc(sizeof *server);
    *server =
        (PrivateRedis){.kept = folder, .folder = -1, .lock = -1, .redis_lock = -1, .fault = fault};
    *result = NULL;

    int status = folder ? open_kept(server, folder) : open_temporary(server);
    if (status == 0) status = spawn(server, durability);
    if (status == 0) status = wait_ready(server);
    if (status < 0) {
        private_redis_stop(server);
        return status;
    }
    // the address outlives the server: messages at the end still name it
    address_free(address);
    *address = (RedisAddress){.url = xformat("unix://%s", server->socket)};
    address->socket = address->url + strlen("unix://");
    *result = server;
    return 0;
}

void private_redis_stop(PrivateRedis *server) {
    if (!server) return;
    stop_server(server);
    if (server->temporary) nftw(server->temporary, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    // the locks are the last: the next owner finds no server running
    if (server->redis_lock >= 0) close(server->redis_lock);
    if (server->lock >= 0) close(server->lock);
    if (server->folder >= 0) close(server->folder);
    free(server->data);
    free(server->temporary);
    free(server->socket);
    free(server);
}

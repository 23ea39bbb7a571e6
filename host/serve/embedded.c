// embedded: starts redis-server, waits until it answers, stops it.
//
// A kept folder has two locks: `lock` is this process' own, and says at once that another `weir
// dev` is here; `redis.lock` is the server's, inherited, so that a server that outlives a killed
// parent by a moment is waited for: two servers on one append-only file would ruin it.
#include "serve/embedded.h"
#include "base/folder.h"
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

// How long a server may take: to go after its parent died, to read its data, to write it.
enum { LOCK_MS = 10000, READY_MS = 60000, STOP_MS = 10000 };

struct Embedded {
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

__attribute__((format(printf, 3, 4))) static int fail(Embedded *embedded, int status,
                                                      const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(embedded->fault, EMBEDDED_FAULT_SIZE, format, values);
    va_end(values);
    return status;
}

static uint64_t now_ms(void) {
    return uv_hrtime() / 1000000;
}

// ---- its folder ---------------------------------------------------------------------------------

static int make_temporary(Embedded *embedded) {
    // not TMPDIR when that is long: a socket's path has room for 107 bytes
    const char *tmp = getenv("TMPDIR");
    if (!tmp || *tmp != '/' || strlen(tmp) > 60) tmp = "/tmp";
    embedded->temporary = xformat("%s/weir-XXXXXX", tmp);
    if (mkdtemp(embedded->temporary)) return 0;
    int status = -errno;
    fail(embedded, status, "cannot make a folder in %s: %s", tmp, uv_strerror(status));
    free(embedded->temporary);
    embedded->temporary = NULL;
    return status;
}

static int open_lock(Embedded *embedded, const char *name, int *lock) {
    *lock = folder_file(embedded->folder, name, O_RDWR | O_CREAT);
    if (*lock >= 0) return 0;
    return fail(embedded, *lock, "cannot open %s/%s: %s", embedded->data, name, uv_strerror(*lock));
}

// One process has the folder. Its pid stands in the lock for those who come later.
static int take_folder(Embedded *embedded) {
    int status = open_lock(embedded, "lock", &embedded->lock);
    if (status < 0) return status;
    if (flock(embedded->lock, LOCK_EX | LOCK_NB) < 0) {
        char holder[32] = "";
        if (pread(embedded->lock, holder, sizeof holder - 1, 0) < 0) holder[0] = '\0';
        return fail(embedded, UV_EBUSY, "weir dev is running here already (pid %s, %s)", holder,
                    embedded->data);
    }
    if (ftruncate(embedded->lock, 0) < 0 || dprintf(embedded->lock, "%ld", (long)getpid()) < 0) {
        status = -errno;
        return fail(embedded, status, "cannot write in %s: %s", embedded->data,
                    uv_strerror(status));
    }
    return 0;
}

static int write_text(Embedded *embedded, const char *name, int flags, const char *text) {
    int file = folder_file(embedded->folder, name, O_WRONLY | O_CREAT | flags);
    int status = file < 0 ? file : 0;
    if (status == 0 && write(file, text, strlen(text)) < 0) status = -errno;
    if (file >= 0) close(file);
    if (status == 0) return 0;
    return fail(embedded, status, "cannot write %s/%s: %s", embedded->data, name,
                uv_strerror(status));
}

// The data of a machine is nothing to commit.
static int hide(Embedded *embedded) {
    int status = write_text(embedded, ".gitignore", O_EXCL, "*\n");
    return status == UV_EEXIST ? 0 : status;
}

static int wait_for_last_server(Embedded *embedded) {
    int status = open_lock(embedded, "redis.lock", &embedded->redis_lock);
    if (status < 0) return status;
    uint64_t end = now_ms() + LOCK_MS;
    while (flock(embedded->redis_lock, LOCK_EX | LOCK_NB) < 0) {
        if (now_ms() > end)
            return fail(embedded, UV_EBUSY, "a redis-server still has %s; end it first",
                        embedded->data);
        uv_sleep(1);
    }
    return 0;
}

// What clients in this folder, or below, find when they are not told of a Redis.
static int write_url(Embedded *embedded) {
    char *text = xformat("unix://%s\n", embedded->socket);
    int status = write_text(embedded, "url.new", O_TRUNC, text), folder = embedded->folder;
    free(text);
    if (status < 0 || renameat(folder, "url.new", folder, "url") == 0) return status;
    status = -errno;
    return fail(embedded, status, "cannot write %s/url: %s", embedded->data, uv_strerror(status));
}

// From here on it is trusted, and the data in it is for this user's eyes alone.
static int open_folder(Embedded *embedded) {
    char why[FOLDER_FAULT_SIZE];
    embedded->folder = folder_open(embedded->data, why);
    if (embedded->folder < 0) return fail(embedded, embedded->folder, "%s", why);
    if (fchmod(embedded->folder, 0700) == 0) return 0;
    int status = -errno;
    return fail(embedded, status, "cannot chmod %s: %s", embedded->data, uv_strerror(status));
}

static int open_kept(Embedded *embedded, const char *folder) {
    char here[PATH_MAX];
    if ((mkdir(folder, 0700) < 0 && errno != EEXIST) || !getcwd(here, sizeof here)) {
        int status = -errno;
        return fail(embedded, status, "cannot make %s: %s", folder, uv_strerror(status));
    }
    embedded->data = *folder == '/' ? xstrdup(folder) : xformat("%s/%s", here, folder);
    int status = open_folder(embedded);
    if (status == 0) status = take_folder(embedded);
    if (status == 0) status = hide(embedded);
    if (status == 0) status = wait_for_last_server(embedded);
    if (status < 0) return status;

    embedded->socket = xformat("%s/redis.sock", embedded->data);
    if (strlen(embedded->socket) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        status = make_temporary(embedded);
        if (status < 0) return status;
        free(embedded->socket);
        embedded->socket = xformat("%s/redis.sock", embedded->temporary);
    }
    return write_url(embedded);
}

static int open_temporary(Embedded *embedded) {
    int status = make_temporary(embedded);
    if (status < 0) return status;
    embedded->data = xstrdup(embedded->temporary);
    embedded->socket = xformat("%s/redis.sock", embedded->data);
    return open_folder(embedded);
}

// ---- the server ---------------------------------------------------------------------------------

// In the child. Returns only when redis-server cannot be started.
static void become_server(const Embedded *embedded, const char *durability, pid_t parent) {
    // a group of its own: ^C is for the host, which stops the server when it needs it no more
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, embedded->kept ? SIGTERM : SIGKILL);
    if (getppid() != parent) _exit(0); // it died before the line above
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (embedded->redis_lock >= 0) fcntl(embedded->redis_lock, F_SETFD, 0);
    umask(077); // its files hold the data of all runs
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = folder_file(embedded->folder, "redis.log", O_WRONLY | O_CREAT | O_APPEND);
    if (in < 0 || out < 0 || fchdir(embedded->folder) < 0) return;
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);

    bool none_kept = strcmp(durability, "none") == 0;
    // clang-format off
    execlp("redis-server", "redis-server", "--port", "0",
           "--unixsocket", embedded->socket, "--unixsocketperm", "700",
           "--dir", ".", "--save", "",
           "--appendonly", none_kept ? "no" : "yes",
           "--appendfsync", none_kept ? "no" : durability,
           "--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no",
           (char *)NULL);
    // clang-format on
}

static int spawn(Embedded *embedded, const char *durability) {
    int report[2]; // closed by exec, or tells why there was none
    if (pipe2(report, O_CLOEXEC) < 0)
        return fail(embedded, -errno, "cannot make a pipe: %s", strerror(errno));
    unlink(embedded->socket); // one left over would be connected to in vain
    pid_t parent = getpid();
    embedded->pid = fork();
    if (embedded->pid == 0) {
        become_server(embedded, durability, parent);
        int why = errno;
        _exit(write(report[1], &why, sizeof why) == sizeof why ? 127 : 126);
    }
    int why = errno;
    close(report[1]);
    bool failed = embedded->pid < 0 || read(report[0], &why, sizeof why) == sizeof why;
    close(report[0]);
    if (!failed) return 0;
    if (embedded->pid > 0) waitpid(embedded->pid, NULL, 0);
    embedded->pid = 0;
    if (why == ENOENT)
        return fail(embedded, UV_ENOENT, "there is no redis-server: apt-get install redis-server");
    return fail(embedded, -why, "cannot start redis-server: %s", strerror(why));
}

// Whether it answers a PING; while it reads its data it says -LOADING.
static bool answers(const Embedded *embedded) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, embedded->socket, strlen(embedded->socket) + 1);
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

// The last line of its log: why it ended.
static void last_words(const Embedded *embedded, char *line, int size) {
    int descriptor = folder_file(embedded->folder, "redis.log", O_RDONLY);
    FILE *log = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    snprintf(line, (size_t)size, "it says nothing in %s/redis.log", embedded->data);
    if (log) {
        while (fgets(line, size, log)) {
        }
        line[strcspn(line, "\n")] = '\0';
        fclose(log);
    }
}

static int wait_ready(Embedded *embedded) {
    for (uint64_t end = now_ms() + READY_MS; !answers(embedded); uv_sleep(1)) {
        if (waitpid(embedded->pid, NULL, WNOHANG) == embedded->pid) {
            embedded->pid = 0;
            char line[256];
            last_words(embedded, line, sizeof line);
            return fail(embedded, UV_EIO, "redis-server ended: %s", line);
        }
        if (now_ms() > end)
            return fail(embedded, UV_ETIMEDOUT, "redis-server did not answer within a minute");
    }
    return 0;
}

static void stop_server(Embedded *embedded) {
    if (!embedded->pid) return;
    // data that goes with it need not be written
    kill(embedded->pid, embedded->kept ? SIGTERM : SIGKILL);
    uint64_t end = now_ms() + STOP_MS;
    while (waitpid(embedded->pid, NULL, WNOHANG) == 0) {
        if (now_ms() > end) kill(embedded->pid, SIGKILL);
        uv_sleep(1);
    }
    embedded->pid = 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    remove(path);
    return 0;
}

int embedded_start(Embedded **result, const char *folder, const char *durability,
                   RedisAddress *address, char fault[EMBEDDED_FAULT_SIZE]) {
    Embedded *embedded = xmalloc(sizeof *embedded);
    *embedded =
        (Embedded){.kept = folder, .folder = -1, .lock = -1, .redis_lock = -1, .fault = fault};
    *result = NULL;

    int status = folder ? open_kept(embedded, folder) : open_temporary(embedded);
    if (status == 0) status = spawn(embedded, durability);
    if (status == 0) status = wait_ready(embedded);
    if (status < 0) {
        embedded_stop(embedded);
        return status;
    }
    // the address outlives the server: it is still named in what is said at the end
    *address = (RedisAddress){.url = xformat("unix://%s", embedded->socket)};
    address->socket = address->url + strlen("unix://");
    *result = embedded;
    return 0;
}

void embedded_stop(Embedded *embedded) {
    if (!embedded) return;
    stop_server(embedded);
    if (embedded->temporary) nftw(embedded->temporary, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    // the locks last: whoever takes them finds nothing running
    if (embedded->redis_lock >= 0) close(embedded->redis_lock);
    if (embedded->lock >= 0) close(embedded->lock);
    if (embedded->folder >= 0) close(embedded->folder);
    free(embedded->data);
    free(embedded->temporary);
    free(embedded->socket);
    free(embedded);
}

// new_file: see new_file.h.
#include "base/new_file.h"
#include "base/xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

static void make_folders(const char *path) {
    char *folder = xstrdup(path);
    for (char *slash = folder; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(folder, 0777); // opening the file tells what was wrong
        *slash = '/';
    }
    free(folder);
}

static int write_all(int file, const char *text, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

static int write_file(const char *path, int flags, const char *text, size_t size, bool synced) {
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    if (file < 0) return -errno;
    int status = write_all(file, text, size);
    if (status == 0 && synced && fsync(file) < 0) status = -errno;
    if (close(file) < 0 && status == 0) status = -errno;
    if (status < 0) unlink(path);
    return status;
}

int new_file_create(const char *path, const char *text, size_t size) {
    make_folders(path);
    return write_file(path, O_EXCL, text, size, false);
}

// The new name of a file is on the disk when the folder is.
static int sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? xmemdup0(path, (size_t)(slash - path) + 1) : xstrdup(".");
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = file < 0 || fsync(file) < 0 ? -errno : 0;
    if (file >= 0) close(file);
    free(folder);
    return status;
}

static int replace(const char *path, const char *text, size_t size, bool synced) {
    char *next = xformat("%s.%ld.new", path, (long)getpid());
    make_folders(path);
    int status = write_file(next, O_TRUNC | O_NOFOLLOW, text, size, synced);
    if (status == 0 && rename(next, path) < 0) status = -errno;
    if (status < 0) unlink(next);
    if (status == 0 && synced) status = sync_folder(path);
    free(next);
    return status;
}

int new_file_replace(const char *path, const char *text, size_t size) {
    return replace(path, text, size, false);
}

int new_file_keep(const char *path, const char *text, size_t size) {
    return replace(path, text, size, true);
}

// private_folder: checks the folder that it has opened, not its name, which may soon be that of
// another folder.
#include "base/private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

static void say_owner(const char *path, uid_t owner, char fault[PRIVATE_FOLDER_FAULT_SIZE]) {
    const struct passwd *user = getpwuid(owner);
    if (user)
        snprintf(fault, PRIVATE_FOLDER_FAULT_SIZE, "%s belongs to user %s", path, user->pw_name);
    else
        snprintf(fault, PRIVATE_FOLDER_FAULT_SIZE, "%s belongs to user %u", path, owner);
}

static bool is_trusted(int folder, const char *path, char fault[PRIVATE_FOLDER_FAULT_SIZE]) {
    struct stat about;
    if (fstat(folder, &about) < 0) {
        snprintf(fault, PRIVATE_FOLDER_FAULT_SIZE, "cannot read %s: %s", path, uv_strerror(-errno));
        return false;
    }
    if (about.st_uid != geteuid()) {
        say_owner(path, about.st_uid, fault);
        return false;
    }
    if (about.st_mode & (S_IWGRP | S_IWOTH)) {
        snprintf(fault, PRIVATE_FOLDER_FAULT_SIZE,
                 "others may write to %s: look at what it holds, then chmod 700 it", path);
        return false;
    }
    return true;
}

int private_folder_open(const char *path, char fault[PRIVATE_FOLDER_FAULT_SIZE]) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) {
        int status = -errno;
        bool other = status == UV_ENOTDIR || status == UV_ELOOP; // so the kernel calls a link
        snprintf(fault, PRIVATE_FOLDER_FAULT_SIZE,
                 other ? "%s is no folder, or a link to one" : "%s: %s", path, uv_strerror(status));
        return other ? UV_EACCES : status;
    }
    if (is_trusted(folder, path, fault)) return folder;
    close(folder);
    return UV_EACCES;
}

int private_folder_file(int folder, const char *name, int flags) {
    int file = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    return file < 0 ? -errno : file;
}

// password_file: see password_file.h.
#include "base/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(char fault[PASSWORD_FAULT_SIZE], const char *path, const char *why) {
    snprintf(fault, PASSWORD_FAULT_SIZE, "%s %s", path, why);
    return false;
}

// Reads the file, as far as there is room. Less than 0: errno says why not.
static ssize_t read_all(int descriptor, char *bytes, size_t room) {
    size_t size = 0;
    while (size < room) {
        ssize_t count = read(descriptor, bytes + size, room - size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return count;
        if (count == 0) break;
        size += (size_t)count;
    }
    return (ssize_t)size;
}

bool password_file_read(const char *path, char password[PASSWORD_SIZE], bool *open_to_all,
                        char fault[PASSWORD_FAULT_SIZE]) {
    struct stat about;
    // O_NONBLOCK: a pipe that no program writes to must not stop a host
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool opened = descriptor >= 0 && fstat(descriptor, &about) == 0;
    ssize_t size = opened ? read_all(descriptor, password, PASSWORD_SIZE) : -1;
    int error = errno;
    if (descriptor >= 0) close(descriptor);
    if (size < 0) {
        snprintf(fault, PASSWORD_FAULT_SIZE, "cannot read %s: %s", path, strerror(error));
        return false;
    }
    *open_to_all = about.st_mode & S_IROTH;
    if (size == PASSWORD_SIZE) return refuse(fault, path, "is too long for a password");
    if (size > 0 && password[size - 1] == '\n') size--;
    if (size > 0 && password[size - 1] == '\r') size--;
    password[size] = '\0';
    if (size == 0) return refuse(fault, path, "is empty; it must hold the password");
    if (memchr(password, '\n', (size_t)size) || strlen(password) != (size_t)size)
        return refuse(fault, path, "must hold the password and nothing else");
    return true;
}

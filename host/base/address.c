// address: reads redis:// and unix:// URLs.
//
// A message about a URL never repeats it, as it may hold a password.
#include "base/address.h"
#include "base/xmalloc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define LOGIN_FORM "[user:password@]" // as people are shown where it stands

static bool parse_number(const char *text, long most, long *number) {
    char *end;
    *number = strtol(text, &end, 10);
    return isdigit((unsigned char)*text) && !*end && *number <= most;
}

// The bytes that %XX stand for; NULL when they are none, or a NUL.
static char *decode_percent(const char *text, size_t length) {
    char *decoded = xmalloc(length + 1), *out = decoded;
    for (const char *end = text + length; text < end; text++) {
        unsigned byte = (unsigned char)*text;
        if (byte == '%') {
            char digits[3] = {0};
            if (end - text < 3 || !isxdigit((unsigned char)text[1]) ||
                !isxdigit((unsigned char)text[2]))
                byte = 0;
            else {
                memcpy(digits, text + 1, 2);
                byte = (unsigned)strtoul(digits, NULL, 16);
                text += 2;
            }
            if (byte == 0) {
                free(decoded);
                return NULL;
            }
        }
        *out++ = (char)byte;
    }
    *out = '\0';
    return decoded;
}

static bool parse_login(RedisAddress *address, const char *login, size_t length) {
    const char *colon = memchr(login, ':', length);
    size_t user = colon ? (size_t)(colon - login) : length;
    if (user) address->user = decode_percent(login, user);
    if (colon) address->password = decode_percent(colon + 1, length - user - 1);
    return (!user || address->user) && (!colon || address->password);
}

// host, host:port, [::1]:port
static bool parse_host(RedisAddress *address, const char *text, size_t length) {
    const char *end = text + length;
    bool bracket = length && *text == '[';
    const char *stop = memchr(text, bracket ? ']' : ':', length);
    if (bracket && !stop) return false;
    const char *name_end = stop ? stop : end;
    const char *rest = bracket ? stop + 1 : name_end;
    address->host = strndup(text + bracket, (size_t)(name_end - text) - bracket);
    if (!address->host) abort();
    if (rest == end) return *address->host;

    char *port = strndup(rest + 1, (size_t)(end - rest) - 1);
    if (!port) abort();
    long number = 0;
    bool valid = *rest == ':' && parse_number(port, 65535, &number) && number > 0;
    free(port);
    address->port = (int)number;
    return valid && *address->host;
}

static bool parse_tcp(RedisAddress *address, const char *text) {
    size_t length = strcspn(text, "/");
    const char *path = text + length;
    const char *at = memrchr(text, '@', length);
    if (at && !parse_login(address, text, (size_t)(at - text))) return false;
    const char *host = at ? at + 1 : text;
    if (!parse_host(address, host, (size_t)(path - host))) return false;

    long db = 0;
    if (*path && path[1] && !parse_number(path + 1, 1 << 20, &db)) return false;
    address->db = (int)db;

    bool numeric = strchr(address->host, ':'); // an IPv6 address
    address->url = xformat(numeric ? "redis://[%s]:%d/%d" : "redis://%s:%d/%d", address->host,
                           address->port, address->db);
    return true;
}

const char *address_parse(RedisAddress *address, const char *url) {
    *address = (RedisAddress){.port = 6379};
    if (strncmp(url, "unix://", 7) == 0) {
        address->url = xstrdup(url);
        address->socket = address->url + 7;
        return *address->socket == '/' ? NULL : "a unix socket is unix:///absolute/path";
    }
    if (strncmp(url, "rediss://", 9) == 0)
        return "rediss:// is not there, this hiredis has no TLS: put stunnel in front of that "
               "Redis";
    if (strncmp(url, "redis://", 8) == 0 && parse_tcp(address, url + 8)) return NULL;
    return "not a Redis URL; write redis://" LOGIN_FORM "host:port/db or unix:///path";
}

void address_free(RedisAddress *address) {
    const char *const texts[] = {address->url, address->host, address->user, address->password};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free((char *)texts[i]);
    *address = (RedisAddress){0}; // the socket was a part of the URL
}

void address_hide_logins(char *text) {
    for (char *at = text; (at = strstr(at, "://"));) {
        at += strlen("://");
        if (strncmp(at, LOGIN_FORM, strlen(LOGIN_FORM)) == 0) continue;
        const char *login_end = memrchr(at, '@', strcspn(at, " \t\r\n\"'"));
        while (login_end && at < login_end) *at++ = '*';
    }
}

int address_kept(char fault[PRIVATE_FOLDER_FAULT_SIZE]) {
    char above[PATH_MAX];
    if (!getcwd(above, sizeof above)) return UV_ENOENT;
    for (char *end = above + strlen(above); end; end = strrchr(above, '/')) {
        *end = '\0';
        char path[PATH_MAX + sizeof "/.weir"];
        snprintf(path, sizeof path, "%s/.weir", above);
        int folder = private_folder_open(path, fault);
        if (folder >= 0 && faccessat(folder, "url", R_OK, AT_SYMLINK_NOFOLLOW) == 0) return folder;
        if (folder >= 0)
            close(folder);
        else if (folder != UV_ENOENT)
            return folder;
    }
    return UV_ENOENT;
}

// The first line of the file, NULL: there is none.
static char *read_line(int folder, const char *name) {
    char line[PATH_MAX];
    int descriptor = private_folder_file(folder, name, O_RDONLY);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    bool found = file && fgets(line, sizeof line, file);
    if (file) fclose(file);
    if (found) line[strcspn(line, "\n")] = '\0';
    return found ? xstrdup(line) : NULL;
}

// `weir dev` writes only the address of the unix socket of its own redis-server, which may be gone
// while that is stopped.
static bool is_own_socket(const RedisAddress *address) {
    struct stat about;
    if (!address->socket) return false;
    if (lstat(address->socket, &about) < 0) return errno == ENOENT;
    return S_ISSOCK(about.st_mode) && about.st_uid == geteuid();
}

int address_find(RedisAddress *address, char fault[PRIVATE_FOLDER_FAULT_SIZE]) {
    int folder = address_kept(fault);
    if (folder < 0) return folder;
    char *url = read_line(folder, "url");
    *address = (RedisAddress){0};
    bool valid = url && !address_parse(address, url) && is_own_socket(address);
    close(folder);
    free(url);
    if (valid) return 0;
    address_free(address);
    snprintf(fault, PRIVATE_FOLDER_FAULT_SIZE,
             ".weir/url names no Redis that weir dev of this user started");
    return UV_EACCES;
}

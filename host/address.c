// address: reads redis:// and unix:// URLs.
//
// What it says of a URL that cannot be read never repeats it: it may hold a password.
#include "address.h"
#include "xmalloc.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

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
    return (!user || address->user) && address->password;
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
    return "not a Redis URL; write redis://[user:password@]host:port/db or unix:///path";
}

char *address_kept(void) {
    char folder[PATH_MAX];
    if (!getcwd(folder, sizeof folder)) return NULL;
    for (char *end = folder + strlen(folder); end; end = strrchr(folder, '/')) {
        *end = '\0';
        char *kept = xformat("%s/.weir", folder), *url = xformat("%s/url", kept);
        bool there = access(url, R_OK) == 0;
        free(url);
        if (there) return kept;
        free(kept);
    }
    return NULL;
}

int address_find(RedisAddress *address) {
    char *kept = address_kept();
    if (!kept) return UV_ENOENT;
    char *path = xformat("%s/url", kept), url[PATH_MAX] = "";
    FILE *file = fopen(path, "r");
    bool found = file && fgets(url, sizeof url, file);
    if (file) fclose(file);
    free(path);
    free(kept);
    if (!found) return UV_ENOENT;
    url[strcspn(url, "\n")] = '\0';
    return address_parse(address, url) ? UV_EINVAL : 0;
}

// address: reads redis://, redis+sentinel:// and unix:// URLs.
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

#define SENTINEL_PASSWORD "sentinel_password="

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, MOST_DB = 1 << 20 };

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
static bool parse_host(HostPort *at, const char *text, size_t length) {
    const char *end = text + length;
    bool bracket = length && *text == '[';
    const char *stop = memchr(text, bracket ? ']' : ':', length);
    if (bracket && !stop) return false;
    const char *name_end = stop ? stop : end;
    const char *rest = bracket ? stop + 1 : name_end;
    at->host = strndup(text + bracket, (size_t)(name_end - text) - bracket);
    if (!at->host) abort();
    if (rest == end) return *at->host;

    char *port = strndup(rest + 1, (size_t)(end - rest) - 1);
    if (!port) abort();
    long number = 0;
    bool valid = *rest == ':' && parse_number(port, 65535, &number) && number > 0;
    free(port);
    at->port = (int)number;
    return valid && *at->host;
}

// To be freed.
static char *write_host(const HostPort *at) {
    bool numeric = strchr(at->host, ':'); // an IPv6 address
    return xformat(numeric ? "[%s]:%d" : "%s:%d", at->host, at->port);
}

static bool parse_tcp(RedisAddress *address, const char *text) {
    size_t length = strcspn(text, "/");
    const char *path = text + length;
    const char *at = memrchr(text, '@', length);
    if (at && !parse_login(address, text, (size_t)(at - text))) return false;
    const char *host = at ? at + 1 : text;
    HostPort redis = {.port = REDIS_PORT};
    bool valid = parse_host(&redis, host, (size_t)(path - host));
    address->host = redis.host;
    address->port = redis.port;
    if (!valid) return false;

    long db = 0;
    if (*path && path[1] && !parse_number(path + 1, MOST_DB, &db)) return false;
    address->db = (int)db;

    char *where = write_host(&redis);
    address->url = xformat("redis://%s/%d", where, address->db);
    free(where);
    return true;
}

// ---- Sentinel -----------------------------------------------------------------------------------

// h1:port,h2:port,…
static bool parse_sentinels(RedisAddress *address, const char *text, const char *end) {
    for (const char *next; text <= end; text = next + 1) {
        next = memchr(text, ',', (size_t)(end - text));
        if (!next) next = end;
        size_t size = (size_t)(address->sentinel_count + 1) * sizeof *address->sentinels;
        address->sentinels = xrealloc(address->sentinels, size);
        HostPort *sentinel = &address->sentinels[address->sentinel_count++];
        *sentinel = (HostPort){.port = SENTINEL_PORT};
        if (!parse_host(sentinel, text, (size_t)(next - text))) return false;
    }
    return true;
}

static bool begins_with(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

static bool parse_option(RedisAddress *address, const char *text, size_t length) {
    const char *equals = memchr(text, '=', length);
    char *value = equals ? decode_percent(equals + 1, (size_t)(text + length - equals) - 1) : NULL;
    const char **field = begins_with(text, "sentinel_user=")    ? &address->sentinel_user
                         : begins_with(text, SENTINEL_PASSWORD) ? &address->sentinel_password
                                                                : NULL;
    long db = 0;
    bool is_db = value && begins_with(text, "db=") && parse_number(value, MOST_DB, &db);
    if (is_db) address->db = (int)db;
    bool is_new = value && *value && field && !*field;
    if (is_new) *field = value;
    if (!is_new) free(value);
    return is_db || is_new;
}

// ?db=2&sentinel_user=…
static bool parse_options(RedisAddress *address, const char *text) {
    for (size_t length; *text; text += length + (text[length] == '&')) {
        length = strcspn(text, "&");
        if (!parse_option(address, text, length)) return false;
    }
    return true;
}

static char *write_sentinels(const RedisAddress *address) {
    char *list = xstrdup("");
    for (int i = 0; i < address->sentinel_count; i++) {
        char *where = write_host(&address->sentinels[i]);
        char *longer = xformat("%s%s%s", list, i ? "," : "", where);
        free(where);
        free(list);
        list = longer;
    }
    return list;
}

// [user:password@]h1:port,h2:port/name?option=value
static const char *parse_sentinel(RedisAddress *address, const char *text) {
    static const char form[] =
        "not the URL of a Redis under Sentinel; write redis+sentinel://" LOGIN_FORM
        "host:port,host:port/NAME, where NAME is the name of "
        "the primary (sentinel monitor NAME)";
    size_t length = strcspn(text, "/");
    const char *path = text + length;
    const char *at = memrchr(text, '@', length);
    address->port = 0;
    if (at && !parse_login(address, text, (size_t)(at - text))) return form;
    if (!parse_sentinels(address, at ? at + 1 : text, path)) return form;

    const char *name = *path ? path + 1 : path;
    size_t name_length = strcspn(name, "?");
    if (!name_length || memchr(name, '/', name_length)) return form;
    address->primary = decode_percent(name, name_length);
    if (!address->primary) return form;
    const char *options = name + name_length;
    if (*options && !parse_options(address, options + 1))
        return "behind the \"?\" of the URL of a Redis under Sentinel stand db, sentinel_user and "
               "sentinel_password, as in ?db=2&sentinel_user=weir";

    char *list = write_sentinels(address);
    char *db = address->db ? xformat("?db=%d", address->db) : xstrdup("");
    address->url = xformat("redis+sentinel://%s/%.*s%s", list, (int)name_length, name, db);
    free(db);
    free(list);
    return NULL;
}

const char *address_parse(RedisAddress *address, const char *url) {
    *address = (RedisAddress){.port = REDIS_PORT};
    if (strncmp(url, "unix://", 7) == 0) {
        address->url = xstrdup(url);
        address->socket = address->url + 7;
        return *address->socket == '/' ? NULL : "a unix socket is unix:///absolute/path";
    }
    if (strncmp(url, "rediss://", 9) == 0)
        return "rediss:// is not there, this hiredis has no TLS: put stunnel in front of that "
               "Redis";
    if (strncmp(url, "redis+sentinel://", 17) == 0) return parse_sentinel(address, url + 17);
    if (strncmp(url, "redis://", 8) == 0 && parse_tcp(address, url + 8)) return NULL;
    return "not a Redis URL; write redis://" LOGIN_FORM "host:port/db or unix:///path";
}

void address_free(RedisAddress *address) {
    const char *const texts[] = {address->url,
                                 address->host,
                                 address->user,
                                 address->password,
                                 address->primary,
                                 address->sentinel_user,
                                 address->sentinel_password};
    for (int i = 0; i < address->sentinel_count; i++) free((char *)address->sentinels[i].host);
    free(address->sentinels);
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
    for (char *at = text; (at = strstr(at, SENTINEL_PASSWORD));) {
        at += strlen(SENTINEL_PASSWORD);
        for (size_t left = strcspn(at, "& \t\r\n\"'"); left; left--) *at++ = '*';
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

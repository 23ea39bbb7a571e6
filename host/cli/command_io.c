// command_io: see command_io.h.
#include "cli/command_io.h"

#include "assets/assets.h"
#include "assets/workflow_ids.h"
#include "base/log.h"
#include "base/new_file.h"
#include "base/xmalloc.h"
#include "client/client_error.h"
#include "client/interrupts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

enum { STATUS_UNREAD = 141, INPUT_BYTES = 64 * 1024 };

static CommandIo *io_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

// ---- files --------------------------------------------------------------------------------------

// bundle(folder) -> sources by path, the name of the bundle, lines about files that were left out
static int read_bundle(lua_State *L) {
    CommandIo *io = io_of(L);
    char fault[BUNDLE_FAULT_SIZE];
    if (bundle_read(luaL_checkstring(L, 1), &io->bundle, fault) < 0) {
        bundle_free(&io->bundle);
        return client_error_raise(L, EX_NOINPUT, "%s", fault);
    }
    lua_createtable(L, 0, (int)io->bundle.count);
    for (size_t i = 0; i < io->bundle.count; i++) {
        const Source *source = &io->bundle.sources[i];
        lua_pushlstring(L, source->text, source->size);
        lua_setfield(L, -2, source->path);
    }
    char name[BUNDLE_NAME_SIZE];
    bundle_name(io->bundle.sources, io->bundle.count, name);
    lua_pushstring(L, name);
    lua_pushstring(L, io->bundle.notes);
    bundle_free(&io->bundle);
    return 3;
}

static void close_file(CommandIo *io) {
    if (io->file && io->file != stdin) fclose(io->file);
    io->file = NULL;
}

// Opens the list of what the `weir dev` of this Redis runs and has read last. The list has a line
// for each folder: see main.c.
static FILE *open_folders(const CommandIo *io) {
    RedisAddress address;
    char fault[PRIVATE_FOLDER_FAULT_SIZE];
    if (address_find(&address, fault) < 0) return NULL;
    bool same = strcmp(address.url, io->redis->url) == 0;
    address_free(&address);
    if (!same) return NULL;
    int kept = address_kept(fault),
        file = kept < 0 ? kept : private_folder_file(kept, "folders", O_RDONLY);
    if (kept >= 0) close(kept);
    return file < 0 ? NULL : fdopen(file, "r");
}

// Leaves a list of the folders that hold other files than that host runs. True when it may not have
// seen those of one of them yet.
static bool list_changed(lua_State *L, CommandIo *io) {
    char line[PATH_MAX + 48], fault[BUNDLE_FAULT_SIZE];
    bool unseen = false;
    lua_newtable(L);
    io->file = open_folders(io);
    while (io->file && fgets(line, sizeof line, io->file)) {
        char *folder;
        uint64_t live = strtoull(line, &folder, 16), seen = strtoull(folder, &folder, 16);
        if (*folder++ != ' ') continue;
        folder[strcspn(folder, "\n")] = '\0';
        bool readable = bundle_read(folder, &io->bundle, fault) == 0;
        uint64_t now = readable ? bundle_digest(&io->bundle) : 0;
        bundle_free(&io->bundle);
        if (now == live) continue;
        if (now != seen) unseen = true;
        lua_pushstring(L, folder);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    close_file(io);
    return unseen;
}

// A file that was just saved is about to be read: the host is given a moment for it.
static int changed_folders(lua_State *L) {
    enum { LOOK_MS = 10, LOOKS = 200 };
    CommandIo *io = io_of(L);
    for (int looks = 0; list_changed(L, io) && looks < LOOKS; looks++) {
        lua_pop(L, 1);
        uv_sleep(LOOK_MS);
    }
    return 1;
}

static int read_text(lua_State *L) {
    CommandIo *io = io_of(L);
    const char *path = luaL_checkstring(L, 1);
    io->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!io->file)
        return client_error_raise(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(errno));
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    size_t size;
    do {
        size = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, io->file);
        luaL_addsize(&text, size);
    } while (size == LUAL_BUFFERSIZE);
    int error = ferror(io->file) ? errno : 0;
    close_file(io);
    if (error)
        return client_error_raise(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(error));
    luaL_pushresult(&text);
    return 1;
}

static int exists(lua_State *L) {
    lua_pushboolean(L, access(luaL_checkstring(L, 1), F_OK) == 0);
    return 1;
}

static int create_file(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    int status = new_file_create(path, text, size);
    if (status < 0 && status != UV_EEXIST)
        return client_error_raise(L, EX_IOERR, "cannot write %s: %s", path, uv_strerror(status));
    lua_pushboolean(L, status == 0);
    return 1;
}

static int replace_file(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    int status = new_file_replace(path, text, size);
    if (status == 0) return 0;
    return client_error_raise(L, EX_IOERR, "cannot write %s: %s", path, uv_strerror(status));
}

// module(name) -> its path below lua/, its text
static int own_module(lua_State *L) {
    size_t size;
    const char *path = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
    const char *file = lua_pushfstring(L, "lua/%s.lua", path);
    if (!asset_find(file, NULL)) file = lua_pushfstring(L, "lua/%s/init.lua", path);
    const char *text = asset_find(file, &size);
    if (!text) return luaL_error(L, "there is no %s in the binary", file);
    lua_pushstring(L, file + strlen("lua/"));
    lua_pushlstring(L, text, size);
    return 2;
}

static int write_ids(lua_State *L) {
    const char *place = luaL_checkstring(L, 1);
    luaL_Buffer lines;
    luaL_buffinit(L, &lines);
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
        luaL_addvalue(&lines);
        luaL_addchar(&lines, '\n');
    }
    lua_pop(L, 1);
    luaL_pushresult(&lines);
    int status = workflow_ids_write(place, lua_tostring(L, -1));
    if (status == 0) return 0;
    return client_error_raise(L, EX_IOERR, "cannot write to %s: %s", place, uv_strerror(status));
}

static void close_input(CommandIo *io) {
    if (io->input > STDERR_FILENO) close(io->input);
    io->input = -1;
}

// open(path) -> the size when it is a file that can be read a second time; `more` reads it
static int open_input(lua_State *L) {
    CommandIo *io = io_of(L);
    const char *path = luaL_checkstring(L, 1);
    bool is_stdin = strcmp(path, "-") == 0;
    close_input(io);
    io->input = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (io->input < 0 || fstat(io->input, &about) < 0)
        return client_error_raise(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return client_error_raise(L, EX_NOINPUT, "cannot read %s: %s", path, strerror(EISDIR));
    if (is_stdin || !S_ISREG(about.st_mode)) return 0;
    lua_pushinteger(L, about.st_size);
    return 1;
}

// more() -> the next piece of text; nothing at the end
static int read_more(lua_State *L) {
    CommandIo *io = io_of(L);
    char bytes[INPUT_BYTES];
    ssize_t size;
    do {
        interrupts_wait_readable(L, io->input, -1);
        size = read(io->input, bytes, sizeof bytes);
    } while (size < 0 && (errno == EINTR || errno == EAGAIN));
    if (size < 0) return client_error_raise(L, EX_NOINPUT, "cannot read on: %s", strerror(errno));
    if (size == 0) return 0;
    lua_pushlstring(L, bytes, (size_t)size);
    return 1;
}

// ---- the terminal -------------------------------------------------------------------------------

static int write_text(lua_State *L) {
    int descriptor = (int)luaL_checkinteger(L, 1);
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    while (size > 0) {
        ssize_t written = write(descriptor, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
            continue;
        }
        // the reader has closed the pipe (weir show RUN | head): no message is needed
        if (written < 0 && errno == EPIPE) return client_error_raise(L, STATUS_UNREAD, "%s", "");
        if (written < 0)
            return client_error_raise(L, EX_IOERR, "cannot write: %s", strerror(errno));
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

static int is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

// The size of the terminal, which stderr or stdout is.
static struct winsize terminal_size(void) {
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return size;
}

static int width(lua_State *L) {
    struct winsize size = terminal_size();
    lua_pushinteger(L, size.ws_col > 0 ? size.ws_col : 80);
    return 1;
}

static int height(lua_State *L) {
    struct winsize size = terminal_size();
    lua_pushinteger(L, size.ws_row > 0 ? size.ws_row : 24);
    return 1;
}

static int show(lua_State *L) {
    log_foot(luaL_optstring(L, 1, NULL));
    return 0;
}

const luaL_Reg command_io_functions[] = {
    {"bundle", read_bundle},
    {"exists", exists},
    {"create", create_file},
    {"replace", replace_file},
    {"module", own_module},
    {"write_ids", write_ids},
    {"read", read_text},
    {"open", open_input},
    {"more", read_more},
    {"write", write_text},
    {"is_terminal", is_terminal},
    {"width", width},
    {"height", height},
    {"show", show},
    {"changed_folders", changed_folders},
    {NULL, NULL},
};

void command_io_open(CommandIo *io, const RedisAddress *redis) {
    *io = (CommandIo){.redis = redis, .input = -1};
}

void command_io_close(CommandIo *io) {
    bundle_free(&io->bundle);
    close_file(io);
    close_input(io);
}

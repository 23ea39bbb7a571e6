// coverage: see coverage.h. Files are told apart by the names of their chunks.
#include "cli/coverage.h"
#include "base/xmalloc.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <uthash.h>

typedef struct {
    char *path;
    bool *lines; // run or not, by number
    int capacity;
    UT_hash_handle hh;
} File;

static File *files, *latest; // the one that ran last: most lines are of the same file

static File *file_of(const char *path) {
    if (latest && strcmp(latest->path, path) == 0) return latest;
    HASH_FIND_STR(files, path, latest);
    if (latest) return latest;
    latest = xcalloc(1, sizeof *latest);
    latest->path = xstrdup(path);
    HASH_ADD_KEYPTR(hh, files, latest->path, strlen(latest->path), latest);
    return latest;
}

static void note(File *file, int line) {
    if (line >= file->capacity) {
        int capacity = 2 * line + 64;
        file->lines = xrealloc(file->lines, (size_t)capacity * sizeof *file->lines);
        memset(file->lines + file->capacity, 0, (size_t)(capacity - file->capacity));
        file->capacity = capacity;
    }
    file->lines[line] = true;
}

static void on_line(lua_State *L, lua_Debug *at) {
    lua_getinfo(L, "S", at);
    if (*at->source == '@' && at->currentline > 0) note(file_of(at->source + 1), at->currentline);
}

int coverage_begin(lua_State *L) {
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return 0;
}

int coverage_lines(lua_State *L) {
    lua_newtable(L);
    for (File *file = files; file; file = file->hh.next) {
        lua_newtable(L);
        for (int line = 1; line < file->capacity; line++) {
            if (!file->lines[line]) continue;
            lua_pushboolean(L, 1);
            lua_rawseti(L, -2, line);
        }
        lua_setfield(L, -2, file->path);
    }
    return 1;
}

void coverage_end(void) {
    File *file, *next;
    HASH_ITER(hh, files, file, next) {
        HASH_DEL(files, file);
        free(file->path);
        free(file->lines);
        free(file);
    }
    latest = NULL;
}

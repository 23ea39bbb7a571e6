// script: see script.h.
#include "redis/script.h"

#include "assets/assets.h"
#include "base/xmalloc.h"

#include <pthread.h>

#define FOLDER "redis-scripts/"
static const char LIBRARY[] = FOLDER "lib.lua", DISPATCHER[] = FOLDER "dispatch.lua";

static char *joined;
static size_t joined_size;

static void append(const char *text, size_t size) {
    joined = xrealloc(joined, joined_size + size + 1);
    memcpy(joined + joined_size, text, size);
    joined_size += size;
    joined[joined_size] = '\0';
}

static void append_text(const char *text) {
    append(text, strlen(text));
}

static void append_asset(const char *path) {
    size_t size = 0;
    const char *text = asset_find(path, &size);
    if (text) append(text, size);
    append("\n", 1);
}

// The script defines the files between the library and the dispatcher when a batch first names
// them. Redis runs the whole text for every call. A branch of one function costs nothing until the
// script takes it. A function for each file, made on each call, would cost more than most calls do.
static void append_branch(const char *path, void *data) {
    const char **word = data;
    if (strcmp(path, LIBRARY) == 0 || strcmp(path, DISPATCHER) == 0) return;
    const char *name = path + strlen(FOLDER), *end = strrchr(name, '.');
    if (!end || strcmp(end, ".lua") != 0) return;
    append_text(*word);
    append_text(" name == \"");
    append(name, (size_t)(end - name));
    append_text("\" then ");
    append_asset(path);
    *word = "elseif";
}

static void join(void) {
    const char *word = "if";
    append_asset(LIBRARY);
    append_text("function define(name) ");
    asset_list(FOLDER, append_branch, &word);
    append_text("end end\n");
    append_asset(DISPATCHER);
}

const char *script_text(size_t *size) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, join);
    *size = joined_size;
    return joined;
}

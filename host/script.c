#include "script.h"

#include "assets.h"
#include "xmalloc.h"

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

static void append_asset(const char *path) {
    size_t size = 0;
    const char *text = asset_find(path, &size);
    if (text) append(text, size);
    append("\n", 1);
}

// A verb is defined when a batch first names it: `definitions` has a function for each file. Redis
// runs the whole text for every call, and to define all verbs each time would cost more than most
// calls do.
static void append_verb(const char *path, void *data) {
    (void)data;
    if (strcmp(path, LIBRARY) == 0 || strcmp(path, DISPATCHER) == 0) return;
    const char *name = path + strlen(FOLDER), *end = strrchr(name, '.');
    if (!end || strcmp(end, ".lua") != 0) return;
    append("function definitions.", 21);
    append(name, (size_t)(end - name));
    append("() ", 3);
    append_asset(path);
    append("end\n", 4);
}

static void join(void) {
    append_asset(LIBRARY);
    asset_list(FOLDER, append_verb, NULL);
    append_asset(DISPATCHER);
}

const char *script_text(size_t *size) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, join);
    *size = joined_size;
    return joined;
}

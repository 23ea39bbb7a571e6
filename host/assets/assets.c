// assets: finds the texts, in the binary or in the tree that WEIR_ROOT names.
//
// Which of the two is decided once; after that the table is constant and needs no lock. A tree that
// cannot be read is an empty table: the first thing that is looked for names it.
#include "assets/assets.h"
#include "assets/assets_table.h"
#include "assets/bundle.h"
#include "base/log.h"
#include "base/xmalloc.h"

#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>

static const Asset *table = asset_table;
static size_t count;

// Appends the sources below root/folder. The table keeps their texts; the rest of the bundle goes.
static void append(Asset **assets, const char *root, const char *folder) {
    char *whole = xformat("%s/%s", root, folder);
    char fault[BUNDLE_FAULT_SIZE];
    Bundle bundle;
    if (bundle_read(whole, &bundle, fault) < 0) log_error("WEIR_ROOT: %s", fault);

    *assets = xrealloc(*assets, (count + bundle.count) * sizeof(Asset));
    for (size_t i = 0; i < bundle.count; i++) {
        const Source *source = &bundle.sources[i];
        (*assets)[count++] =
            (Asset){xformat("%s/%s", folder, source->path), source->size, source->text};
        free(source->path);
    }
    free(bundle.sources);
    free(whole);
}

static void open_table(void) {
    const char *root = getenv("WEIR_ROOT");
    if (!root || !*root) {
        count = asset_count;
        return;
    }
    Asset *assets = NULL;
    append(&assets, root, "lua");
    append(&assets, root, "redis-scripts");
    table = assets;
}

static void open_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_table);
}

static int by_path(const void *path, const void *asset) {
    return strcmp(path, ((const Asset *)asset)->path);
}

const char *asset_find(const char *path, size_t *size) {
    open_once();
    const Asset *asset = count ? bsearch(path, table, count, sizeof(Asset), by_path) : NULL;
    if (!asset) return NULL;
    if (size) *size = asset->size;
    return asset->text;
}

void asset_list(const char *prefix, void (*visit)(const char *path, void *data), void *data) {
    open_once();
    size_t length = strlen(prefix);
    for (size_t i = 0; i < count; i++)
        if (strncmp(table[i].path, prefix, length) == 0) visit(table[i].path, data);
}

int asset_searcher(lua_State *L) {
    const char *module = luaL_checkstring(L, 1);
    const char *slashed = luaL_gsub(L, module, ".", "/");
    static const char *const forms[] = {"lua/%s.lua", "lua/%s/init.lua"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t size;
        const char *path = lua_pushfstring(L, forms[i], slashed);
        const char *text = asset_find(path, &size);
        if (!text) continue;

        // "lua/weir/replay/journal.lua" shows as "[weir]/replay/journal.lua" in tracebacks
        const char *below = strncmp(path, "lua/weir/", 9) == 0 ? path + 9 : path;
        const char *chunk = lua_pushfstring(L, "=[weir]/%s", below);
        if (luaL_loadbufferx(L, text, size, chunk, "t") != LUA_OK) return lua_error(L);
        lua_pushstring(L, path);
        return 2;
    }
    lua_pushfstring(L, "no module '%s' in the binary", module);
    return 1;
}

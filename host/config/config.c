// config: see config.h. One call into Lua does the work; C copies the settings it needs.
#include "config/config.h"

#include "assets/assets.h"
#include "base/password_file.h"
#include "base/xmalloc.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stddef.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

typedef enum { FIELD_TEXT, FIELD_LIST, FIELD_INTEGER, FIELD_BOOLEAN } FieldKind;

// The options that C reads, by their keys: see lua/weir/cli/flags.lua.
static const struct {
    const char *key;
    FieldKind kind;
    size_t offset;
} fields[] = {
#define AT(member) offsetof(Config, member)
    {"prefix", FIELD_TEXT, AT(prefix)},
    {"core_dumps", FIELD_BOOLEAN, AT(core_dumps)},
    {"folders", FIELD_LIST, AT(folders)},
    {"node", FIELD_TEXT, AT(node)},
    {"announce", FIELD_BOOLEAN, AT(announce)},
    {"test", FIELD_BOOLEAN, AT(test)},
    {"workers", FIELD_INTEGER, AT(workers)},
    {"concurrency", FIELD_INTEGER, AT(concurrency)},
    {"warm", FIELD_INTEGER, AT(warm)},
    {"warm_memory", FIELD_INTEGER, AT(warm_bytes)},
    {"queues", FIELD_LIST, AT(queues)},
    {"reload", FIELD_TEXT, AT(reload)},
    {"durability", FIELD_TEXT, AT(durability)},
    {"state_dir", FIELD_TEXT, AT(state_dir)},
    {"accept_loss", FIELD_TEXT, AT(accept_loss)},
    {"drain_ms", FIELD_INTEGER, AT(drain_ms)},
    {"poll_ms", FIELD_INTEGER, AT(poll_ms)},
    {"lua_path", FIELD_TEXT, AT(lua_path)},
    {"lua_cpath", FIELD_TEXT, AT(lua_cpath)},
    {"max_payload", FIELD_INTEGER, AT(payload_bytes)},
    {"max_memory", FIELD_INTEGER, AT(memory_bytes)},
    {"max_cpu_ms", FIELD_INTEGER, AT(cpu_ms)},
    {"max_stuck_ms", FIELD_INTEGER, AT(stuck_ms)},
    {"max_depth", FIELD_INTEGER, AT(depth)},
    {"max_crashes", FIELD_INTEGER, AT(crashes)},
    {"log", FIELD_TEXT, AT(log)},
    {"log_level", FIELD_TEXT, AT(log_level)},
};

// ---- reading ------------------------------------------------------------------------------------

// Stack: a list of texts. The registry keeps the array, and the options keep the texts.
static TextList list_at_top(lua_State *L) {
    TextList list = {.count = (int64_t)lua_rawlen(L, -1)};
    list.items = lua_newuserdatauv(L, (size_t)(list.count + 1) * sizeof *list.items, 0);
    for (int64_t i = 0; i < list.count; i++) {
        lua_rawgeti(L, -2, i + 1);
        list.items[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    luaL_ref(L, LUA_REGISTRYINDEX);
    return list;
}

// Stack: options.
static void read_field(lua_State *L, Config *config, size_t i) {
    void *field = (char *)config + fields[i].offset;
    if (lua_getfield(L, -1, fields[i].key) != LUA_TNIL) {
        switch (fields[i].kind) {
        case FIELD_TEXT: *(const char **)field = lua_tostring(L, -1); break;
        case FIELD_LIST: *(TextList *)field = list_at_top(L); break;
        case FIELD_INTEGER: *(int64_t *)field = lua_tointeger(L, -1); break;
        case FIELD_BOOLEAN: *(bool *)field = lua_toboolean(L, -1); break;
        }
    }
    lua_pop(L, 1);
}

static Command command_of(const char *name) {
    static const char *const names[] = {[COMMAND_RUN] = "run",
                                        [COMMAND_DEV] = "dev",
                                        [COMMAND_SERVE] = "serve",
                                        [COMMAND_TEST] = "test"};
    for (int i = 0; i < COMMAND_CLIENT; i++)
        if (strcmp(names[i], name) == 0) return (Command)i;
    return COMMAND_CLIENT;
}

// check_url(text) -> why it is not the URL of a Redis, or nil
static int check_url(lua_State *L) {
    RedisAddress address;
    const char *wrong = address_parse(&address, luaL_checkstring(L, 1));
    address_free(&address);
    lua_pushstring(L, wrong);
    return 1;
}

// Only weir's own modules are found: the working folder may belong to anybody.
static void find_own_modules(lua_State *L) {
    lua_getglobal(L, "package");
    lua_createtable(L, 1, 0);
    lua_pushcfunction(L, asset_searcher);
    lua_rawseti(L, -2, 1);
    lua_setfield(L, -2, "searchers");
    lua_pop(L, 1);
}

static void push_words(lua_State *L, char **words) {
    lua_newtable(L);
    for (int i = 1; *words && words[i]; i++) {
        lua_pushstring(L, words[i]);
        lua_rawseti(L, -2, i);
    }
}

static void push_world(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_getglobal(L, "os");
    lua_getfield(L, -1, "getenv");
    lua_setfield(L, -3, "variable");
    lua_pop(L, 1);
    lua_pushcfunction(L, check_url);
    lua_setfield(L, -2, "check_url");
}

// Leaves three values: the command line, or nil, an exit status and a sentence.
static int read_in_lua(lua_State *L) {
    const Config *config = lua_touserdata(L, 1);
    luaL_openlibs(L);
    find_own_modules(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "weir.cli.command_line");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "read");
    push_words(L, config->words);
    push_world(L);
    lua_call(L, 2, 3);
    return 3;
}

static int explain(lua_State *L) {
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

// ---- what depends on this machine ---------------------------------------------------------------

static const char *default_node(lua_State *L) {
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    lua_pushfstring(L, "%s-%d", host, (int)getpid());
    const char *node = lua_tostring(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "weir.node"); // owns the text
    return node;
}

// Production names its Redis: `serve` takes none that it happens to stand beside.
static int find_redis(Config *config, bool uses_redis, char *fault) {
    char why[PRIVATE_FOLDER_FAULT_SIZE];
    bool may_find = uses_redis && config->command != COMMAND_SERVE;
    int code = may_find ? address_find(&config->redis, why) : UV_ENOENT;
    config->redis_found = code == 0;
    if (code == 0) return STATUS_DONE;
    if (code != UV_ENOENT) {
        snprintf(fault, CONFIG_FAULT_SIZE, "%s; name the Redis: --redis URL", why);
        return EX_CONFIG;
    }
    address_parse(&config->redis, "redis://127.0.0.1:6379/0");
    return STATUS_DONE;
}

static int take_password(Config *config, const char *path, char *fault) {
    char password[PASSWORD_SIZE], why[PASSWORD_FAULT_SIZE];
    bool open_to_all;
    if (config->redis.password) {
        snprintf(fault, CONFIG_FAULT_SIZE,
                 "both --redis and --redis-password-file have a password; keep one of them");
        return EX_CONFIG;
    }
    if (!password_file_read(path, password, &open_to_all, why)) {
        snprintf(fault, CONFIG_FAULT_SIZE, "--redis-password-file: %s", why);
        return EX_CONFIG;
    }
    config->redis.password = xstrdup(password);
    config->redis.password_file = path;
    if (open_to_all)
        config->warning = xformat("every user of this machine may read the password in %s; "
                                  "chmod o-r %s",
                                  path, path);
    return STATUS_DONE;
}

// Stack: options. The Redis of a `weir dev` has no password, so the file is for another one.
// Commands without a Redis want none.
static int find_password(lua_State *L, Config *config, bool wants_file, char *fault) {
    lua_getfield(L, -1, "redis_password_file");
    const char *path = lua_tostring(L, -1); // the options keep it
    lua_pop(L, 1);
    if (path && wants_file) return take_password(config, path, fault);
    if (!config->redis.user || config->redis.password) return STATUS_DONE;
    snprintf(fault, CONFIG_FAULT_SIZE,
             "the URL of Redis has a user without a password; write user:password@, or name the "
             "file that holds it: --redis-password-file FILE");
    return EX_CONFIG;
}

// Stack: options. Their URL is without the password from here on.
static int take_redis(lua_State *L, Config *config, bool uses_redis, char *fault) {
    bool is_named = lua_getfield(L, -1, "redis") == LUA_TSTRING;
    if (is_named) address_parse(&config->redis, lua_tostring(L, -1));
    lua_pop(L, 1);
    config->redis_found = is_named;
    int status = is_named ? STATUS_DONE : find_redis(config, uses_redis, fault);
    bool wants_file = is_named || (uses_redis && !config->redis_found);
    if (status == STATUS_DONE) status = find_password(L, config, wants_file, fault);
    lua_pushstring(L, config->redis.url);
    lua_setfield(L, -2, "redis");
    return status;
}

// The folder that systemd makes for a unit with StateDirectory; the first one, of several.
static const char *default_state_dir(lua_State *L) {
    const char *folders = getenv("STATE_DIRECTORY");
    if (!folders || !*folders) return NULL;
    const char *folder = lua_pushlstring(L, folders, strcspn(folders, ":"));
    lua_setfield(L, LUA_REGISTRYINDEX, "weir.state_dir"); // owns the text
    return folder;
}

static void complete(lua_State *L, Config *config) {
    if (!config->prefix) config->prefix = "weir"; // keys are built for all commands
    if (!config->workers) config->workers = uv_available_parallelism();
    // on a Redis of its own a host has one name: restarted, it takes back its runs at once
    bool own_redis = config->command == COMMAND_RUN || config->command == COMMAND_DEV;
    if (!config->state_dir && config->command == COMMAND_SERVE)
        config->state_dir = default_state_dir(L);
    if (!config->node) config->node = own_redis ? config->name : default_node(L);
}

static int check_durability(const Config *config, char *fault) {
    bool own_redis = config->command == COMMAND_RUN || config->command == COMMAND_DEV;
    if (!own_redis || strcmp(config->durability, "replicated") != 0) return STATUS_DONE;
    snprintf(fault, CONFIG_FAULT_SIZE,
             "the Redis that weir %s starts has no replica: --durability always, everysec or none",
             config->name);
    return EX_USAGE;
}

// Stack: the command line as Lua read it, which stays.
static int take_line(lua_State *L, Config *config, char *fault) {
    lua_getfield(L, -1, "command");
    config->name = lua_tostring(L, -1);
    config->command = command_of(config->name);
    lua_getfield(L, -2, "uses_redis");
    bool uses_redis = lua_toboolean(L, -1);
    lua_pop(L, 2);

    lua_getfield(L, -1, "options");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) read_field(L, config, i);
    if (config->command == COMMAND_RUN) {
        lua_rawgeti(L, -1, 1);
        config->wanted = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    complete(L, config);
    int status = check_durability(config, fault);
    if (status == STATUS_DONE) status = take_redis(L, config, uses_redis, fault);
    lua_pop(L, 1);
    return status;
}

// Whoever may list the processes of this machine reads their command lines.
static void hide_logins(char **words) {
    for (; *words; words++)
        if (strncmp(*words, "--redis", strlen("--redis")) == 0) {
            address_hide_logins(words[0]);
            if (words[1]) address_hide_logins(words[1]);
        }
}

static int fail(char *fault, int status, const char *sentence) {
    snprintf(fault, CONFIG_FAULT_SIZE, "%s", sentence);
    address_hide_logins(fault); // it may quote a URL that stands in the wrong place
    return status;
}

int config_load(Config *config, int argc, char **argv, char fault[CONFIG_FAULT_SIZE]) {
    (void)argc; // a NULL ends argv
    *config = (Config){.words = argv};
    if (!asset_find("lua/weir/cli/command_line.lua", NULL)) {
        snprintf(fault, CONFIG_FAULT_SIZE, "WEIR_ROOT=%s is no source tree of weir",
                 getenv("WEIR_ROOT"));
        return EX_CONFIG;
    }
    lua_State *L = config->lua = luaL_newstate();
    if (!L) abort();
    lua_pushcfunction(L, explain);
    lua_pushcfunction(L, read_in_lua);
    lua_pushlightuserdata(L, config);
    bool raised = lua_pcall(L, 1, 3, 1) != LUA_OK;
    hide_logins(argv);
    if (raised) return fail(fault, EX_SOFTWARE, lua_tostring(L, -1));
    if (lua_isnil(L, 2)) return fail(fault, (int)lua_tointeger(L, 3), lua_tostring(L, 4));
    lua_settop(L, 2);
    return take_line(L, config, fault);
}

bool config_waits_for_replica(const Config *config) {
    return config->durability && strcmp(config->durability, "replicated") == 0;
}

// ---- options for Lua ----------------------------------------------------------------------------

// Pushes a copy of the value on top of `from`: a text, a number, a boolean, or a table of these.
static void copy_value(lua_State *to, lua_State *from) {
    switch (lua_type(from, -1)) {
    case LUA_TSTRING: lua_pushstring(to, lua_tostring(from, -1)); break;
    case LUA_TNUMBER: lua_pushinteger(to, lua_tointeger(from, -1)); break;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, -1)); break;
    case LUA_TTABLE:
        lua_newtable(to);
        for (lua_pushnil(from); lua_next(from, -2); lua_pop(from, 1)) {
            lua_pushvalue(from, -2);
            copy_value(to, from);
            lua_pop(from, 1);
            copy_value(to, from);
            lua_rawset(to, -3);
        }
        break;
    default: lua_pushnil(to);
    }
}

void config_push(lua_State *L, const Config *config) {
    lua_getfield(config->lua, 2, "options");
    copy_value(L, config->lua);
    lua_pop(config->lua, 1);
}

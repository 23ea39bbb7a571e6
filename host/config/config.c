// config: finds the value of each flag, and checks it.
//
// A value is text until `set`, wherever it came from, so a flag, a variable and the config file
// take the same words and fail with the same sentences. Durations and nearest names are asked of
// the Lua modules that workflow authors use, in a state that lives only while the config is loaded.
#include "config/config.h"
#include "assets/assets.h"
#include "base/xmalloc.h"
#include "config/flags.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <stdarg.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

typedef struct {
    Config *config;
    char *fault;
    lua_State *L;
    TextList given[FLAGS_MAX];        // what the command line says of each flag
    const char *from_file[FLAGS_MAX]; // and the config file
} Load;

// ---- faults -------------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static int fail(char *fault, int status, const char *format,
                                                      ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(fault, CONFIG_FAULT_SIZE, format, values);
    va_end(values);
    address_hide_logins(fault); // what is wrong may be a URL in the wrong place
    return status;
}

static int not_yet(char *fault, int status, const char *what) {
    return fail(fault, status, "%s is not there yet", what);
}

static lua_State *open_lua(void) {
    lua_State *L = luaL_newstate();
    if (!L) abort();
    luaL_openlibs(L);
    return L;
}

// Leaves only `name` of one of weir's own modules on the stack.
static void push_function(lua_State *L, const char *module, const char *name) {
    lua_settop(L, 0);
    lua_pushcfunction(L, asset_searcher);
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    lua_call(L, 0, 1);
    lua_getfield(L, 1, name);
    lua_remove(L, 1);
}

// `form` with the one of `names` that `name` was most likely meant to be, or nothing. The text
// lives until the next call.
static const char *meant(lua_State *L, const char *form, const char *name, const char **names,
                         size_t count) {
    push_function(L, "weir.base.suggest", "find");
    lua_pushstring(L, name);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_call(L, 2, 1);
    return lua_isstring(L, -1) ? lua_pushfstring(L, form, lua_tostring(L, -1)) : "";
}

static int unknown_command(lua_State *L, char *fault, const char *name) {
    const char *names[64];
    size_t count = 0;
    for (; count < command_count && count < 64; count++) names[count] = command_rows[count].name;
    const char *hint = meant(L, ", did you mean %s?", name, names, count);
    return fail(fault, EX_USAGE, "there is no command %s%s; see weir help", name, hint);
}

static int unknown_flag(lua_State *L, char *fault, const char *word) {
    const char *names[FLAGS_MAX], *name = word + strspn(word, "-");
    for (size_t i = 0; i < flag_count; i++) names[i] = flag_rows[i].name;
    const char *hint = meant(L, ", did you mean --%s?", name, names, flag_count);
    int length = (int)strcspn(word, "="); // its value may be a secret
    return fail(fault, EX_USAGE, "there is no flag %.*s%s", length, word,
                *hint ? hint : "; weir help COMMAND lists those it takes");
}

static int unknown_setting(lua_State *L, char *fault, const char *path, const char *key) {
    char spelled[FLAGS_MAX][FLAG_NAME_SIZE];
    const char *names[FLAGS_MAX];
    size_t count = 0;
    for (const Flag *flag = flag_rows; flag < flag_rows + flag_count; flag++) {
        if (flag->once || !flag->commands) continue;
        names[count] = flag_spell(flag, spelled[count], false);
        count++;
    }
    const char *hint = meant(L, ", did you mean %s?", key, names, count);
    return fail(fault, EX_CONFIG, "%s: there is no setting %s%s", path, key, hint);
}

// ---- values -------------------------------------------------------------------------------------

static void append(TextList *list, const char *item) {
    list->items = xrealloc(list->items, (size_t)(list->count + 1) * sizeof *list->items);
    list->items[list->count++] = item;
}

static TextList split(const char *text, char separator) {
    TextList list = {0};
    while (*text) {
        const char *end = strchrnul(text, separator);
        if (end > text) append(&list, xmemdup0(text, (size_t)(end - text)));
        text = *end ? end + 1 : end;
    }
    return list;
}

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *number) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most) return false;
    *number = value;
    return true;
}

static bool parse_size(const char *text, int64_t *size) {
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0}, {"K", 10}, {"M", 20}, {"G", 30}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno || value < 1) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) != 0 || value > INT64_MAX >> units[i].shift) continue;
        *size = (int64_t)value << units[i].shift;
        return true;
    }
    return false;
}

// NULL and the milliseconds, or what is wrong with the text; that lives until the next call.
static const char *parse_duration(lua_State *L, const char *text, int64_t *ms) {
    push_function(L, "weir.base.duration", "ms");
    if (!lua_stringtonumber(L, text)) lua_pushstring(L, text); // a bare number: seconds
    lua_call(L, 1, 2);
    if (!lua_isinteger(L, 1)) return lua_tostring(L, 2);
    *ms = lua_tointeger(L, 1);
    return NULL;
}

static bool is_choice(const char *words, const char *text) {
    size_t length = strlen(text);
    for (const char *word = words;; word++) {
        size_t size = strcspn(word, "|");
        if (size == length && memcmp(word, text, length) == 0) return true;
        word += size;
        if (!*word) return false;
    }
}

// Gives a flag its value; `origin` names the place that `text` is from when something is wrong with
// it.
static int set(Load *load, const Flag *flag, const char *text, const char *origin, int status) {
    char *fault = load->fault;
    const char *wrong = NULL;
    void *field = (char *)load->config + flag->field;
    switch (flag->kind) {
    case FLAG_SWITCH:
        *(bool *)field = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        if (!*(bool *)field && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
            return fail(fault, status, "%s: true or false, not %s", origin, text);
        break;
    case FLAG_CHOICE:
        if (!is_choice(flag->argument, text))
            return fail(fault, status, "%s: one of %s, not %s", origin, flag->argument, text);
        *(const char **)field = text;
        break;
    case FLAG_TEXT:
        if (!*text) wrong = "may not be empty";
        *(const char **)field = text;
        break;
    case FLAG_LIST:
        *(TextList *)field = split(text, ',');
        if (((TextList *)field)->count == 0) wrong = "may not be empty";
        break;
    case FLAG_EACH: append(field, text); break;
    case FLAG_NUMBER:
        if (!parse_number(text, flag->least, flag->most, field))
            return fail(fault, status, "%s: an integer from %lld to %lld, not %s", origin,
                        (long long)flag->least, (long long)flag->most, text);
        break;
    case FLAG_SIZE:
        if (!parse_size(text, field)) wrong = "a size such as 64KiB or 16MiB";
        break;
    case FLAG_DURATION: wrong = parse_duration(load->L, text, field); break;
    case FLAG_ADDRESS:
        load->config->redis_found = true;
        wrong = address_parse(field, text);
        break;
    }
    return wrong ? fail(fault, status, "%s: %s", origin, wrong) : STATUS_DONE;
}

// ---- where values come from ---------------------------------------------------------------------

// A flag of the command line, at argv[*at]; its value may be the next word.
static int read_flag(Load *load, int argc, char **argv, int *at) {
    const char *word = argv[*at], *name = word + 2;
    size_t length = strcspn(name, "=");
    const Flag *flag = strncmp(word, "--", 2) == 0 ? flag_find(name, length) : NULL;
    if (!flag) return unknown_flag(load->L, load->fault, word);

    const char *value = name[length] ? name + length + 1 : NULL;
    // one that is not there yet is refused later, with its value or without
    if (!value && (flag->kind == FLAG_SWITCH || !flag->commands)) value = "true";
    if (!value && *at + 1 < argc) value = argv[++*at];
    if (!value)
        return fail(load->fault, EX_USAGE, "--%s needs a value: %s", flag->name, flag->argument);
    append(&load->given[flag - flag_rows], value);
    return STATUS_DONE;
}

// --help and --version are other spellings of the commands.
static bool read_command_flag(Config *config, const char *word, const char *command) {
    bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (!help && strcmp(word, "--version") != 0) return false;
    config->command = help ? COMMAND_HELP : COMMAND_VERSION;
    config->arguments.count = 0;
    if (help && command) append(&config->arguments, command);
    return true;
}

// `test` passes on to busted what is no flag of its own.
static bool passes_on(const char *command, const char *word) {
    if (!command || strcmp(command, command_rows[COMMAND_TEST].name) != 0) return false;
    if (strncmp(word, "--", 2) != 0) return true;
    const Flag *flag = flag_find(word + 2, strcspn(word + 2, "="));
    return !flag || !flag_taken(flag, COMMAND_TEST);
}

static int read_arguments(Load *load, int argc, char **argv) {
    Config *config = load->config;
    const char *command = NULL;
    bool flags_over = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool is_flag = !flags_over && word[0] == '-' && word[1];
        if (is_flag && read_command_flag(config, word, command)) return STATUS_DONE;
        if (is_flag && strcmp(word, "--") == 0) flags_over = true;
        if (is_flag && passes_on(command, word))
            append(&config->arguments, word);
        else if (is_flag && !flags_over) {
            int status = read_flag(load, argc, argv, &i);
            if (status != STATUS_DONE) return status;
        } else if (!is_flag && !command)
            command = word;
        else if (!is_flag)
            append(&config->arguments, word);
    }

    if (!command) return fail(load->fault, EX_USAGE, "say what to do: weir COMMAND; see weir help");
    const CommandRow *row = command_find(command);
    if (!row) return unknown_command(load->L, load->fault, command);
    if (!row->summary) return not_yet(load->fault, EX_USAGE, command);
    config->command = (Command)(row - command_rows);
    return STATUS_DONE;
}

static int check_flag(Load *load, const Flag *flag, const CommandRow *row) {
    if (flag_taken(flag, load->config->command)) return STATUS_DONE;
    char name[64];
    bool later = flag->later & 1u << load->config->command;
    snprintf(name, sizeof name, "%s --%s", row->name, flag->name);
    if (later) return not_yet(load->fault, EX_USAGE, name);
    return fail(load->fault, EX_USAGE, "%s does not take --%s; see weir help %s", row->name,
                flag->name, row->name);
}

// People put the data behind the workflow.
#define DATA_HINT "data goes with --data JSON, --data @FILE or --data - (stdin)"

static bool takes_data(const CommandRow *row) {
    return row == &command_rows[COMMAND_START] || row == &command_rows[COMMAND_RUN];
}

static int check_arguments(Load *load) {
    const TextList *arguments = &load->config->arguments;
    const CommandRow *row = &command_rows[load->config->command];
    for (size_t i = 0; i < flag_count; i++) {
        int status = load->given[i].count ? check_flag(load, &flag_rows[i], row) : STATUS_DONE;
        if (status != STATUS_DONE) return status;
    }
    if (arguments->count < row->least)
        return fail(load->fault, EX_USAGE, "%s needs more: weir %s %s", row->name, row->name,
                    row->arguments);
    if (arguments->count > row->most)
        return fail(load->fault, EX_USAGE, "%s does not take %s; %s%s", row->name,
                    arguments->items[row->most], takes_data(row) ? DATA_HINT : "see weir help ",
                    takes_data(row) ? "" : row->name);
    return STATUS_DONE;
}

// The text of the value on top, as `set` takes it, or NULL for what no setting can be.
static char *file_text(lua_State *L) {
    switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN: return xstrdup(lua_toboolean(L, -1) ? "true" : "false");
    case LUA_TNUMBER:
    case LUA_TSTRING: return xstrdup(lua_tostring(L, -1));
    case LUA_TTABLE: break;
    default: return NULL;
    }
    char *text = xstrdup("");
    size_t size = 0;
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
        size_t length;
        const char *item = lua_tolstring(L, -1, &length);
        text = xrealloc(text, size + length + 2);
        size += (size_t)sprintf(text + size, "%s%s", size ? "," : "", item);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return text;
}

static int read_file_entry(Load *load, lua_State *file, const char *path) {
    const char *key = lua_type(file, -2) == LUA_TSTRING ? lua_tostring(file, -2) : "[...]";
    for (size_t i = 0; i < flag_count; i++) {
        const Flag *flag = &flag_rows[i];
        char name[FLAG_NAME_SIZE];
        if (flag->once || strcmp(flag_spell(flag, name, false), key) != 0) continue;
        if (!flag->commands) return not_yet(load->fault, EX_CONFIG, key);
        load->from_file[i] = file_text(file);
        if (!load->from_file[i])
            return fail(load->fault, EX_CONFIG, "%s: %s cannot be a %s", path, key,
                        luaL_typename(file, -1));
        append(&load->config->kept, load->from_file[i]);
        return STATUS_DONE;
    }
    return unknown_setting(load->L, load->fault, path, key);
}

// Lua shows what stands near the fault: that may be half of a password.
static int fail_of_file(Load *load, const char *message) {
    const char *near = strstr(message, " near ");
    int length = (int)(near ? (size_t)(near - message) : strlen(message));
    return fail(load->fault, EX_CONFIG, "%.*s", length, message);
}

// The file is data: it runs without a single function to call.
static int read_file(Load *load, const char *path) {
    lua_State *file = luaL_newstate();
    if (!file) abort();
    int status = STATUS_DONE;
    if (luaL_loadfilex(file, path, "t") != LUA_OK || lua_pcall(file, 0, 1, 0) != LUA_OK)
        status = fail_of_file(load, luaL_tolstring(file, -1, NULL));
    else if (!lua_istable(file, 1))
        status = fail(load->fault, EX_CONFIG, "%s: must return a table of settings", path);
    else
        for (lua_pushnil(file); status == STATUS_DONE && lua_next(file, 1); lua_settop(file, 2))
            status = read_file_entry(load, file, path);
    lua_close(file);
    return status;
}

static const char *file_path(const Load *load) {
    const TextList *given = &load->given[flag_find("config", strlen("config")) - flag_rows];
    const char *path = given->count ? given->items[given->count - 1] : getenv("WEIR_CONFIG");
    return path && *path ? path : NULL;
}

// The value that wins: only this one is looked at.
static int resolve(Load *load, const Flag *flag) {
    const TextList *given = &load->given[flag - flag_rows];
    char name[FLAG_NAME_SIZE], origin[PATH_MAX];
    if (given->count) {
        snprintf(origin, sizeof origin, "--%s", flag->name);
        int status = STATUS_DONE;
        int64_t first = flag->kind == FLAG_EACH ? 0 : given->count - 1;
        for (int64_t i = first; status == STATUS_DONE && i < given->count; i++)
            status = set(load, flag, given->items[i], origin, EX_USAGE);
        return status;
    }
    const char *variable = flag->once ? NULL : getenv(flag_spell(flag, name, true));
    if (variable && *variable) return set(load, flag, variable, name, EX_CONFIG);

    const char *text = load->from_file[flag - flag_rows];
    if (text) {
        snprintf(origin, sizeof origin, "%s: %s", file_path(load), flag_spell(flag, name, false));
        return set(load, flag, text, origin, EX_CONFIG);
    }
    if (flag->value) return set(load, flag, flag->value, flag->name, EX_SOFTWARE);
    if (flag->kind == FLAG_NUMBER || flag->kind == FLAG_DURATION)
        *(int64_t *)((char *)load->config + flag->field) = CONFIG_NONE;
    return STATUS_DONE;
}

static int resolve_all(Load *load) {
    int status = STATUS_DONE;
    for (size_t i = 0; status == STATUS_DONE && i < flag_count; i++)
        if (flag_taken(&flag_rows[i], load->config->command)) status = resolve(load, &flag_rows[i]);
    return status;
}

// ---- what depends on other values, or on this machine -------------------------------------------

static const char *default_node(void) {
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    return xformat("%s-%ld", host, (long)getpid());
}

// --dir, or that of the file to run: of "orders/pay.lua" "orders".
static const char *run_folder(const Config *config) {
    const char *file = config->arguments.items[0];
    size_t length = strlen(file);
    if (config->dir) return config->dir;
    if (length < 4 || strcmp(file + length - 4, ".lua") != 0) return "workflows";
    const char *slash = strrchr(file, '/');
    if (!slash) return ".";
    return slash == file ? "/" : xmemdup0(file, (size_t)(slash - file));
}

// Production names its Redis: `serve` takes none that it happens to stand beside.
static int find_redis(Load *load) {
    Config *config = load->config;
    char fault[PRIVATE_FOLDER_FAULT_SIZE];
    int code = config->command == COMMAND_SERVE ? UV_ENOENT : address_find(&config->redis, fault);
    if (code != 0 && code != UV_ENOENT)
        return fail(load->fault, EX_CONFIG, "%s; name the Redis: --redis URL", fault);
    config->redis_found = code == 0;
    if (code != 0) address_parse(&config->redis, "redis://127.0.0.1:6379/0");
    return STATUS_DONE;
}

static int complete(Load *load) {
    Config *config = load->config;
    if (config->workers == CONFIG_NONE) config->workers = uv_available_parallelism();

    if (config->command == COMMAND_RUN)
        append(&config->folders, run_folder(config));
    else if (config->arguments.count)
        config->folders = config->arguments;
    else
        append(&config->folders, "workflows");

    // on a Redis of its own a host has one name: restarted, it takes back its runs at once
    bool own_redis = config->command == COMMAND_RUN || config->command == COMMAND_DEV;
    if (!config->node) config->node = own_redis ? config_command(config) : default_node();
    bool talks = flag_taken(flag_find("redis", strlen("redis")), config->command);
    return own_redis || config->redis_found || !talks ? STATUS_DONE : find_redis(load);
}

static int load_all(Load *load, int argc, char **argv) {
    int status = read_arguments(load, argc, argv);
    if (status == STATUS_DONE) status = check_arguments(load);
    if (status != STATUS_DONE) return status;
    const char *path = file_path(load);
    if (path) status = read_file(load, path);
    if (status == STATUS_DONE) status = resolve_all(load);
    return status == STATUS_DONE ? complete(load) : status;
}

// Whoever may list the processes of this machine reads their command lines.
static void hide_logins(const Load *load) {
    for (size_t i = 0; i < flag_count; i++)
        for (int64_t n = 0; flag_rows[i].kind == FLAG_ADDRESS && n < load->given[i].count; n++)
            address_hide_logins((char *)load->given[i].items[n]); // a word of argv
}

int config_load(Config *config, int argc, char **argv, char fault[CONFIG_FAULT_SIZE]) {
    *config = (Config){.words = argv};
    if (!asset_find("lua/weir/base/duration.lua", NULL) ||
        !asset_find("lua/weir/base/suggest.lua", NULL))
        return fail(fault, EX_CONFIG, "WEIR_ROOT=%s is no source tree of weir",
                    getenv("WEIR_ROOT"));

    Load load = {.config = config, .fault = fault, .L = open_lua()};
    int status = load_all(&load, argc, argv);
    hide_logins(&load);
    for (size_t i = 0; i < flag_count; i++) free(load.given[i].items);
    lua_close(load.L);
    return status;
}

// ---- what follows from the tables ---------------------------------------------------------------

const char *config_command(const Config *config) {
    return command_rows[config->command].name;
}

int config_usage(FILE *out, const char *command, char fault[CONFIG_FAULT_SIZE]) {
    const CommandRow *row = command ? command_find(command) : NULL;
    if (row && !row->summary) return not_yet(fault, EX_USAGE, command);
    if (!row && command && flags_topic(out, command)) return STATUS_DONE;
    if (row || !command) {
        flags_usage(out, row);
        return STATUS_DONE;
    }
    lua_State *L = open_lua();
    int status = unknown_command(L, fault, command);
    lua_close(L);
    return status;
}

static void push_number(lua_State *L, int64_t number) {
    if (number == CONFIG_NONE)
        lua_pushnil(L);
    else
        lua_pushinteger(L, number);
}

static void push_texts(lua_State *L, const TextList *list) {
    lua_createtable(L, (int)list->count, 0);
    for (int64_t i = 0; i < list->count; i++) {
        lua_pushstring(L, list->items[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_value(lua_State *L, const Flag *flag, const void *field) {
    switch (flag->kind) {
    case FLAG_SWITCH: lua_pushboolean(L, *(const bool *)field); break;
    case FLAG_TEXT:
    case FLAG_CHOICE: lua_pushstring(L, *(const char *const *)field); break;
    case FLAG_LIST:
    case FLAG_EACH: push_texts(L, field); break;
    case FLAG_NUMBER:
    case FLAG_SIZE:
    case FLAG_DURATION: push_number(L, *(const int64_t *)field); break;
    case FLAG_ADDRESS: lua_pushstring(L, ((const RedisAddress *)field)->url); break;
    }
}

void config_push(lua_State *L, const Config *config) {
    push_texts(L, &config->arguments);
    for (const Flag *flag = flag_rows; flag < flag_rows + flag_count; flag++) {
        if (!flag_taken(flag, config->command)) continue;
        char key[FLAG_NAME_SIZE];
        lua_pushfstring(L, flag->kind == FLAG_DURATION ? "%s_ms" : "%s",
                        flag_spell(flag, key, false));
        push_value(L, flag, (const char *)config + flag->field);
        lua_settable(L, -3);
    }
    push_texts(L, &config->folders);
    lua_setfield(L, -2, "folders");
}

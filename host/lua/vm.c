// vm: see vm.h for what it promises.
//
// A run's Lua objects are anchored in two registry tables under the address of its VmRun: `runs`
// has its run object, `inboxes` the outcomes for its next turn.
#include "lua/vm.h"

#include "assets/assets.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xmalloc.h"
#include "lua/host_module.h"
#include "lua/limit.h"
#include "lua/modules.h"
#include "lua/programs.h"
#include "redis/reply.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <uv.h>

struct Vm {
    Limits limits;
    lua_State *L;
    const Config *config;
    int runs, inboxes, bundles; // registry references
    Reports reports;            // of the turn under way
};

// ---- entering Lua -------------------------------------------------------------------------------

static int explain(lua_State *L) {
    const char *text = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, text, 1);
    return 1;
}

// Calls `body` with `arguments`, on the account of `payer`. Leaves its `results`, or one error.
static int enter(Vm *vm, VmRun *payer, lua_CFunction body, void *arguments, int results) {
    lua_State *L = vm->L;
    int base = lua_gettop(L);
    lua_pushcfunction(L, explain);
    lua_pushcfunction(L, body);
    lua_pushlightuserdata(L, arguments);
    VmRun *before = limit_enter(&vm->limits, payer, vm->config->cpu_ms);
    int status = lua_pcall(L, 1, results, base + 1);
    limit_leave(&vm->limits, before);
    lua_remove(L, base + 1);
    return status;
}

static const char *error_text(lua_State *L) {
    const char *text = lua_tostring(L, -1);
    return text ? text : "an error without text";
}

static void push_module_function(lua_State *L, const char *module, const char *name) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, module);
    lua_getfield(L, -1, name);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static void push_reply(lua_State *L, const Reply *reply) {
    size_t size;
    const char *bytes = reply_bytes(reply, &size);
    lua_pushlstring(L, bytes, size);
}

// Pushes the elements from `skip` on as a list.
static void push_rest(lua_State *L, const Reply *list, size_t skip) {
    size_t count = reply_count(list);
    lua_createtable(L, count > skip ? (int)(count - skip) : 0, 0);
    for (size_t i = skip; i < count; i++) {
        push_reply(L, reply_at(list, i));
        lua_rawseti(L, -2, (lua_Integer)(i - skip) + 1);
    }
}

// ---- bundles ------------------------------------------------------------------------------------

typedef struct {
    Vm *vm;
    const char *hash;
    const Source *sources;
    size_t count;
    const char *fault;
    const char *wanted;
    Findings *findings;
} BundleCall;

static void push_sources(lua_State *L, const Source *sources, size_t count) {
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(L, sources[i].text, sources[i].size);
        lua_setfield(L, -2, sources[i].path);
    }
}

// Stack: list of texts. Leaves their lines as one text.
static void join_lines(lua_State *L) {
    luaL_Buffer lines;
    lua_Integer count = luaL_len(L, -1);
    int list = lua_gettop(L);
    luaL_buffinit(L, &lines);
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1) luaL_addchar(&lines, '\n');
        size_t size;
        lua_rawgeti(L, list, i);
        const char *line = lua_tolstring(L, -1, &size);
        char *plain = text_plain(line ? line : "", line ? size : 0, TEXT_LINE);
        lua_pop(L, 1);
        luaL_addstring(&lines, plain);
        free(plain);
    }
    luaL_pushresult(&lines);
}

// Stack: hash, bundle. Keeps it.
static void keep_bundle(lua_State *L, const Vm *vm) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->bundles);
    lua_insert(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static int load_in_lua(lua_State *L) {
    BundleCall *call = lua_touserdata(L, 1);
    lua_pushstring(L, call->hash);
    push_module_function(L, "weir.code.bundle", "load");
    lua_pushvalue(L, -2);
    push_sources(L, call->sources, call->count);
    lua_call(L, 2, 2); // hash, bundle, faults
    if (lua_isnil(L, -2)) {
        join_lines(L);
        return 1;
    }
    lua_pop(L, 1);
    keep_bundle(L, call->vm);
    return 0;
}

// An empty bundle, with a fault that ends its runs.
static int refuse_in_lua(lua_State *L) {
    BundleCall *call = lua_touserdata(L, 1);
    lua_pushstring(L, call->hash);
    push_module_function(L, "weir.code.bundle", "load");
    lua_pushvalue(L, -2);
    lua_newtable(L);
    lua_call(L, 2, 1); // hash, bundle
    lua_pushfstring(L, "bundle %s cannot be loaded: %s", call->hash, call->fault);
    lua_setfield(L, -2, "fault");
    keep_bundle(L, call->vm);
    return 0;
}

// Stack: findings. Returns the lines under that name, NULL for none.
static char *lines_of(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    join_lines(L);
    const char *lines = lua_tostring(L, -1);
    char *text = *lines ? xstrdup(lines) : NULL;
    lua_pop(L, 2);
    return text;
}

// Stack: the effects, a list. Raises when it holds anything but strings and integers, so that
// vm_take_effects need not.
static void check_effects(lua_State *L) {
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TSTRING && !lua_isinteger(L, -1))
            luaL_error(L, "effect %d is %s, neither a string nor an integer", (int)i,
                       luaL_tolstring(L, -1, NULL));
        lua_pop(L, 1);
    }
}

// name({path, source, ...}) -> the name of that bundle
static int name_in_lua(lua_State *L) {
    size_t count = (size_t)luaL_len(L, 1) / 2;
    Source *sources = lua_newuserdatauv(L, (count + 1) * sizeof *sources, 0);
    for (size_t i = 0; i < count; i++) { // the list keeps the texts
        lua_rawgeti(L, 1, (lua_Integer)(2 * i + 1));
        lua_rawgeti(L, 1, (lua_Integer)(2 * i + 2));
        sources[i].path = (char *)luaL_checkstring(L, -2);
        sources[i].text = (char *)luaL_checklstring(L, -1, &sources[i].size);
        lua_pop(L, 2);
    }
    char name[BUNDLE_NAME_SIZE];
    bundle_name(sources, count, name);
    lua_pushstring(L, name);
    return 1;
}

static int announce_in_lua(lua_State *L) {
    BundleCall *call = lua_touserdata(L, 1);
    push_module_function(L, "weir.code.announcement", "announcement");
    push_sources(L, call->sources, call->count);
    lua_pushcfunction(L, name_in_lua);
    lua_pushstring(L, call->wanted);
    lua_call(L, 3, 3); // arguments, faults, findings
    if (lua_isnil(L, -3)) {
        lua_pop(L, 1);
        join_lines(L);
        return 1;
    }
    call->findings->workflows = lines_of(L, "workflows");
    call->findings->notes = lines_of(L, "notes");
    call->findings->silent = lines_of(L, "silent");
    lua_pop(L, 2);
    check_effects(L);
    return 1;
}

static VmRun *new_account(const Vm *vm) {
    return account_new((size_t)vm->config->memory_bytes);
}

// Files run with the limits of a run: they may loop, too. Leaves one value.
static int enter_sources(Vm *vm, lua_CFunction body, BundleCall *call) {
    VmRun *account = new_account(vm);
    int status = enter(vm, account, body, call, 1);
    if (account->killed) {
        lua_pushstring(vm->L, account->message);
        lua_replace(vm->L, -2);
        status = LUA_ERRRUN;
    }
    account_close(account);
    return status;
}

int vm_load_bundle(Vm *vm, const char *hash, const Source *sources, size_t count, char **faults) {
    BundleCall call = {.vm = vm, .hash = hash, .sources = sources, .count = count};
    int status = enter_sources(vm, load_in_lua, &call);
    bool loaded = status == LUA_OK && lua_isnil(vm->L, -1);
    if (!loaded) *faults = xstrdup(error_text(vm->L));
    lua_pop(vm->L, 1);
    return loaded ? 0 : UV_EINVAL;
}

void vm_refuse_bundle(Vm *vm, const char *hash, const char *fault) {
    BundleCall call = {.vm = vm, .hash = hash, .fault = fault};
    if (enter(vm, &vm->limits.own, refuse_in_lua, &call, 0) == LUA_OK) return;
    log_error("internal error: %s", error_text(vm->L));
    lua_pop(vm->L, 1);
}

void vm_forget_bundle(Vm *vm, const char *hash) {
    lua_State *L = vm->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->bundles);
    lua_pushnil(L);
    lua_setfield(L, -2, hash); // it is there, so this needs no memory
    lua_pop(L, 1);
}

int vm_announce(Vm *vm, const Source *sources, size_t count, const char *wanted, size_t *arguments,
                Findings *findings) {
    *findings = (Findings){0};
    BundleCall call = {
        .vm = vm, .sources = sources, .count = count, .wanted = wanted, .findings = findings};
    int status = enter_sources(vm, announce_in_lua, &call);
    if (status == LUA_OK && lua_istable(vm->L, -1)) {
        *arguments = lua_rawlen(vm->L, -1);
        return 0;
    }
    findings->faults = xstrdup(error_text(vm->L));
    lua_pop(vm->L, 1);
    return UV_EINVAL;
}

void findings_free(Findings *findings) {
    free(findings->faults);
    free(findings->notes);
    free(findings->workflows);
    free(findings->silent);
    *findings = (Findings){0};
}

// ---- runs ---------------------------------------------------------------------------------------

typedef struct {
    Vm *vm;
    VmRun *run;
    const char *id, *hash;      // begin
    int64_t known;              // begin
    const VmPage *page;         // begin, more; NULL: there is nothing of its record
    const Reply *list;          // deliver
    size_t skip;                // likewise
    int64_t now_ms;             // turn
    int64_t recorded_ms;        // turn
    const char *code, *message; // kill
} RunCall;

// Pushes the run object and one of its methods.
static void push_method(lua_State *L, const RunCall *call, const char *name) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->vm->runs);
    lua_rawgetp(L, -1, call->run);
    lua_getfield(L, -1, name);
    lua_insert(L, -2);
    lua_remove(L, -3);
}

static void push_page(lua_State *L, const VmPage *page) {
    push_rest(L, page ? page->reply : NULL, page ? page->skip : 0);
    lua_pushboolean(L, !page || page->last);
}

// Stack: run object. Keeps it.
static void keep_run(lua_State *L, const RunCall *call) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->vm->runs);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, call->run);
}

static int begin_in_lua(lua_State *L) {
    RunCall *call = lua_touserdata(L, 1);
    push_module_function(L, "weir.engine.run", "begin");
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->vm->bundles);
    lua_getfield(L, -1, call->hash);
    lua_replace(L, -2);
    lua_pushstring(L, call->id);
    lua_pushinteger(L, call->known);
    push_page(L, call->page);
    lua_call(L, 5, 1);
    keep_run(L, call);
    return 0;
}

static int more_in_lua(lua_State *L) {
    RunCall *call = lua_touserdata(L, 1);
    push_method(L, call, "more");
    push_page(L, call->page);
    lua_call(L, 3, 1);
    keep_run(L, call);
    return 0;
}

static int kill_in_lua(lua_State *L) {
    RunCall *call = lua_touserdata(L, 1);
    push_method(L, call, "kill");
    lua_pushstring(L, call->code);
    lua_pushstring(L, call->message);
    lua_call(L, 3, 0);
    return 0;
}

static int deliver_in_lua(lua_State *L) {
    RunCall *call = lua_touserdata(L, 1);
    push_rest(L, call->list, call->skip);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->vm->inboxes);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, call->run);
    return 0;
}

static int turn_in_lua(lua_State *L) {
    RunCall *call = lua_touserdata(L, 1);
    push_method(L, call, "turn");
    lua_pushinteger(L, call->now_ms);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->vm->inboxes);
    if (lua_rawgetp(L, -1, call->run) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 0);
    } else {
        lua_pushnil(L);
        lua_rawsetp(L, -3, call->run);
    }
    lua_remove(L, -2);
    if (call->recorded_ms)
        lua_pushinteger(L, call->recorded_ms);
    else
        lua_pushnil(L);
    lua_call(L, 4, 1);
    check_effects(L);
    return 1;
}

static int disable_speculation_in_lua(lua_State *L) {
    push_method(L, lua_touserdata(L, 1), "disable_speculation");
    lua_call(L, 1, 0);
    return 0;
}

static int describe_in_lua(lua_State *L) {
    push_method(L, lua_touserdata(L, 1), "describe");
    lua_call(L, 1, 1);
    luaL_tolstring(L, -1, NULL);
    return 1;
}

static int forget_in_lua(lua_State *L) {
    RunCall *call = lua_touserdata(L, 1);
    const int tables[] = {call->vm->runs, call->vm->inboxes};
    for (size_t i = 0; i < 2; i++) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, tables[i]);
        lua_pushnil(L);
        lua_rawsetp(L, -2, call->run);
    }
    return 0;
}

// Enters Lua for a run. False when the run was stopped; the call has the failure then.
static bool go(RunCall *call, lua_CFunction body, int results) {
    lua_State *L = call->vm->L;
    VmRun *run = call->run;
    int status = enter(call->vm, run, body, call, results);
    if (status == LUA_OK && !run->killed) return true;
    call->code = "error";
    if (run->killed) {
        call->code = account_code(run);
    } else { // an error in weir itself
        snprintf(run->message, sizeof run->message, "%s", error_text(L));
        log_error("internal error: %s", error_text(L));
    }
    call->message = run->message;
    lua_pop(L, status == LUA_OK ? results : 1);
    return false;
}

static bool kill_run(RunCall *call) {
    account_lift(call->run);
    return go(call, kill_in_lua, 0);
}

// The run cannot begin with its record. It begins without one, and fails.
static void begin_bare(RunCall *call) {
    RunCall bare = {.vm = call->vm, .run = call->run, .id = call->id, .hash = ""};
    account_lift(call->run);
    if (go(&bare, begin_in_lua, 0)) kill_run(call);
}

VmRun *vm_begin(Vm *vm, const char *id, const char *hash, int64_t known, const VmPage *page) {
    RunCall call = {
        .vm = vm, .run = new_account(vm), .id = id, .hash = hash, .known = known, .page = page};
    if (!go(&call, begin_in_lua, 0)) begin_bare(&call);
    return call.run; // a run that did not even begin so fails its turn
}

void vm_more(Vm *vm, VmRun *run, const char *id, const VmPage *page) {
    RunCall call = {.vm = vm, .run = run, .id = id, .page = page};
    if (!go(&call, more_in_lua, 0)) begin_bare(&call);
}

void vm_deliver(Vm *vm, VmRun *run, const Reply *outcomes, size_t skip) {
    RunCall call = {.vm = vm, .run = run, .list = outcomes, .skip = skip};
    if (reply_count(outcomes) > skip && !go(&call, deliver_in_lua, 0)) kill_run(&call);
}

Reports vm_take_reports(Vm *vm) {
    Reports reports = vm->reports;
    vm->reports = (Reports){0};
    return reports;
}

int vm_turn(Vm *vm, VmRun *run, int64_t now_ms, int64_t recorded_ms, size_t *effects) {
    reports_clear(&vm->reports); // of a turn that failed
    RunCall call = {.vm = vm, .run = run, .now_ms = now_ms, .recorded_ms = recorded_ms};
    if (go(&call, turn_in_lua, 1) || (kill_run(&call) && go(&call, turn_in_lua, 1))) {
        *effects = lua_rawlen(vm->L, -1);
        return 0;
    }
    return UV_EPROTO;
}

// Never raises, as a batch cannot be left half written: check_effects has checked the list.
void vm_take_effects(Vm *vm, Batch *batch) {
    lua_State *L = vm->L;
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TSTRING) {
            size_t size;
            const char *bytes = lua_tolstring(L, -1, &size);
            batch_bytes(batch, bytes, size);
        } else {
            batch_integer(batch, lua_tointeger(L, -1));
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void vm_drop_effects(Vm *vm) {
    lua_pop(vm->L, 1);
}

void vm_kill(Vm *vm, VmRun *run, const char *code, const char *message) {
    RunCall call = {.vm = vm, .run = run, .code = code, .message = message};
    kill_run(&call);
}

void vm_disable_speculation(Vm *vm, VmRun *run) {
    RunCall call = {.vm = vm, .run = run};
    if (enter(vm, &vm->limits.own, disable_speculation_in_lua, &call, 0) != LUA_OK)
        lua_pop(vm->L, 1);
}

void vm_forget(Vm *vm, VmRun *run) {
    RunCall call = {.vm = vm, .run = run};
    enter(vm, &vm->limits.own, forget_in_lua, &call, 0);
    account_drop(&vm->limits, run);
}

size_t vm_memory(const VmRun *run) {
    return run->used;
}

bool vm_collect(Vm *vm) {
    return limit_collect(&vm->limits);
}

char *vm_describe(Vm *vm, VmRun *run) {
    RunCall call = {.vm = vm, .run = run};
    enter(vm, &vm->limits.own, describe_in_lua, &call, 1);
    char *text = xstrdup(error_text(vm->L));
    lua_pop(vm->L, 1);
    return text;
}

// ---- open and close -----------------------------------------------------------------------------

// Stack: weir.engine.run, which gets the functions of the host and the limits of runs.
static void set_limits(lua_State *L, const Config *config) {
    modules_require(L, "weir.native.host");
    lua_setfield(L, -2, "host");
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, config->payload_bytes);
    lua_setfield(L, -2, "payload_bytes");
    lua_pushinteger(L, config->depth);
    lua_setfield(L, -2, "depth");
    lua_setfield(L, -2, "limits");
}

// require("weir.engine.run"). Upvalue 1: the configuration.
static int load_engine(lua_State *L) {
    const Config *config = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 1);
    lua_pushcfunction(L, asset_searcher);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 2); // name, its code, its path
    lua_rotate(L, 1, -1);
    lua_insert(L, -2);
    lua_call(L, 2, 1);
    set_limits(L, config);
    return 1;
}

static int open_in_lua(lua_State *L) {
    Vm *vm = lua_touserdata(L, 1);
    luaL_openlibs(L);
    limit_install(L);
    programs_install(L);
    modules_install(L, vm->config);
    host_module_preload(L, &vm->reports);
    int *const tables[] = {&vm->runs, &vm->inboxes, &vm->bundles};
    for (size_t i = 0; i < 3; i++) {
        lua_newtable(L);
        *tables[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_pushlightuserdata(L, (void *)vm->config);
    modules_preload(L, "weir.engine.run", load_engine, 1);
    return 0;
}

static int load_in_advance(lua_State *L) {
    modules_require(L, "weir.code.bundle");
    modules_require(L, "weir.code.announcement");
    modules_require(L, "weir.engine.run");
    return 0;
}

static Vm *open_with(const Config *config, lua_CFunction load) {
    Vm *vm = xcalloc(1, sizeof *vm);
    vm->config = config;
    vm->L = limit_open(&vm->limits);
    if (enter(vm, &vm->limits.own, open_in_lua, vm, 0) == LUA_OK &&
        (!load || enter(vm, &vm->limits.own, load, NULL, 0) == LUA_OK))
        return vm;
    log_error("Lua cannot start: %s", error_text(vm->L));
    vm_close(vm);
    return NULL;
}

Vm *vm_open(const Config *config) {
    Vm *vm = open_with(config, load_in_advance);
    if (vm) vm_refuse_bundle(vm, "", "it has no name"); // for runs that cannot begin otherwise
    return vm;
}

Vm *vm_open_for_commands(const Config *config) {
    return open_with(config, NULL);
}

void vm_watch(Vm *vm, LimitEvents events) {
    vm->limits.events = events;
}

void vm_close(Vm *vm) {
    if (!vm) return;
    limit_close(&vm->limits);
    reports_clear(&vm->reports);
    free(vm);
}

struct lua_State *vm_lua(Vm *vm) {
    return vm->L;
}

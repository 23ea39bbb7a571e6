// test_watch: see test_watch.h. All that is owned is in `rerun`, so nothing leaks when Lua raises.
#include "cli/test_watch.h"

#include "base/folder_watch.h"
#include "base/parent.h"
#include "base/xmalloc.h"

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

enum {
    GRACE_MS = 1000 // from SIGTERM to SIGKILL
};

static struct {
    char **words;
    const char *variable;
    char cwd[4096]; // where the program is run: Lua may have gone elsewhere
    bool open;
    uv_loop_t loop;
    FolderWatch *folders;
    uv_signal_t interrupts[2];
    uv_process_t child;
    uv_timer_t grace;
    bool child_runs, child_ended, stops, interrupted;
    int child_status;
    char **changes; // paths
    size_t count;
    bool settled; // nothing changed for a while
} rerun;

// ---- files --------------------------------------------------------------------------------------

static void on_settled(void *owner) {
    (void)owner;
    rerun.settled = true;
}

static void on_entry(void *owner, const char *path) {
    (void)owner;
    rerun.settled = false;
    for (size_t i = 0; i < rerun.count; i++)
        if (strcmp(rerun.changes[i], path) == 0) return;
    rerun.changes = xrealloc(rerun.changes, (rerun.count + 1) * sizeof *rerun.changes);
    rerun.changes[rerun.count++] = xstrdup(path);
}

static void on_polling(void *owner, const char *line) {
    (void)owner;
    fprintf(stderr, "weir test: %s\n", line);
}

static void forget_changes(void) {
    for (size_t i = 0; i < rerun.count; i++) free(rerun.changes[i]);
    free(rerun.changes);
    rerun.changes = NULL;
    rerun.count = 0;
    rerun.settled = false;
}

// ---- the child ----------------------------------------------------------------------------------

// The child leads a session of its own: its group has all that the specs start.
static void signal_group(int number) {
    kill(-rerun.child.pid, number);
}

static void on_grace_over(uv_timer_t *timer) {
    (void)timer;
    if (rerun.child_runs) signal_group(SIGKILL);
}

static void on_exited(uv_process_t *child, int64_t status, int number) {
    if (rerun.stops) signal_group(SIGKILL); // nothing that a spec started stays
    rerun.child_status = number ? 128 + number : (int)status;
    rerun.child_runs = false;
    rerun.child_ended = true;
    uv_timer_stop(&rerun.grace);
    uv_close((uv_handle_t *)child, NULL);
}

static void stop_child(int number) {
    if (!rerun.child_runs) return;
    rerun.stops = true;
    signal_group(number);
    uv_timer_start(&rerun.grace, on_grace_over, GRACE_MS, 0);
}

// Ctrl-C of the terminal reaches this process alone. A second one kills a child that hangs.
static void on_interrupted(uv_signal_t *handle, int number) {
    (void)handle;
    stop_child(rerun.interrupted ? SIGKILL : number);
    rerun.interrupted = true;
}

static void open_loop(void) {
    static const int signals[] = {SIGINT, SIGTERM};
    if (rerun.open) return;
    rerun.open = true;
    if (uv_loop_init(&rerun.loop) < 0) abort();
    rerun.folders = folder_watch_open(&rerun.loop, FOLDER_WATCH_EVENTS,
                                      (FolderWatchEvents){.on_settled = on_settled,
                                                          .on_entry = on_entry,
                                                          .on_polling = on_polling});
    uv_timer_init(&rerun.loop, &rerun.grace);
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&rerun.loop, &rerun.interrupts[i]);
        uv_signal_start(&rerun.interrupts[i], on_interrupted, signals[i]);
    }
}

// ---- what Lua calls -----------------------------------------------------------------------------

int test_watch_folders(lua_State *L) {
    open_loop();
    luaL_checktype(L, 1, LUA_TTABLE);
    folder_watch_begin(rerun.folders);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TSTRING; i++) {
        folder_watch_folder(rerun.folders, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    folder_watch_end(rerun.folders);
    return 0;
}

static void push_changes(lua_State *L) {
    lua_createtable(L, (int)rerun.count, 0);
    for (size_t i = 0; i < rerun.count; i++) {
        lua_pushstring(L, rerun.changes[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    forget_changes();
}

static void await_child(void) {
    while (rerun.child_runs) uv_run(&rerun.loop, UV_RUN_ONCE);
    rerun.child_ended = false;
}

int test_watch_await(lua_State *L) {
    open_loop();
    while (!rerun.interrupted && !rerun.child_ended && !(rerun.count && rerun.settled))
        uv_run(&rerun.loop, UV_RUN_ONCE);
    if (rerun.interrupted) {
        if (!rerun.stops) stop_child(SIGTERM); // it was started since
        await_child();
        return 0;
    }
    if (rerun.child_ended) {
        rerun.child_ended = false;
        lua_pushinteger(L, rerun.child_status);
    } else {
        push_changes(L);
    }
    return 1;
}

int test_watch_stop(lua_State *L) {
    (void)L;
    stop_child(SIGTERM);
    await_child();
    return 0;
}

int test_watch_spawn(lua_State *L) {
    open_loop();
    uv_stdio_container_t stdio[3];
    for (int i = 0; i < 3; i++)
        stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = i};
    char **environment = parent_environment(rerun.variable, luaL_checkstring(L, 1));
    uv_process_options_t options = {.exit_cb = on_exited,
                                    .file = "/proc/self/exe",
                                    .args = rerun.words,
                                    .env = environment,
                                    .cwd = rerun.cwd,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio = stdio,
                                    .stdio_count = 3};
    rerun.stops = false;
    int status = uv_spawn(&rerun.loop, &rerun.child, &options);
    parent_environment_free(environment);
    if (status < 0) {
        uv_close((uv_handle_t *)&rerun.child, NULL);
        return luaL_error(L, "cannot run the specs: %s", uv_strerror(status));
    }
    rerun.child_runs = true;
    return 0;
}

// ---- open and close -----------------------------------------------------------------------------

void test_watch_open(char **words, const char *variable) {
    size_t size = sizeof rerun.cwd;
    rerun.words = words;
    rerun.variable = variable;
    if (uv_cwd(rerun.cwd, &size) < 0) strcpy(rerun.cwd, ".");
}

void test_watch_close(void) {
    if (!rerun.open) return;
    stop_child(SIGTERM); // Lua raised
    await_child();
    folder_watch_close(rerun.folders);
    uv_close((uv_handle_t *)&rerun.grace, NULL);
    for (size_t i = 0; i < 2; i++) uv_close((uv_handle_t *)&rerun.interrupts[i], NULL);
    uv_run(&rerun.loop, UV_RUN_DEFAULT); // the handles close
    uv_loop_close(&rerun.loop);
    forget_changes();
    rerun.open = false;
}

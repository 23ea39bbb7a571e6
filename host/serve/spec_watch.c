// spec_watch: see spec_watch.h.
#include "serve/spec_watch.h"

#include "base/log.h"
#include "base/parent.h"

#include <signal.h>
#include <stdbool.h>

enum {
    GRACE_MS = 3000 // from SIGTERM to SIGKILL; the process takes a second to end stubborn specs
};

static struct {
    uv_process_t process;
    uv_timer_t grace;
    bool runs, stops;
} child;

static void on_exited(uv_process_t *process, int64_t status, int number) {
    if (!child.stops)
        log_warn("the specs are not run any more: weir test ended with status %d",
                 number ? 128 + number : (int)status);
    child.runs = false;
    uv_close((uv_handle_t *)process, NULL);
    uv_close((uv_handle_t *)&child.grace, NULL);
}

static void on_grace_over(uv_timer_t *timer) {
    (void)timer;
    uv_process_kill(&child.process, SIGKILL);
}

static void take_words(const Config *config, const char **words) {
    size_t count = 0;
    words[count++] = config->words[0];
    words[count++] = "test";
    words[count++] = "--watch";
    words[count++] = "--brief";
    if (config->lua_path) {
        words[count++] = "--lua-path";
        words[count++] = config->lua_path;
    }
    if (config->lua_cpath) {
        words[count++] = "--lua-cpath";
        words[count++] = config->lua_cpath;
    }
    words[count] = NULL;
}

void spec_watch_start(uv_loop_t *loop, const Config *config) {
    enum { MOST_WORDS = 9 };
    const char *words[MOST_WORDS];
    take_words(config, words);
    uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE},
                                    {.flags = UV_INHERIT_FD, .data.fd = 2},
                                    {.flags = UV_INHERIT_FD, .data.fd = 2}};
    char **environment = parent_environment(CONFIG_TEST_BESIDE, config->folders.items[0]);
    uv_process_options_t options = {.exit_cb = on_exited,
                                    .file = "/proc/self/exe",
                                    .args = (char **)words,
                                    .env = environment,
                                    .flags = UV_PROCESS_DETACHED, // ^C reaches the host alone
                                    .stdio = stdio,
                                    .stdio_count = 3};
    int status = uv_spawn(loop, &child.process, &options);
    parent_environment_free(environment);
    if (status < 0) {
        log_warn("cannot run the specs: %s", uv_strerror(status));
        uv_close((uv_handle_t *)&child.process, NULL);
        return;
    }
    uv_timer_init(loop, &child.grace);
    child.runs = true;
}

void spec_watch_stop(void) {
    if (!child.runs || child.stops) return;
    child.stops = true;
    uv_process_kill(&child.process, SIGTERM);
    uv_timer_start(&child.grace, on_grace_over, GRACE_MS, 0);
}

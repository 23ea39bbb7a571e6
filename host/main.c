// main: from the command line to an exit status; the only file that exits.
//
// A host runs on the main thread. `run` puts everything into one process: a redis-server, a host,
// and a client thread that starts the run and, when it has shown how it ended, stops the host.
#include "assets/bundle.h"
#include "base/first_process.h"
#include "base/log.h"
#include "base/report.h"
#include "base/text.h"
#include "base/xmalloc.h"
#include "cli/client.h"
#include "cli/test_command.h"
#include "config/config.h"
#include "lua/vm.h"
#include "serve/host.h"
#include "serve/notify.h"
#include "serve/private_redis.h"
#include "serve/spec_watch.h"
#include "serve/supervisor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

static int complain(int status, const char *fault) {
    char *plain = text_plain(fault, strlen(fault), TEXT_LINE);
    address_hide_logins(plain);
    fprintf(stderr, "weir: %s\n", plain);
    free(plain);
    return status;
}

// ---- hosts --------------------------------------------------------------------------------------

typedef struct Process Process;
struct Process {
    Config *config;
    Host *host;
    uv_loop_t *loop; // of the host
    void (*on_ready)(Process *process);
    const Bundle *bundles;
    const char *folder; // that commands are told of them in; NULL: none
    pthread_t client;   // of `run`
    bool has_client;
    int client_status;
};

static void open_log(const Config *config) {
    // `weir run` shows its run: lines of the run matter, those of the host around it do not
    LogLevel least = config->command == COMMAND_RUN ? LEVEL_WARN : LEVEL_INFO;
    LogLevel least_of_runs = LEVEL_INFO;
    if (config->log_level) {
        log_level(config->log_level, &least);
        least_of_runs = least;
    }
    log_open(strcmp(config->log, "json") == 0 ? LOG_JSON : LOG_TEXT, least, least_of_runs);
}

// Passwords lie in many buffers, of Lua, of hiredis and of the kernel's copy of the environment, so
// the whole process leaves no core dump. A limit for the size of dumps (RLIMIT_CORE) does not hold
// where a program takes them, as systemd-coredump; this does, and it also keeps other processes of
// the user from reading the memory.
static void keep_passwords(const Config *config) {
    if (config->redis.password && !config->core_dumps) prctl(PR_SET_DUMPABLE, 0);
}

static void on_ready(void *owner) {
    Process *process = owner;
    const Config *config = process->config;
    log_info("ready: node %s, Redis at %s", config->node, config->redis.url);
    if (process->on_ready) process->on_ready(process);
}

static void on_stop(void *owner) {
    Process *process = owner;
    log_info("stopping: takes no more runs, lets running Lua reach its next yield");
    client_interrupt();
    spec_watch_stop();
    host_stop(process->host);
}

static void on_describe(void *owner) {
    host_describe(((Process *)owner)->host);
}

static void on_reload(void *owner) {
    host_reload(((Process *)owner)->host);
}

// Steps of all runs share the open files of the process, and Lua closes forgotten ones late: the
// usual soft limit of 1024 is soon reached.
static void raise_handle_limit(void) {
    static const rlim_t handles = 65536;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    rlim_t wanted = limit.rlim_max < handles ? limit.rlim_max : handles;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// Records which folders this host runs and which bundles it read last, for the commands in this
// folder: see command_io.c. Without the record the commands do not report later changes.
static void write_folders(const char *path, const TextList *folders, const Bundle *bundles,
                          char (*seen)[BUNDLE_NAME_SIZE]) {
    char fault[PRIVATE_FOLDER_FAULT_SIZE];
    int kept = private_folder_open(path, fault);
    int next =
        kept < 0 ? kept : private_folder_file(kept, "folders.new", O_WRONLY | O_CREAT | O_TRUNC);
    FILE *file = next < 0 ? NULL : fdopen(next, "w");
    for (int64_t i = 0; file && i < folders->count; i++) {
        char *whole = realpath(folders->items[i], NULL);
        uint64_t live = bundle_digest(&bundles[i]), read = seen ? bundle_number(seen[i]) : live;
        if (whole && !strchr(whole, '\n'))
            fprintf(file, "%016" PRIx64 " %016" PRIx64 " %s\n", live, read, whole);
        free(whole);
    }
    bool written = file && !ferror(file);
    if (file && fclose(file) != 0) written = false;
    if (kept < 0) return;
    if (!written || renameat(kept, "folders.new", kept, "folders") < 0)
        unlinkat(kept, "folders", 0);
    close(kept);
}

static void on_read(void *owner, char (*seen)[BUNDLE_NAME_SIZE]) {
    Process *process = owner;
    if (process->folder)
        write_folders(process->folder, &process->config->folders, process->bundles, seen);
}

// Serves until it is told to stop, or cannot go on.
static int run_host(Process *process, Bundle *bundles) {
    static uv_loop_t loop; // a worker that does not end may speak to it until the process does
    raise_handle_limit();
    uv_loop_init(&loop);
    process->bundles = bundles;
    process->loop = &loop;
    process->host = host_open(&loop, process->config, (HostEvents){process, on_ready, on_read});
    supervisor_open(&loop, (SupervisorEvents){process, on_stop, on_describe, on_reload});

    int status = host_run(process->host, bundles, (size_t)process->config->folders.count);

    if (process->has_client) {
        client_interrupt();                  // it waits in vain when the host could not go on
        pthread_join(process->client, NULL); // before the host goes, which it stops
    }
    spec_watch_stop();
    supervisor_close();
    host_close(process->host);
    uv_run(&loop, UV_RUN_DEFAULT); // the handles close
    uv_loop_close(&loop);
    return status;
}

// A host with a redis-server of its own. The data of one with a `folder` outlives it.
static int run_with_private_redis(Process *process, Bundle *bundles, const char *folder) {
    Config *config = process->config;
    char fault[PRIVATE_REDIS_FAULT_SIZE];
    PrivateRedis *server;
    int started = private_redis_start(&server, folder, config->durability, &config->redis, fault);
    if (started < 0) return complain(started == UV_EBUSY ? EX_CONFIG : EX_UNAVAILABLE, fault);
    process->folder = folder;
    if (folder) write_folders(folder, &config->folders, bundles, NULL);
    int status = run_host(process, bundles);
    private_redis_stop(server);
    return status;
}

static int read_bundles(const Config *config, Bundle *bundles) {
    char fault[BUNDLE_FAULT_SIZE];
    for (int64_t i = 0; i < config->folders.count; i++)
        if (bundle_read(config->folders.items[i], &bundles[i], fault) < 0)
            return complain(EX_CONFIG, fault);
    return STATUS_DONE;
}

typedef int Serve(Process *process, Bundle *bundles);

// Reads the folders first: their faults are reported without a Redis.
static int start(Process *process, Serve *serve_bundles) {
    open_log(process->config);
    if (process->config->warning) log_warn("%s", process->config->warning);
    size_t count = (size_t)process->config->folders.count;
    Bundle *bundles = xcalloc(count, sizeof *bundles);
    int status = read_bundles(process->config, bundles);
    if (status == STATUS_DONE) status = serve_bundles(process, bundles);
    for (size_t i = 0; i < count; i++) bundle_free(&bundles[i]);
    free(bundles);
    return status;
}

static int serve(Config *config) {
    Process process = {.config = config};
    return start(&process, run_host);
}

static void on_developing(Process *process) {
    log_plain("\nNow, in another terminal: weir start WORKFLOW --wait\n\n");
    if (process->config->test) spec_watch_start(process->loop, process->config);
}

static int run_kept(Process *process, Bundle *bundles) {
    return run_with_private_redis(process, bundles, ".weir");
}

static int dev(Config *config) {
    Process process = {.config = config, .on_ready = on_developing};
    return start(&process, run_kept);
}

// ---- one run ------------------------------------------------------------------------------------

static void *run_client(void *data) {
    Process *process = data;
    process->client_status = client_run(process->config);
    host_stop(process->host);
    return NULL;
}

static void on_running(Process *process) {
    process->has_client = pthread_create(&process->client, NULL, run_client, process) == 0;
    if (!process->has_client) host_stop(process->host);
}

static int run_temporary(Process *process, Bundle *bundles) {
    return run_with_private_redis(process, bundles, NULL);
}

static int run(Config *config) {
    reports_leave_out_failed(); // the client says how its run ended
    Process process = {.config = config, .on_ready = on_running};
    int status = start(&process, run_temporary);
    bool served = status == STATUS_DONE && process.has_client; // else the client waited in vain
    return served ? process.client_status : status;
}

// ---- the other commands -------------------------------------------------------------------------

static int test(Config *config) {
    return test_command_run(config);
}

static int client(Config *config) {
    if (config->warning) fprintf(stderr, "weir: warning: %s\n", config->warning);
    return client_run(config);
}

int main(int argc, char **argv) {
    static int (*const commands[])(Config *) = {
        [COMMAND_RUN] = run,   [COMMAND_DEV] = dev,       [COMMAND_SERVE] = serve,
        [COMMAND_TEST] = test, [COMMAND_CLIENT] = client,
    };
    static Config config; // its texts are never freed: reachable to the end
    char fault[CONFIG_FAULT_SIZE];
    first_process_leave();
    notify_open();
    int status = config_load(&config, argc, argv, fault);
    keep_passwords(&config);
    status = status == STATUS_DONE ? commands[config.command](&config) : complain(status, fault);
    log_flush();
    bool written = fflush(stdout) == 0 && !ferror(stdout); // a full disk is no success
    exit(written ? status : complain(EX_IOERR, "cannot write to stdout"));
}

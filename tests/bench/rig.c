#include "rig.h"

#include "base/xmalloc.h"
#include "redis/script.h"
#include "serve/private_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "weir"
#define KEY PREFIX ":{0}:"
#define WORKFLOWS "tests/bench/workflows"

enum { READY_MS = 10000, POLL_MS = 5, RUN_PATIENCE_S = 60 };

static const char *weir;
static Rig rig_;
static PrivateRedis *server;
static RedisAddress address;
static char log_path[] = "/tmp/weir-bench-XXXXXX";
static volatile sig_atomic_t interrupted;

// ---- the end ------------------------------------------------------------------------------------

static void on_interrupted(int number) {
    interrupted = number;
}

static void end_host(int number) {
    if (!rig_.host_pid) return;
    kill(rig_.host_pid, number);
    while (waitpid(rig_.host_pid, NULL, 0) < 0 && errno == EINTR) {
        if (interrupted) kill(rig_.host_pid, SIGKILL);
    }
    rig_.host_pid = 0;
}

static void tear_down(void) {
    end_host(SIGKILL);
    if (rig_.redis) redisFree(rig_.redis);
    script_call_close(&rig_.call);
    private_redis_stop(server);
    server = NULL;
    rig_ = (Rig){0};
}

static void remove_log(void) {
    unlink(log_path);
}

void give_up(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(EX_SOFTWARE);
}

void rig_setup(const char *binary, unsigned seconds) {
    weir = binary;
    int log = mkstemp(log_path);
    if (log < 0) give_up("cannot make %s: %s", log_path, strerror(errno));
    close(log);
    atexit(remove_log);
    atexit(tear_down);
    // without SA_RESTART: what is waited for is given up
    struct sigaction action = {.sa_handler = on_interrupted};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    alarm(seconds);
}

static void check_interrupted(void) {
    if (interrupted == SIGALRM) give_up("took too long");
    if (interrupted) give_up("interrupted");
}

void rest_ms(int64_t ms) {
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&rest, NULL);
    check_interrupted();
}

const char *rig_weir(void) {
    return weir;
}

const char *rig_url(void) {
    return address.url;
}

// ---- clocks -------------------------------------------------------------------------------------

static double seconds_of(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) < 0) return 0;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double now_s(void) {
    return seconds_of(CLOCK_MONOTONIC);
}

// To the nanosecond, where /proc counts ticks of 10 ms.
double cpu_s(pid_t pid) {
    clockid_t clock;
    int status = clock_getcpuclockid(pid, &clock);
    if (status != 0) give_up("no CPU clock of process %d: %s", (int)pid, strerror(status));
    return seconds_of(clock);
}

int64_t resident_bytes(pid_t pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) give_up("cannot read %s", path);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

int64_t peak_bytes(pid_t pid) {
    char path[64], line[128];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) give_up("cannot read %s", path);
    while (!kib && fgets(line, sizeof line, file)) sscanf(line, "VmHWM: %ld", &kib);
    fclose(file);
    return (int64_t)kib * 1024;
}

// ---- Redis --------------------------------------------------------------------------------------

static redisReply *take_reply(void) {
    redisReply *reply = NULL;
    if (redisGetReply(rig_.redis, (void **)&reply) != REDIS_OK) {
        check_interrupted();
        give_up("Redis: %s", rig_.redis->errstr);
    }
    if (reply->type == REDIS_REPLY_ERROR) give_up("Redis: %s", reply->str);
    return reply;
}

redisReply *command(Rig *rig, const char *format, ...) {
    va_list values;
    va_start(values, format);
    redisvAppendCommand(rig->redis, format, values);
    va_end(values);
    return take_reply();
}

int64_t info_integer(Rig *rig, const char *field) {
    char line[64];
    int size = snprintf(line, sizeof line, "\n%s:", field);
    redisReply *reply = command(rig, "INFO");
    const char *found = strstr(reply->str, line);
    if (!found) give_up("INFO of Redis has no %s", field);
    int64_t integer = strtoll(found + size, NULL, 10);
    freeReplyObject(reply);
    return integer;
}

Rig *rig_open(const char *fsync) {
    char fault[PRIVATE_REDIS_FAULT_SIZE];
    if (private_redis_start(&server, NULL, fsync, &address, fault) < 0) give_up("%s", fault);
    rig_.redis = redisConnectUnix(address.socket);
    if (!rig_.redis || rig_.redis->err) give_up("cannot connect to %s", address.url);
    redisSetTimeout(rig_.redis, (struct timeval){.tv_sec = 30});
    // a rewrite of the AOF would fall into some rounds and not into others
    freeReplyObject(command(&rig_, "CONFIG SET auto-aof-rewrite-percentage 0"));
    rig_.redis_pid = (pid_t)info_integer(&rig_, "process_id");

    size_t size;
    const char *text = script_text(&size);
    redisReply *reply = command(&rig_, "SCRIPT LOAD %b", text, size);
    static const Config config = {.prefix = PREFIX}; // a client serves no queues
    script_call_open(&rig_.call, &config);
    script_call_loaded(&rig_.call, reply);
    freeReplyObject(reply);
    return &rig_;
}

void rig_close(Rig *rig) {
    (void)rig;
    tear_down();
}

redisReply *call(Rig *rig, Batch *batch, redisReply **groups) {
    return call_as(rig, "", batch, groups);
}

redisReply *call_as(Rig *rig, const char *worker, Batch *batch, redisReply **groups) {
    size_t size;
    const char *text = script_call_write(&rig->call, batch, worker, 0, &size);
    redisAppendFormattedCommand(rig->redis, text, size);
    batch_free(batch);

    redisReply *reply = take_reply();
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 6) give_up("not a reply of weir's");
    *groups = reply->element[3];
    for (size_t i = 0; i < (*groups)->elements; i++) {
        const redisReply *group = (*groups)->element[i];
        if (strcmp(group->element[0]->str, "error") == 0) give_up("%s", group->element[1]->str);
    }
    return reply;
}

// ---- slow calls ---------------------------------------------------------------------------------

enum { SLOW_US = 1000, SLOW_KEPT = 100000 };

void forget_calls(Rig *rig) {
    freeReplyObject(command(rig, "CONFIG SET slowlog-log-slower-than %d", SLOW_US));
    freeReplyObject(command(rig, "CONFIG SET slowlog-max-len %d", SLOW_KEPT));
    freeReplyObject(command(rig, "SLOWLOG RESET"));
}

// An entry is {id, at, microseconds, {command, argument…}, …}.
double longest_call_ms(Rig *rig, double over_ms, int *over) {
    enum { MICROSECONDS = 2, WORDS = 3 };
    double longest = 0;
    redisReply *reply = command(rig, "SLOWLOG GET -1");
    *over = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        redisReply *const *entry = reply->element[i]->element;
        if (strcasecmp(entry[WORDS]->element[0]->str, "EVALSHA") != 0) continue;
        double ms = (double)entry[MICROSECONDS]->integer / 1000;
        if (ms > longest) longest = ms;
        if (ms > over_ms) ++*over;
    }
    freeReplyObject(reply);
    return longest;
}

// ---- the host -----------------------------------------------------------------------------------

// In the child.
static void become(const char *const *words, int out, int err, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0); // it died before the line above
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(words[0], (char *const *)words);
    _exit(127);
}

static bool says_ready(char *last, int size) {
    bool ready = false;
    FILE *log = fopen(log_path, "r");
    while (log && fgets(last, size, log)) ready = ready || strstr(last, " ready: ");
    if (log) fclose(log);
    return ready;
}

void rig_serve(Rig *rig, const char *const *flags) {
    const char *words[32] = {weir,        "serve",        WORKFLOWS, "--redis",
                             address.url, "--durability", "none"};
    for (size_t i = 7; *flags && i < 31; i++) words[i] = *flags++;
    int log = open(log_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    pid_t parent = getpid();
    rig->host_pid = fork();
    if (rig->host_pid == 0) become(words, log, log, parent);
    close(log);
    if (rig->host_pid < 0) give_up("cannot fork: %s", strerror(errno));

    char last[512] = "it said nothing";
    for (int waited = 0; !says_ready(last, sizeof last); waited++) {
        if (waitpid(rig->host_pid, NULL, WNOHANG) == rig->host_pid) {
            rig->host_pid = 0;
            give_up("the host ended: %s", last);
        }
        if (waited > READY_MS) give_up("the host does not get ready: %s", last);
        rest_ms(1);
    }
}

void rig_stop_host(Rig *rig) {
    (void)rig;
    end_host(SIGTERM);
    check_interrupted();
}

void rig_kill_host(Rig *rig) {
    (void)rig;
    end_host(SIGKILL);
}

double first_byte_s(const char *const *words) {
    int out[2];
    char bytes[256];
    if (pipe2(out, O_CLOEXEC) < 0) give_up("cannot make a pipe: %s", strerror(errno));
    int log = open(log_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    pid_t parent = getpid();
    double begin = now_s();
    pid_t pid = fork();
    if (pid == 0) become(words, out[1], log, parent);
    close(out[1]);
    close(log);
    bool answered = read(out[0], bytes, sizeof bytes) > 0;
    double end = now_s();
    while (read(out[0], bytes, sizeof bytes) > 0) {
    }
    close(out[0]);
    int status = -1;
    if (!answered) kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    check_interrupted();
    char last[512] = "it said nothing";
    says_ready(last, sizeof last);
    if (!answered || status != 0) give_up("%s %s: %s", words[0], words[1], last);
    return end - begin;
}

double run_s(const char *const *words) {
    int log = open(log_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    pid_t parent = getpid();
    double begin = now_s();
    pid_t pid = fork();
    if (pid == 0) become(words, log, log, parent);
    close(log);
    if (pid < 0) give_up("cannot fork: %s", strerror(errno));
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) check_interrupted();
    double end = now_s();
    char last[512] = "it said nothing";
    says_ready(last, sizeof last);
    if (status != 0) give_up("%s %s: %s", words[0], words[1], last);
    return end - begin;
}

// ---- runs ---------------------------------------------------------------------------------------

static void write_id(Batch *batch, const char *prefix, int number, const char *suffix) {
    char id[128];
    snprintf(id, sizeof id, "%s%d%s", prefix, number, suffix);
    batch_text(batch, id);
}

void start_runs(Rig *rig, const char *prefix, int first, int count, const char *workflow,
                const char *data) {
    Batch *batch = script_call_batch(&rig->call);
    for (int i = 0; i < count; i++) {
        batch_group(batch, "start", 6, NULL, NULL);
        write_id(batch, prefix, first + i, "");
        batch_text(batch, workflow);
        batch_text(batch, data);
        batch_integer(batch, 1000000007LL * (first + i)); // seed
        batch_text(batch, "");                            // of a known workflow only
        batch_text(batch, "0");                           // no options
    }
    redisReply *groups, *reply = call(rig, batch, &groups);
    for (int i = 0; i < count; i++) {
        const char *word = groups->element[i]->element[0]->str;
        if (strcmp(word, "started") != 0) give_up("%s was not started: %s", workflow, word);
    }
    freeReplyObject(reply);
}

void cancel_run(Rig *rig, const char *id) {
    Batch *batch = script_call_batch(&rig->call);
    batch_group(batch, "cancel", 2, NULL, NULL);
    batch_text(batch, id);
    batch_text(batch, "cancelled by the benchmark");
    redisReply *groups, *reply = call(rig, batch, &groups);
    freeReplyObject(reply);
}

// Not through weir's script: to look must cost next to nothing of what is measured.
static void read_state(Rig *rig, const char *id, char state[16]) {
    redisReply *reply = command(rig, "HGET " KEY "r:%s state", id);
    snprintf(state, 16, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "missing");
    freeReplyObject(reply);
}

static bool has_ended(const char *state) {
    return strcmp(state, "completed") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "cancelled") == 0;
}

static void wait_ended(Rig *rig, const char *id, const char *wanted) {
    char state[16] = "";
    double end = now_s() + RUN_PATIENCE_S;
    for (;;) {
        read_state(rig, id, state);
        if (strcmp(state, wanted) == 0) return;
        if (has_ended(state) || now_s() > end) give_up("run %s is %s", id, state);
        rest_ms(POLL_MS);
    }
}

void wait_completed(Rig *rig, const char *id) {
    wait_ended(rig, id, "completed");
}

void wait_cancelled(Rig *rig, const char *id) {
    wait_ended(rig, id, "cancelled");
}

void wait_standing(Rig *rig, const char *set, int64_t count) {
    double end = now_s() + RUN_PATIENCE_S;
    for (;;) {
        redisReply *reply = command(rig, "ZCARD " KEY "%s", set);
        int64_t standing = reply->integer;
        freeReplyObject(reply);
        if (standing == count) return;
        if (now_s() > end)
            give_up("%lld of %lld runs are in %s", (long long)standing, (long long)count, set);
        rest_ms(POLL_MS);
    }
}

static void read_span(Rig *rig, const char *id, Span *span) {
    redisReply *run = command(rig, "HMGET " KEY "r:%s state started_at finished_at", id);
    const char *state = run->element[0]->str;
    if (!state || strcmp(state, "completed") != 0)
        give_up("run %s is %s", id, state ? state : "missing");
    span->started_at = strtoll(run->element[1]->str, NULL, 10);
    span->finished_at = strtoll(run->element[2]->str, NULL, 10);
    freeReplyObject(run);
}

void read_spans(Rig *rig, const char *prefix, int first, int count, const char *suffix,
                Span *spans) {
    char id[128];
    // the order in which they end is nearly that in which they began
    for (int i = count - 1; i >= 0; i--) {
        snprintf(id, sizeof id, "%s%d%s", prefix, first + i, suffix);
        wait_completed(rig, id);
    }
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%s%d%s", prefix, first + i, suffix);
        read_span(rig, id, &spans[i]);
    }
}

// Entries in one of a run's two hashes: "r" and, if they are long, "v".
static void read_entries(Rig *rig, const char *hash, const char *id, int count,
                         int64_t *started_at) {
    redisReply *run = command(rig, "HGETALL " KEY "%s:%s", hash, id);
    for (size_t i = 0; i + 1 < run->elements; i += 2) {
        const char *field = run->element[i]->str;
        if (strncmp(field, "o:i", 3) != 0) continue;
        int number = atoi(field + 3);
        const char *tab = strchr(run->element[i + 1]->str, '\t'); // <number>\t<started_at>\t…
        if (number >= 1 && number <= count && tab)
            started_at[number - 1] = strtoll(tab + 1, NULL, 10);
    }
    freeReplyObject(run);
}

int read_begun(Rig *rig, const char *id, int count, int64_t *started_at) {
    memset(started_at, 0, (size_t)count * sizeof *started_at);
    read_entries(rig, "r", id, count, started_at);
    read_entries(rig, "v", id, count, started_at);
    int begun = 0;
    while (begun < count && started_at[begun]) begun++;
    return begun;
}

void read_operations(Rig *rig, const char *id, int count, int64_t *started_at) {
    int begun = read_begun(rig, id, count, started_at);
    if (begun < count) give_up("run %s has no operation i%d", id, begun + 1);
}

int64_t redis_ms(Rig *rig) {
    redisReply *reply = command(rig, "TIME");
    int64_t ms = strtoll(reply->element[0]->str, NULL, 10) * 1000 +
                 strtoll(reply->element[1]->str, NULL, 10) / 1000;
    freeReplyObject(reply);
    return ms;
}

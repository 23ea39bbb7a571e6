// health: see health.h for what it promises.
#include "serve/health.h"

#include "base/xmalloc.h"
#include "serve/notify.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 4 }; // at the workers, in the time that the supervisor waits for WATCHDOG=1

// While the host starts or drains, the supervisor hears this often that it needs more time. A main
// thread that is stuck asks for none.
enum { EXTEND_MS = 1000, EXTENSION_US = 10 * 1000 * 1000 };

typedef struct {
    Worker *worker;
    uint64_t loops; // how often its loop had turned at the last WATCHDOG=1
    bool alive;     // it has been found alive since then
} Pulse;

typedef enum { HEALTH_STARTING, HEALTH_SERVING, HEALTH_STOPPING } HealthState;

struct Health {
    const Config *config;
    Outage *outage;
    HealthState state;
    Pulse *pulses; // by worker
    size_t count;
    uv_timer_t look;
    uv_timer_t extend;
    size_t open_handles;
    char *status; // as it was sent last
};

// ---- the watchdog -------------------------------------------------------------------------------

static bool is_alive(const Pulse *pulse) {
    return worker_loops(pulse->worker) != pulse->loops || worker_has_ended(pulse->worker) ||
           turn_watch_has_turn(worker_watch(pulse->worker));
}

static bool all_alive(Health *health) {
    bool all = true;
    for (size_t i = 0; i < health->count; i++) {
        Pulse *pulse = &health->pulses[i];
        pulse->alive = pulse->alive || is_alive(pulse);
        all = all && pulse->alive;
    }
    return all;
}

// The loop of an idle worker sleeps, and turns only when it is asked to.
static void ask_all(Health *health) {
    for (size_t i = 0; i < health->count; i++) {
        Pulse *pulse = &health->pulses[i];
        pulse->alive = false;
        pulse->loops = worker_loops(pulse->worker);
        if (!worker_has_ended(pulse->worker)) worker_ping(pulse->worker);
    }
}

static void on_look(uv_timer_t *timer) {
    Health *health = timer->data;
    if (!all_alive(health)) return;
    notify_send("WATCHDOG=1");
    ask_all(health);
}

void health_add(Health *health, Worker *worker) {
    health->pulses = xrealloc(health->pulses, (health->count + 1) * sizeof *health->pulses);
    health->pulses[health->count++] = (Pulse){.worker = worker, .alive = true};
}

// ---- more time ----------------------------------------------------------------------------------

// A start waits for a Redis that is away, and --drain limits how long a drain takes: the limits of
// the supervisor are for a host that does neither.
static void on_extend(uv_timer_t *timer) {
    char line[64];
    Health *health = timer->data;
    if (health->state == HEALTH_SERVING) return;
    snprintf(line, sizeof line, "EXTEND_TIMEOUT_USEC=%d", EXTENSION_US);
    notify_send(line);
}

// ---- the STATUS line ----------------------------------------------------------------------------

// To be freed.
static char *describe(const Health *health) {
    char error[REDIS_ERROR_TEXT];
    size_t active = 0, waiting = 0;
    for (size_t i = 0; i < health->count; i++) {
        WorkerLoad load = worker_load(health->pulses[i].worker);
        active += load.active;
        waiting += load.waiting;
    }
    bool away = outage_text(health->outage, error);
    const char *doing = health->state == HEALTH_STOPPING ? "draining" : "serving";
    return xformat("%s: %zu worker%s, runs: %zu active, %zu waiting, Redis at %s%s%s", doing,
                   health->count, health->count == 1 ? "" : "s", active, waiting,
                   health->config->redis.url, away ? ": " : "", away ? error : "");
}

static void tell(Health *health, const char *lines) {
    if (!notify_is_heard()) return;
    free(health->status);
    health->status = describe(health);
    notify_status(lines, "%s", health->status);
}

void health_tick(Health *health) {
    if (!notify_is_heard()) return;
    char *status = describe(health);
    bool changed = !health->status || strcmp(status, health->status) != 0;
    free(status);
    if (changed) tell(health, "");
}

// ---- states -------------------------------------------------------------------------------------

void health_ready(Health *health) {
    health->state = HEALTH_SERVING;
    tell(health, "READY=1\n");
}

// The supervisor sees by the instant which of its requests is answered.
void health_reloading(Health *health) {
    struct timespec now;
    char lines[64];
    if (health->state != HEALTH_SERVING) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(health, lines);
}

void health_reloaded(Health *health) {
    if (health->state == HEALTH_SERVING) tell(health, "READY=1\n");
}

void health_stopping(Health *health) {
    health->state = HEALTH_STOPPING;
    tell(health, "STOPPING=1\n");
}

// ---- open and close -----------------------------------------------------------------------------

Health *health_open(uv_loop_t *loop, const Config *config, Outage *outage) {
    Health *health = xcalloc(1, sizeof *health);
    health->config = config;
    health->outage = outage;
    uv_timer_init(loop, &health->look);
    uv_timer_init(loop, &health->extend);
    health->look.data = health->extend.data = health;
    health->open_handles = 2;
    if (notify_is_heard()) uv_timer_start(&health->extend, on_extend, EXTEND_MS, EXTEND_MS);
    uint64_t every = (uint64_t)notify_watchdog_ms() / LOOKS;
    if (notify_watchdog_ms()) uv_timer_start(&health->look, on_look, 0, every ? every : 1);
    return health;
}

static void on_closed(uv_handle_t *timer) {
    Health *health = timer->data;
    if (--health->open_handles > 0) return;
    free(health->pulses);
    free(health->status);
    free(health);
}

void health_close(Health *health) {
    health->count = 0; // the workers go
    uv_close((uv_handle_t *)&health->look, on_closed);
    uv_close((uv_handle_t *)&health->extend, on_closed);
}

// The watchdog and the STATUS line, of workers that only exist on paper: the functions of worker.c
// and notify.c below take the place of the real ones.
#include "serve/health.c"

#include "unit.h"

struct Worker {
    uint64_t loops;
    bool ended;
    bool stuck; // its loop does not turn when it is asked to
    WorkerLoad load;
    TurnWatch watch;
};

static char sent[4096]; // all messages, a "|" behind each
static int64_t watchdog_ms;

void worker_ping(Worker *worker) {
    assert_false(worker->ended);
    worker->loops += !worker->stuck;
}

uint64_t worker_loops(const Worker *worker) {
    return worker->loops;
}

bool worker_has_ended(const Worker *worker) {
    return worker->ended;
}

WorkerLoad worker_load(const Worker *worker) {
    return worker->load;
}

TurnWatch *worker_watch(Worker *worker) {
    return &worker->watch;
}

bool notify_is_heard(void) {
    return true;
}

int64_t notify_watchdog_ms(void) {
    return watchdog_ms;
}

void notify_send(const char *lines) {
    strcat(strcat(sent, lines), "|");
}

void notify_status(const char *lines, const char *format, ...) {
    va_list values;
    va_start(values, format);
    strcat(strcat(sent, lines), "STATUS=");
    vsnprintf(sent + strlen(sent), 512, format, values);
    va_end(values);
    strcat(sent, "|");
}

static uv_loop_t loop;
static Outage outage;
static const Config config = {.redis = {.url = "redis://here"}};
static Worker workers[2];
static Health *health;

static int set_up(void **state) {
    (void)state;
    uv_loop_init(&loop);
    outage_open(&outage, &config.redis, "weir");
    watchdog_ms = 0;
    health = health_open(&loop, &config, &outage);
    for (size_t i = 0; i < 2; i++) {
        workers[i] = (Worker){0};
        turn_watch_open(&workers[i].watch);
        health_add(health, &workers[i]);
    }
    on_look(&health->look); // the workers have just started
    *sent = '\0';
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    health_close(health);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 2; i++) turn_watch_close(&workers[i].watch);
    outage_close(&outage);
    return uv_loop_close(&loop);
}

static void assert_looks(const char *expected) {
    *sent = '\0';
    on_look(&health->look);
    assert_string_equal(sent, expected);
}

static void a_host_with_turning_loops_is_alive(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) assert_looks("WATCHDOG=1|");
}

static void one_loop_that_stands_still_is_enough(void **state) {
    (void)state;
    workers[1].stuck = true;
    assert_looks("WATCHDOG=1|"); // it has turned since the last message
    for (int i = 0; i < 9; i++) assert_looks("");
    workers[1].loops++;
    assert_looks("WATCHDOG=1|");
    assert_looks("");
}

static void a_worker_in_lua_is_alive(void **state) {
    (void)state;
    const WaitingRun run = {.id = "r"};
    workers[1].stuck = true;
    turn_watch_begin(&workers[1].watch, &run, NULL);
    for (int i = 0; i < 9; i++) assert_looks("WATCHDOG=1|");
    turn_watch_end(&workers[1].watch);
    assert_looks("");
    assert_looks("");
}

static void a_worker_that_was_in_lua_at_an_earlier_look_counts(void **state) {
    (void)state;
    const WaitingRun run = {.id = "r"};
    workers[0].stuck = workers[1].stuck = true;
    assert_looks("WATCHDOG=1|");
    turn_watch_begin(&workers[1].watch, &run, NULL);
    assert_looks("");
    turn_watch_end(&workers[1].watch);
    workers[0].loops++;
    assert_looks("WATCHDOG=1|");
}

static void a_worker_that_was_stopped_is_not_waited_for(void **state) {
    (void)state;
    workers[0].ended = true;
    for (int i = 0; i < 3; i++) assert_looks("WATCHDOG=1|");
}

static void looks_several_times_while_the_supervisor_waits(void **state) {
    (void)state;
    assert_false(uv_is_active((uv_handle_t *)&health->look)); // the supervisor waits for nothing
    watchdog_ms = 2000;
    Health *other = health_open(&loop, &config, &outage);
    assert_int_equal(uv_timer_get_repeat(&other->look), 500);
    health_close(other);
}

static void the_status_is_sent_when_it_has_changed(void **state) {
    (void)state;
    health_ready(health);
    assert_string_equal(sent,
                        "READY=1\nSTATUS=serving: 2 workers, runs: 0 active, 0 waiting, Redis "
                        "at redis://here|");
    *sent = '\0';
    health_tick(health);
    assert_string_equal(sent, "");
    workers[0].load = (WorkerLoad){1, 20};
    workers[1].load = (WorkerLoad){2, 300};
    health_tick(health);
    assert_string_equal(sent, "STATUS=serving: 2 workers, runs: 3 active, 320 waiting, Redis at "
                              "redis://here|");
}

static void the_status_shows_that_redis_is_away(void **state) {
    (void)state;
    health_ready(health);
    outage_change(&outage, NULL, redis_error_unreachable, "Connection refused");
    *sent = '\0';
    health_tick(health);
    assert_string_equal(sent, "STATUS=serving: 2 workers, runs: 0 active, 0 waiting, Redis at "
                              "redis://here: Connection refused|");
    outage_change(&outage, redis_error_unreachable, NULL, NULL);
    *sent = '\0';
    health_tick(health);
    assert_string_equal(
        sent, "STATUS=serving: 2 workers, runs: 0 active, 0 waiting, Redis at redis://here|");
}

static void a_reload_has_a_beginning_and_an_end(void **state) {
    (void)state;
    health_reloading(health); // not before the host serves
    assert_string_equal(sent, "");
    health_ready(health);
    *sent = '\0';
    struct timespec now;
    long long microseconds;
    clock_gettime(CLOCK_MONOTONIC, &now);
    health_reloading(health);
    assert_int_equal(sscanf(sent, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=", &microseconds), 1);
    assert_true(microseconds >= (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    *sent = '\0';
    health_reloaded(health);
    assert_memory_equal(sent, "READY=1\nSTATUS=serving", 22);
}

static void a_host_that_stops_reloads_no_more(void **state) {
    (void)state;
    health_ready(health);
    *sent = '\0';
    health_stopping(health);
    assert_memory_equal(sent, "STOPPING=1\nSTATUS=draining", 26);
    *sent = '\0';
    health_reloading(health);
    health_reloaded(health);
    assert_string_equal(sent, "");
}

static void more_time_is_asked_for_while_it_starts_and_stops(void **state) {
    (void)state;
    assert_true(uv_is_active((uv_handle_t *)&health->extend));
    on_extend(&health->extend);
    assert_string_equal(sent, "EXTEND_TIMEOUT_USEC=10000000|");
    assert_true(EXTENSION_US / 1000 > 2 * (int64_t)uv_timer_get_repeat(&health->extend));
    health_ready(health);
    *sent = '\0';
    on_extend(&health->extend);
    assert_string_equal(sent, "");
    health_stopping(health);
    *sent = '\0';
    on_extend(&health->extend);
    assert_string_equal(sent, "EXTEND_TIMEOUT_USEC=10000000|");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_host_with_turning_loops_is_alive),
        TEST(one_loop_that_stands_still_is_enough),
        TEST(a_worker_in_lua_is_alive),
        TEST(a_worker_that_was_in_lua_at_an_earlier_look_counts),
        TEST(a_worker_that_was_stopped_is_not_waited_for),
        TEST(looks_several_times_while_the_supervisor_waits),
        TEST(the_status_is_sent_when_it_has_changed),
        TEST(the_status_shows_that_redis_is_away),
        TEST(a_reload_has_a_beginning_and_an_end),
        TEST(a_host_that_stops_reloads_no_more),
        TEST(more_time_is_asked_for_while_it_starts_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// One run in flight, from claim to settled, against a Redis and a Lua that only exist on paper:
// replies in, groups out. vm.c is replaced by the few functions below, which write down what they
// are asked.
#include "serve/run.c"

#include "base/clock.h"
#include "unit.h"

static char said[1024]; // what vm was asked, one word after the other

static void say(const char *format, const char *text, int64_t number) {
    size_t used = strlen(said);
    if (used) said[used++] = ' ';
    snprintf(said + used, sizeof said - used, format, text, (long long)number);
}

static int turn_code;
struct VmRun {
    int dummy;
};
static VmRun lua_run;

static size_t lua_memory; // of each run

size_t vm_memory(const VmRun *run) {
    (void)run;
    return lua_memory;
}

int vm_load_bundle(Vm *vm, const char *hash, const Source *sources, size_t count, char **faults) {
    (void)vm, (void)faults, (void)sources;
    say("load:%s:%lld", hash, (int64_t)count);
    return 0;
}

void vm_refuse_bundle(Vm *vm, const char *hash, const char *fault) {
    (void)vm, (void)fault;
    say("refuse:%s:%lld", hash, 0);
}

void vm_forget_bundle(Vm *vm, const char *hash) {
    (void)vm;
    say("drop:%s:%lld", hash, 0);
}

VmRun *vm_begin(Vm *vm, const char *id, const char *hash, int64_t known, const VmPage *page) {
    (void)vm, (void)hash, (void)known;
    say("begin:%s:%lld", id, (int64_t)(reply_count(page->reply) - page->skip));
    return &lua_run;
}

void vm_more(Vm *vm, VmRun *run, const char *id, const VmPage *page) {
    (void)vm, (void)run;
    say(page->last ? "last:%s:%lld" : "more:%s:%lld", id,
        (int64_t)(reply_count(page->reply) - page->skip));
}

void vm_deliver(Vm *vm, VmRun *run, const Reply *outcomes, size_t skip) {
    (void)vm, (void)run;
    say("deliver:%s:%lld", "", (int64_t)(reply_count(outcomes) - skip));
}

int vm_turn(Vm *vm, VmRun *run, int64_t now_ms, int64_t recorded_ms, size_t *effects) {
    (void)vm, (void)run, (void)recorded_ms;
    say("turn:%s:%lld", "", now_ms);
    *effects = 2;
    return turn_code;
}

Reports vm_take_reports(Vm *vm) {
    (void)vm;
    return (Reports){0};
}

void vm_take_effects(Vm *vm, Batch *batch) {
    (void)vm;
    batch_text(batch, "effect");
    batch_integer(batch, 7);
}

void vm_disable_speculation(Vm *vm, VmRun *run) {
    (void)vm, (void)run;
    say("caution:%s:%lld", "", 0);
}

void vm_kill(Vm *vm, VmRun *run, const char *code, const char *message) {
    (void)vm, (void)run, (void)message;
    say("doom:%s:%lld", code, 0);
}

void vm_forget(Vm *vm, VmRun *run) {
    (void)vm, (void)run;
    say("forget%s:%lld", "", 0);
}

char *vm_describe(Vm *vm, VmRun *run) {
    (void)vm, (void)run;
    return xstrdup("waits");
}

// ---- the paper Redis ----------------------------------------------------------------------------

static Config config;
static Runs runs;

static int begin_test(void **state) {
    (void)state;
    config.warm = 100;
    config.workers = 2;
    config.warm_bytes = 2000;
    lua_memory = 10;
    turn_code = 0;
    runs_open(&runs, &config);
    loaded_add(&runs.loaded, NULL, "b1", NULL, 0, NULL);
    said[0] = '\0';
    runs.batch = batch_new(0);
    runs.now_ms = 1000;
    return 0;
}

static int end_test(void **state) {
    (void)state;
    batch_settle(runs.batch, NULL);
    batch_free(runs.batch);
    runs_clear(&runs);
    assert_null(runs.by_id);
    assert_int_equal(runs.active, 0);
    assert_int_equal(runs.warm, 0);
    runs_close(&runs);
    return 0;
}

static void claim(const char *text) {
    Reply *reply = unit_reply(text);
    runs_claim(&runs, reply);
    freeReplyObject(reply);
}

// Redis answers all groups gathered so far: one reply for each.
static void answer(const char *text) {
    Batch *batch = runs.batch;
    Reply *replies = unit_reply(text);
    runs.batch = batch_new(0);
    batch_settle(batch, replies);
    freeReplyObject(replies);
    batch_free(batch);
}

static void expect_groups(const char *groups) {
    assert_string_equal(unit_groups(runs.batch), groups);
}

static void expect_said(const char *words) {
    assert_string_equal(said, words);
    said[0] = '\0';
}

// ---- tests --------------------------------------------------------------------------------------

static void test_a_cold_run_is_begun_and_has_its_turn(void **state) {
    (void)state;
    claim("(cold r 4 0 b1 12 '' state running 1 one 12 twelve)");
    expect_said("begin:r:6");
    assert_int_equal(runs.active, 1);
    runs_turn(&runs);
    expect_said("turn::1000");
    expect_groups("turn 5 r 4 12 effect 7"); // turn 4; outcome 12 is the highest it was told
    assert_int_equal(runs.ready, 0);
    answer("((done))");
    expect_said("forget:0");
    assert_int_equal(runs.active, 0);
}

static void test_what_came_meanwhile_goes_into_the_next_turn_at_once(void **state) {
    (void)state;
    claim("(cold r 0 0 b1 0 '')");
    runs_turn(&runs);
    answer("((running 1\tpay 3\tship))");
    assert_int_equal(runs.ready, 1);
    runs_turn(&runs);
    expect_groups("turn 5 r 1 3 effect 7");
    expect_said("begin:r:0 turn::1000 deliver::2 turn::1000");
}

static void test_a_suspended_run_stays_warm_until_it_is_claimed(void **state) {
    (void)state;
    claim("(cold r 0 0 b1 0 '')");
    runs_turn(&runs);
    answer("((suspended 5000))");
    assert_int_equal(runs.active, 0);
    assert_int_equal(runs.warm, 1);
    assert_int_equal(runs.wake_ms, 5000);
    claim("(warm r 1 1\tpay)");
    assert_int_equal(runs.active, 1);
    runs_turn(&runs);
    expect_groups("turn 5 r 1 1 effect 7");
    expect_said("begin:r:0 turn::1000 deliver::1 turn::1000");
}

static void test_the_earliest_wake_up_counts(void **state) {
    (void)state;
    claim("(cold a 0 0 b1 0 '')");
    claim("(cold b 0 0 b1 0 '')");
    claim("(cold c 0 0 b1 0 '')");
    for (int i = 0; i < 3; i++) runs_turn(&runs);
    answer("((suspended 5000) (suspended 4000) (suspended ))");
    assert_int_equal(runs.warm, 3);
    assert_int_equal(runs.wake_ms, 4000);
}

static void test_a_warm_run_that_is_not_here_is_loaded(void **state) {
    (void)state;
    claim("(warm r 3 2\tpay)");
    expect_groups("load 2 r 0");
    assert_int_equal(runs.ready, 0);
    answer("((cold r 3 0 b1 2 '' 1 one 2 two))");
    expect_said("begin:r:4");
    runs_turn(&runs);
    expect_groups("turn 5 r 3 2 effect 7");
}

static void test_a_long_record_comes_in_pages_which_belong_to_the_first(void **state) {
    (void)state;
    claim("(cold r 3 0 b1 2 17 1 one)");
    expect_said("begin:r:2");
    assert_int_equal(runs.ready, 0);
    expect_groups("load 2 r 17");
    answer("((cold r 3 0 b1 4 9\tfar 2 two 4 four))");
    expect_said("more:r:4");
    expect_groups("load 2 r 9\tfar");
    answer("((cold r 3 0 b1 4 '' far x))");
    expect_said("last:r:2");
    runs_turn(&runs);
    expect_groups("turn 5 r 3 2 effect 7"); // what came since is told in reply
}

static void test_a_run_that_is_lost_between_two_pages_is_forgotten(void **state) {
    (void)state;
    claim("(cold r 3 0 b1 2 17 1 one)");
    answer("((not_owner))");
    expect_said("begin:r:2 forget:0");
    assert_null(runs.by_id);
}

static void test_a_run_that_went_elsewhere_while_it_was_loaded_is_forgotten(void **state) {
    (void)state;
    claim("(warm r 3)");
    answer("((not_owner))");
    assert_null(runs.by_id);
}

#define NAME "991cc4515bda3ef048726cd134c8eeecdb248ee8d50060d8366f7e2221f099ae"

static void test_a_missing_bundle_is_fetched_once(void **state) {
    (void)state;
    claim("(cold a 0 0 " NAME " 0 '')");
    claim("(cold b 0 0 " NAME " 0 '')");
    expect_groups("sources 1 " NAME);
    answer("((sources b.lua 1 a.lua return))"); // in any order
    expect_said("load:" NAME ":2");
    expect_groups("load 2 a 0 load 2 b 0");
    answer("((cold a 0 0 " NAME " 0 '') (cold b 0 0 " NAME " 0 ''))");
    expect_said("begin:a:0 begin:b:0");
}

static void test_a_bundle_that_was_changed_is_not_loaded(void **state) {
    (void)state;
    claim("(cold a 0 0 " NAME " 0 '')");
    answer("((sources b.lua 2 a.lua return))");
    expect_said("");
    expect_groups("load 2 a 0");
    answer("((cold a 0 0 " NAME " 0 ''))");
    expect_said("refuse:" NAME ":0 begin:a:0");
}

static void test_runs_of_a_bundle_that_is_gone_are_begun_all_the_same(void **state) {
    (void)state;
    claim("(cold a 0 0 b2 0 '')");
    answer("((missing))");
    expect_said("");
    answer("((cold a 0 0 b2 0 ''))");
    expect_said("refuse:b2:0 begin:a:0");
}

// It was the last that kept the sources in Redis, and ended on another worker.
static void test_a_bundle_that_went_with_its_run_is_not_refused(void **state) {
    (void)state;
    claim("(cold a 0 0 " NAME " 0 '')");
    answer("((missing))");
    answer("((not_owner))");
    expect_said("");
    claim("(cold b 0 0 " NAME " 0 '')");
    answer("((sources b.lua 1 a.lua return))");
    answer("((cold b 0 0 " NAME " 0 ''))");
    expect_said("load:" NAME ":2 begin:b:0");
}

static void test_a_bundle_that_is_there_again_is_loaded_again(void **state) {
    (void)state;
    claim("(cold a 0 0 " NAME " 0 '')");
    answer("((missing))");
    answer("((cold a 0 0 " NAME " 0 ''))");
    expect_said("refuse:" NAME ":0 begin:a:0");
    claim("(cold b 0 0 " NAME " 0 '')");
    answer("((sources b.lua 1 a.lua return))");
    answer("((cold b 0 0 " NAME " 0 ''))");
    expect_said("load:" NAME ":2 begin:b:0");
}

static void test_a_turn_that_redis_refuses_is_followed_by_its_end(void **state) {
    (void)state;
    claim("(cold r 2 0 b1 0 '')");
    runs_turn(&runs);
    answer("((error no))");
    expect_said("begin:r:0 turn::1000 doom:error:0");
    runs_turn(&runs);
    expect_groups("turn 5 r 2 0 effect 7"); // nothing of the first was written
    answer("((error no))");
    assert_null(runs.by_id); // left where it stands
}

static void test_a_run_whose_end_cannot_be_told_is_left(void **state) {
    (void)state;
    claim("(cold r 0 0 b1 0 '')");
    turn_code = UV_EPROTO;
    runs_turn(&runs);
    expect_groups("");
    assert_null(runs.by_id);
}

static void test_the_least_recently_suspended_run_is_released(void **state) {
    (void)state;
    config.warm = 1;
    claim("(cold a 0 0 b1 0 '')");
    claim("(cold b 0 0 b1 0 '')");
    runs_turn(&runs);
    runs_turn(&runs);
    answer("((suspended ) (suspended ))");
    expect_groups("release 1 a");
    assert_int_equal(runs.warm, 1);
    assert_null(find(&runs, "a"));
}

// Suspends runs a, b and c, one turn each.
static void suspend_three(void) {
    claim("(cold a 0 0 b1 0 '')");
    claim("(cold b 0 0 b1 0 '')");
    claim("(cold c 0 0 b1 0 '')");
    for (int i = 0; i < 3; i++) runs_turn(&runs);
}

static void test_runs_are_released_until_the_memory_of_the_others_fits(void **state) {
    (void)state;
    config.warm_bytes = 2 * 15; // of two workers
    suspend_three();
    answer("((suspended ) (suspended ) (suspended ))");
    expect_groups("release 1 a release 1 b");
    assert_int_equal(runs.warm, 1);
    assert_int_equal(runs.warm_bytes, 10);
}

static void test_a_run_that_holds_less_by_now_is_not_released(void **state) {
    (void)state;
    config.warm_bytes = 2 * 25;
    suspend_three();
    answer("((suspended ) (suspended ) (running ))");
    lua_memory = 5;
    runs_turn(&runs);
    answer("((suspended ))");
    expect_groups("");
    assert_int_equal(runs.warm, 3);
    assert_true(runs.warm_bytes <= 25);
}

static void test_a_run_given_by_a_lost_reply_is_adopted(void **state) {
    (void)state;
    claim("(cold a 0 0 b1 0 '')");
    claim("(cold b 0 0 b1 0 '')");
    runs_turn(&runs);
    runs_turn(&runs);
    answer("((suspended ) (running ))");
    runs_recover(&runs, "a"); // waits here, runs there: the claim was lost
    runs_recover(&runs, "b"); // in flight
    runs_recover(&runs, "c"); // never heard of
    expect_groups("load 2 a 0 load 2 c 0");
}

static void test_a_claim_of_a_run_in_flight_changes_nothing(void **state) {
    (void)state;
    claim("(cold r 0 0 b1 0 '')");
    claim("(cold r 0 0 b1 0 '')");
    expect_said("begin:r:0");
    assert_int_equal(runs.active, 1);
}

static void test_a_cold_claim_replaces_a_coroutine(void **state) {
    (void)state;
    claim("(cold r 0 0 b1 0 '')");
    runs_turn(&runs);
    answer("((suspended ))");
    claim("(cold r 5 0 b1 1 '' 1 one)");
    assert_int_equal(runs.warm, 0);
    runs_turn(&runs);
    expect_groups("turn 5 r 5 1 effect 7");
}

static void test_a_coroutine_at_another_turn_than_redis_is_loaded_anew(void **state) {
    (void)state;
    claim("(cold r 3 0 b1 0 '')");
    runs_turn(&runs);
    answer("((suspended ))"); // here it is at turn 4; Redis has lost that one
    claim("(warm r 3)");
    expect_said("begin:r:0 turn::1000 forget:0");
    expect_groups("load 2 r 0");
    answer("((cold r 3 0 b1 0 ''))");
    runs_turn(&runs);
    expect_groups("turn 5 r 3 0 effect 7");
}

// ---- long turns and suspects

static char taken[64];

static void see(void *about, const char *id, int64_t turn, int64_t turn_ms) {
    (void)about, (void)turn_ms;
    snprintf(taken, sizeof taken, "%s@%lld:", id, (long long)turn);
}

static TakenRun *returning[4];
static size_t returning_count;

// Redis has answered that it has back the runs that were taken away.
static void return_all(void) {
    while (returning_count) turn_watch_returned(returning[--returning_count]);
}

static void take(void *about, const char *id, int64_t turn, TakenRun *run) {
    (void)about;
    returning[returning_count++] = run;
    size_t used = strlen(taken);
    snprintf(taken + used, sizeof taken - used, " %s@%lld", id, (long long)turn);
}

static void copy(void *about, const Batch *gathered) {
    *(Batch **)about = batch_copy(gathered);
}

static const TurnTaker taker = {NULL, see, take};

static void test_what_waits_behind_a_long_turn_is_taken_away_and_forgotten(void **state) {
    (void)state;
    claim("(cold a 1 0 b1 0 '')");
    claim("(cold b 2 0 b1 0 '')");
    claim("(cold c 3 0 b1 0 '')");
    WaitingRun *a = turn_watch_next(&runs.watch, false);
    runs.ready--;
    ((Run *)a)->in_line = false;
    turn_watch_begin(&runs.watch, a, NULL);
    int64_t now = clock_ms();
    assert_false(turn_watch_take(&runs.watch, now, 1000, &taker));
    assert_true(turn_watch_take(&runs.watch, now + 1000, 1000, &taker));
    assert_string_equal(taken, "a@1: b@2 c@3");
    assert_false(turn_watch_take(&runs.watch, now + 2000, 1000, &taker)); // it was told
    turn_watch_end(&runs.watch);
    assert_true(runs_have_turn(&runs)); // by what this thread knows
    runs_turn(&runs);
    expect_said("begin:a:0 begin:b:0 begin:c:0 forget:0 forget:0");
    assert_false(runs_have_turn(&runs));
    assert_null(find(&runs, "b"));
    ((Run *)a)->state = RUN_RUNNING;
    forget((Run *)a);
    return_all();
    said[0] = '\0';
}

// The worker's connection is cut, and Redis has not yet got the message of the main thread: it
// would be run here and elsewhere.
static void test_a_run_that_was_taken_away_is_not_recovered(void **state) {
    (void)state;
    claim("(cold a 1 0 b1 0 '')");
    claim("(cold b 2 0 b1 0 '')");
    runs_turn(&runs);
    turn_watch_begin(&runs.watch, &find(&runs, "a")->place, NULL);
    assert_true(turn_watch_take(&runs.watch, clock_ms(), 0, &taker));
    turn_watch_end(&runs.watch);
    runs_drop_taken(&runs);
    runs_recover(&runs, "b");
    assert_null(find(&runs, "b"));
    return_all();
    runs_recover(&runs, "b"); // in another lost reply it was given to this worker again
    assert_non_null(find(&runs, "b"));
    answer("((done) (not_owner))");
}

static void test_a_run_that_was_taken_away_may_come_again(void **state) {
    (void)state;
    claim("(cold a 1 0 b1 0 '')");
    claim("(cold b 2 0 b1 0 '')");
    runs_turn(&runs);
    turn_watch_begin(&runs.watch, &find(&runs, "a")->place, NULL);
    assert_true(turn_watch_take(&runs.watch, clock_ms(), 0, &taker));
    turn_watch_end(&runs.watch);
    return_all();
    claim("(cold b 2 0 b1 0 '')");
    assert_int_equal(runs.ready, 1);
    runs_drop_taken(&runs);
    assert_int_equal(runs.ready, 1);
    assert_non_null(find(&runs, "b"));
    answer("((done))");
}

static void test_a_run_that_is_taken_away_while_it_is_loaded_may_come_again(void **state) {
    (void)state;
    claim("(cold a 1 0 b1 0 '')");
    claim("(warm b 2 1\tpay)"); // its coroutine is not here: it is loaded
    Batch *asked = runs.batch;
    runs.batch = batch_new(0);
    runs_turn(&runs);
    turn_watch_begin(&runs.watch, &find(&runs, "a")->place, NULL);
    assert_true(turn_watch_take(&runs.watch, clock_ms(), 0, &taker));
    assert_string_equal(taken, "a@1: b@2");
    turn_watch_end(&runs.watch);
    return_all();
    runs_drop_taken(&runs);
    assert_null(find(&runs, "b"));
    claim("(cold b 2 0 b1 0 '')");
    Reply *late = unit_reply("((cold b 2 0 b1 0 ''))");
    batch_settle(asked, late); // of the one that was dropped
    freeReplyObject(late);
    batch_free(asked);
    assert_int_equal(runs.ready, 1);
    answer("((done))");
}

static void test_what_gathered_before_a_long_turn_is_sent(void **state) {
    (void)state;
    claim("(cold a 1 0 b1 0 '')");
    runs_turn(&runs);
    turn_watch_begin(&runs.watch, &find(&runs, "a")->place, runs.batch);
    Batch *sent = NULL;
    turn_watch_flush(&runs.watch, clock_ms(), 1000, copy, &sent);
    assert_null(sent);
    turn_watch_flush(&runs.watch, clock_ms(), 0, copy, &sent);
    assert_string_equal(unit_groups(sent), "turn 5 a 1 0 effect 7");
    batch_free(sent);
    sent = NULL;
    turn_watch_flush(&runs.watch, clock_ms(), 0, copy, &sent); // once a turn
    assert_null(sent);
    turn_watch_end(&runs.watch);
    answer("((done))");
}

static void test_what_waits_for_its_turn_is_given_back(void **state) {
    (void)state;
    claim("(cold a 1 0 b1 0 '')");
    claim("(cold b 2 2 b1 0 '')");
    runs_give_back(&runs);
    expect_groups("requeue 2 a 1 requeue 2 b 2");
    assert_null(runs.by_id);
}

static void test_suspects_come_last_and_one_at_a_time(void **state) {
    (void)state;
    Seat other = {.on_free = NULL};
    claim("(cold s 0 2 b1 0 '')");
    claim("(cold t 0 2 b1 0 '')");
    claim("(cold a 0 0 b1 0 '')");
    runs_turn(&runs);
    expect_groups("turn 5 a 0 0 effect 7");
    answer("((done))");
    runs_turn(&runs);
    expect_groups("quarantine 1 s");
    assert_false(quarantine_enter(&other));
    assert_false(runs_have_turn(&runs)); // t waits until s is recorded
    claim("(cold b 0 0 b1 0 '')");
    assert_true(runs_have_turn(&runs)); // others do not
    runs_turn(&runs);
    expect_groups("quarantine 1 s turn 5 b 0 0 effect 7");
    answer("((quarantined) (done))");
    answer("((done))"); // the turn of s
    assert_true(quarantine_enter(&other));
    runs_turn(&runs); // another worker is inside
    assert_false(runs_have_turn(&runs));
    quarantine_leave(&other);
    assert_true(runs_have_turn(&runs));
    runs_turn(&runs);
    expect_groups("quarantine 1 t");
    answer("((quarantined))");
    answer("((done))");
}

static void test_the_watchdog_condemns_only_what_takes_too_long(void **state) {
    (void)state;
    TurnWatch *watch = &runs.watch;
    WaitingRun run = {.id = "r"};
    assert_null(turn_watch_condemn(watch, clock_ms(), 0));
    turn_watch_begin(watch, &run, NULL);
    assert_null(turn_watch_condemn(watch, clock_ms(), 60000));
    assert_string_equal(turn_watch_condemn(watch, clock_ms() + 60000, 60000), "r");
    assert_null(turn_watch_condemn(watch, clock_ms() + 60000, 60000)); // once
    watch->condemned = false;
    turn_watch_end(watch);
    assert_null(turn_watch_condemn(watch, clock_ms() + 60000, 60000));
}

static void test_a_turn_that_comes_on_is_not_condemned(void **state) {
    (void)state;
    WaitingRun run = {.id = "r"};
    turn_watch_begin(&runs.watch, &run, NULL);
    runs.watch.since_ms -= 50000;
    turn_watch_progress(&runs.watch);
    assert_null(turn_watch_condemn(&runs.watch, clock_ms(), 50000));
    turn_watch_end(&runs.watch);
}

static int firsts;

static void on_first(void *about) {
    (void)about;
    firsts++;
}

static void test_the_first_turn_after_a_quiet_time_is_told(void **state) {
    (void)state;
    WaitingRun run = {.id = "r"};
    firsts = 0;
    runs.watch.on_first = on_first;
    for (int i = 0; i < 3; i++) {
        turn_watch_begin(&runs.watch, &run, NULL);
        turn_watch_end(&runs.watch);
    }
    assert_int_equal(firsts, 1);
    assert_true(turn_watch_look(&runs.watch));  // there were turns
    assert_false(turn_watch_look(&runs.watch)); // since then there was none
    turn_watch_begin(&runs.watch, &run, NULL);
    assert_true(turn_watch_look(&runs.watch));
    turn_watch_end(&runs.watch);
    assert_int_equal(firsts, 2);
}

static void test_one_long_turn_hardly_counts(void **state) {
    (void)state;
    enum { SHORT_NS = 50000, LONG_NS = 20000000 };
    Runs turns = {.turn_ns = SHORT_NS};
    count_turn(&turns, LONG_NS);
    assert_true(turns.turn_ns < 2 * SHORT_NS);
    for (int i = 0; i < 100; i++) count_turn(&turns, LONG_NS);
    assert_true(turns.turn_ns > LONG_NS / 2);
    for (int i = 0; i < 1000; i++) count_turn(&turns, 0);
    for (int i = 0; i < 100; i++) count_turn(&turns, LONG_NS);
    assert_true(turns.turn_ns > LONG_NS / 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(test_a_cold_run_is_begun_and_has_its_turn),
        TEST(test_what_came_meanwhile_goes_into_the_next_turn_at_once),
        TEST(test_a_suspended_run_stays_warm_until_it_is_claimed),
        TEST(test_the_earliest_wake_up_counts),
        TEST(test_a_warm_run_that_is_not_here_is_loaded),
        TEST(test_a_long_record_comes_in_pages_which_belong_to_the_first),
        TEST(test_a_run_that_is_lost_between_two_pages_is_forgotten),
        TEST(test_a_run_that_went_elsewhere_while_it_was_loaded_is_forgotten),
        TEST(test_a_missing_bundle_is_fetched_once),
        TEST(test_a_bundle_that_went_with_its_run_is_not_refused),
        TEST(test_a_bundle_that_is_there_again_is_loaded_again),
        TEST(test_a_bundle_that_was_changed_is_not_loaded),
        TEST(test_runs_of_a_bundle_that_is_gone_are_begun_all_the_same),
        TEST(test_a_turn_that_redis_refuses_is_followed_by_its_end),
        TEST(test_a_run_whose_end_cannot_be_told_is_left),
        TEST(test_the_least_recently_suspended_run_is_released),
        TEST(test_runs_are_released_until_the_memory_of_the_others_fits),
        TEST(test_a_run_that_holds_less_by_now_is_not_released),
        TEST(test_a_run_given_by_a_lost_reply_is_adopted),
        TEST(test_a_claim_of_a_run_in_flight_changes_nothing),
        TEST(test_a_cold_claim_replaces_a_coroutine),
        TEST(test_a_coroutine_at_another_turn_than_redis_is_loaded_anew),
        TEST(test_what_waits_behind_a_long_turn_is_taken_away_and_forgotten),
        TEST(test_a_run_that_was_taken_away_is_not_recovered),
        TEST(test_a_run_that_was_taken_away_may_come_again),
        TEST(test_a_run_that_is_taken_away_while_it_is_loaded_may_come_again),
        TEST(test_what_gathered_before_a_long_turn_is_sent),
        TEST(test_what_waits_for_its_turn_is_given_back),
        TEST(test_suspects_come_last_and_one_at_a_time),
        TEST(test_the_first_turn_after_a_quiet_time_is_told),
        TEST(test_the_watchdog_condemns_only_what_takes_too_long),
        TEST(test_a_turn_that_comes_on_is_not_condemned),
        TEST(test_one_long_turn_hardly_counts),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}

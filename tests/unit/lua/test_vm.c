// Runs in Lua: what one of them does wrong ends that one, and only that one.
#include "lua/vm.h"

#include "base/xmalloc.h"
#include "unit.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { CPU_MS = 100, MEMORY_BYTES = 32 << 20 };

static Config config = {
    .memory_bytes = MEMORY_BYTES, .cpu_ms = CPU_MS, .payload_bytes = 1 << 20, .depth = 64};
static Vm *vm;

static int open_vm(void **state) {
    (void)state;
    vm = vm_open(&config);
    return vm ? 0 : -1;
}

static int close_vm(void **state) {
    (void)state;
    vm_close(vm);
    return 0;
}

static int load(const char *hash, const char *text, char **faults) {
    Source source = {.path = (char *)"w.lua", .text = (char *)text, .size = strlen(text)};
    return vm_load_bundle(vm, hash, &source, 1, faults);
}

static int begun;

// A run of a workflow "w" with this body, begun.
static VmRun *begin(const char *body) {
    char hash[24], text[1024], *faults = NULL;
    snprintf(hash, sizeof hash, "bundle-%d", ++begun);
    snprintf(text, sizeof text,
             "return require('weir').workflow { id = 'w', retry = { attempts = 1 }, "
             "run = function(ctx, data) %s end }",
             body);
    assert_int_equal(load(hash, text, &faults), 0);
    Reply *claim = unit_reply("(state running workflow w data {} seed 1 created_at 1000)");
    VmRun *run = vm_begin(vm, "r", hash, 0, &(VmPage){.reply = claim, .last = true});
    freeReplyObject(claim);
    return run;
}

// A run whose journal holds children a1, a2 ..., all of them done: what its code says is replayed.
static VmRun *begin_again(const char *body, int children) {
    char record[8192], *faults = NULL, text[1024];
    int length = snprintf(record, sizeof record,
                          "(state running workflow w data {} seed 1 created_at 1000 "
                          "started_at 1000 number %d",
                          children);
    for (int i = 1; i <= children; i++)
        length += snprintf(record + length, sizeof record - (size_t)length,
                           " o:a%d %d\t1000\tinvoke\t%d\t1\tw.lua:1\tw\t"
                           " %d a%d\tcompleted\t1000\t1\tnull",
                           i, i, i - 1, i, i);
    snprintf(record + length, sizeof record - (size_t)length, ")");
    snprintf(text, sizeof text,
             "local function work() for _ = 1, 1000000 do end end "
             "return require('weir').workflow { id = 'w', retry = { attempts = 1 }, "
             "run = function(ctx, data) %s end }",
             body);
    assert_int_equal(load(body, text, &faults), 0);
    Reply *claim = unit_reply(record);
    VmRun *run = vm_begin(vm, "r", body, children, &(VmPage){.reply = claim, .last = true});
    freeReplyObject(claim);
    return run;
}

// The effects of its next turn, as one line.
static const char *turn(VmRun *run) {
    size_t count = 0;
    static char text[8192];
    assert_int_equal(vm_turn(vm, run, 1000, 0, &count), 0);
    Batch *batch = batch_new(0);
    batch_group(batch, "turn", count, NULL, NULL);
    vm_take_effects(vm, batch);
    snprintf(text, sizeof text, "%s", unit_groups(batch));
    batch_free(batch);
    assert_int_equal(lua_gettop(vm_lua(vm)), 0);
    return text;
}

static void assert_turn_says(VmRun *run, const char *part) {
    const char *text = turn(run);
    if (!strstr(text, part)) fail_msg("no \"%s\" in: %s", part, text);
}

static void test_a_run_returns(void **state) {
    (void)state;
    VmRun *run = begin("return { n = 1 }");
    assert_turn_says(run, "complete {\"n\":1}");
    vm_forget(vm, run);
}

static VmRun *begin_page(const char *hash, const char *page) {
    char *faults = NULL;
    assert_int_equal(load(hash,
                          "return require('weir').workflow { id = 'w', run = function(ctx) return "
                          "ctx:invoke { id = 'a', workflow = 'w' } end }",
                          &faults),
                     0);
    Reply *fields = unit_reply(page);
    VmRun *run = vm_begin(vm, "r", hash, 0, &(VmPage){.reply = fields});
    freeReplyObject(fields);
    return run;
}

static void test_a_record_comes_in_pages_without_what_came_after_the_first(void **state) {
    (void)state;
    VmRun *run = begin_page("paged", "(state running workflow w data {} 1 a\tcompleted\t1\t1\t1)");
    Reply *fields = unit_reply("(seed 1 created_at 1000 started_at 1000 o:a "
                               "1\t1000\tinvoke\t0\t1\tw.lua:1\tw\t number 1)");
    vm_more(vm, run, "r", &(VmPage){.reply = fields, .last = true});
    freeReplyObject(fields);
    assert_turn_says(run, "suspend"); // outcome 1 will be told in reply
    vm_forget(vm, run);
}

static void test_a_record_that_takes_too_much_memory_ends_its_run(void **state) {
    (void)state;
    VmRun *run = begin_page("large", "(state running workflow w)");
    char *page = xmalloc(8 << 20);
    for (int i = 0; i < 6; i++) {
        memset(page, 'x', 8 << 20);
        char field[8];
        size_t length = (size_t)snprintf(field, sizeof field, "data%d", i);
        Reply name = {.type = REDIS_REPLY_STRING, .str = field, .len = length};
        Reply value = {.type = REDIS_REPLY_STRING, .str = page, .len = 8 << 20};
        Reply *elements[] = {&name, &value};
        Reply fields = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements};
        vm_more(vm, run, "r", &(VmPage){.reply = &fields, .last = i == 5});
    }
    free(page);
    assert_turn_says(run, "\"code\":\"memory_limit\"");
    vm_forget(vm, run);
}

static void test_a_fault_of_the_author_is_its_own(void **state) {
    (void)state;
    VmRun *run = begin("local x = nil; return x.y");
    assert_turn_says(run, "w.lua:1: attempt to index a nil value");
    vm_forget(vm, run);
}

static void test_a_file_with_a_fault_names_its_line(void **state) {
    (void)state;
    char *faults = NULL;
    assert_int_equal(load("bad", "local x =\n= 1", &faults), UV_EINVAL);
    assert_memory_equal(faults, "w.lua:2: ", 9);
    vm_refuse_bundle(vm, "bad", faults); // its runs are doomed
    free(faults);
    VmRun *run = vm_begin(vm, "r", "bad", 0, &(VmPage){.last = true});
    assert_turn_says(run, "bundle bad cannot be loaded: w.lua:2: ");
    vm_forget(vm, run);
}

static void test_a_file_that_loops_while_it_loads_is_a_fault(void **state) {
    (void)state;
    char *faults = NULL;
    assert_int_equal(load("loop", "while true do end", &faults), UV_EINVAL);
    assert_non_null(strstr(faults, "without waiting"));
    free(faults);
}

static void test_what_loops_is_stopped_whatever_it_catches(void **state) {
    (void)state;
    const char *bodies[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) return f() end f()",
        "while true do local co = coroutine.wrap(function() while true do end end) pcall(co) end",
        "table.sort({ 1, 2, 3 }, function() while true do pcall(error) end end)",
        "string.gsub('x', 'x', function() while true do end end)",
        "local x <close> = setmetatable({}, { __close = function() while true do end end })",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        VmRun *run = begin(bodies[i]);
        assert_turn_says(run, "\"code\":\"cpu_limit\"");
        vm_forget(vm, run);
    }
}

// Each of these calls takes longer than a tick.
static void test_what_loops_over_calls_of_c_is_stopped(void **state) {
    (void)state;
    const char *bodies[] = {
        "local s = ('x'):rep(5000) while true do s:find('.-y') end",
        "local t = {} for i = 1, 200000 do t[i] = i * 7919 % 200003 end "
        "while true do local u = table.move(t, 1, #t, 1, {}) table.sort(u) end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        VmRun *run = begin(bodies[i]);
        clock_t began = clock();
        assert_turn_says(run, "\"code\":\"cpu_limit\"");
        assert_true(clock() - began < 60 * config.cpu_ms * CLOCKS_PER_SEC / 1000);
        vm_forget(vm, run);
    }
}

static void test_recursion_without_an_end_is_an_error_of_the_run(void **state) {
    (void)state;
    config.memory_bytes = 256 << 20;
    config.cpu_ms = 10000;
    VmRun *run = begin("local function f() return 1 + f() end return f()");
    assert_turn_says(run, "stack overflow");
    vm_forget(vm, run);
    config.memory_bytes = MEMORY_BYTES;
    config.cpu_ms = CPU_MS;
}

// Weir's own computation on data is stopped as the author's code is.
static void test_a_check_of_data_without_an_end_is_stopped(void **state) {
    (void)state;
    char *faults = NULL;
    config.cpu_ms = 10000;
    assert_int_equal(load("check",
                          "local w = require('weir') local all = {} "
                          "for i = 1, 3000 do all[i] = { type = 'integer' } end "
                          "local s = { type = 'array', items = { anyOf = all } } "
                          "return w.workflow { id = 'w', retry = { attempts = 1 }, "
                          "schema = s, run = function() end }",
                          &faults),
                     0);
    char record[4096];
    char *end = record + sprintf(record, "(state running workflow w seed 1 created_at 1000 data [");
    for (int i = 0; i < 1000; i++) end += sprintf(end, "\"\",");
    sprintf(end - 1, "])");
    Reply *claim = unit_reply(record);
    config.cpu_ms = 20;
    VmRun *run = vm_begin(vm, "r", "check", 0, &(VmPage){.reply = claim, .last = true});
    freeReplyObject(claim);
    assert_turn_says(run, "\"code\":\"cpu_limit\"");
    vm_forget(vm, run);
    config.cpu_ms = CPU_MS;
}

static void test_an_effect_that_cannot_be_sent_ends_its_run(void **state) {
    (void)state;
    char *faults = NULL;
    assert_int_equal(load("nan",
                          "return require('weir').workflow { id = 'w', retry = { attempts = 2 }, "
                          "run = function() error('no') end }",
                          &faults),
                     0);
    assert_int_equal(
        luaL_dostring(vm_lua(vm),
                      "require('weir.define.retry_policy').delay = function() return 0/0 end"),
        0);
    Reply *claim = unit_reply("(state running workflow w data {} seed 1 created_at 1000)");
    VmRun *run = vm_begin(vm, "r", "nan", 0, &(VmPage){.reply = claim, .last = true});
    freeReplyObject(claim);
    assert_turn_says(run, "nan, neither a string nor an integer");
    vm_forget(vm, run);
}

static void test_what_a_replay_passes_is_no_loop(void **state) {
    (void)state;
    const char *bodies[] = {
        "for i = 1, 40 do work() ctx:invoke { id = 'a' .. i, workflow = 'w' } end",
        "local t = {} for i = 1, 40 do t[i] = ctx:spawn { id = 'a' .. i, workflow = 'w' } end "
        "for i = 1, 40 do work() t[i]:await() end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        clock_t began = clock();
        VmRun *run = begin_again(bodies[i], 40);
        assert_turn_says(run, "complete null");
        assert_true(clock() - began > config.cpu_ms * CLOCKS_PER_SEC / 1000);
        vm_forget(vm, run);
    }
}

static void test_what_loops_in_a_replay_is_stopped(void **state) {
    (void)state;
    const char *bodies[] = {
        "ctx:invoke { id = 'a1', workflow = 'w' } while true do end",
        "while true do pcall(ctx.invoke, ctx, { id = 'a1', workflow = 'w' }) end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        VmRun *run = begin_again(bodies[i], 2);
        assert_turn_says(run, "\"code\":\"cpu_limit\"");
        vm_forget(vm, run);
    }
}

static void test_what_eats_memory_is_stopped_whatever_it_catches(void **state) {
    (void)state;
    const char *bodies[] = {
        "local t = {} while true do t[#t + 1] = string.rep('x', 1000) end",
        "local t = {} while true do pcall(function() t[#t + 1] = string.rep('x', 1e6) end) end",
        "return string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
    };
    config.cpu_ms = 10000;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        VmRun *run = begin(bodies[i]);
        assert_turn_says(run, "\"code\":\"memory_limit\"");
        vm_forget(vm, run);
    }
    config.cpu_ms = CPU_MS;
}

static void test_garbage_is_not_held_against_a_run(void **state) {
    (void)state;
    config.cpu_ms = 10000;
    VmRun *run = begin("for i = 1, 10000 do local s = string.rep('x', 10000) end return 1");
    assert_turn_says(run, "complete 1");
    vm_forget(vm, run);
    config.cpu_ms = CPU_MS;
}

static void test_a_long_call_of_c_does_not_fail_its_run(void **state) {
    (void)state;
    VmRun *run = begin("return (string.rep('a', 15000):find('.-b'))");
    clock_t began = clock();
    assert_turn_says(run, "complete null");
    assert_true(clock() - began > config.cpu_ms * CLOCKS_PER_SEC / 1000);
    vm_forget(vm, run);
}

static void test_a_doomed_run_ends_so(void **state) {
    (void)state;
    VmRun *run = begin("return 1");
    vm_kill(vm, run, "crash_loop", "too many crashes");
    assert_turn_says(run, "too many crashes");
    vm_forget(vm, run);
}

static void test_what_dropped_runs_held_is_given_back(void **state) {
    (void)state;
    config.memory_bytes = 256 << 20;
    config.cpu_ms = 10000;
    VmRun *runs[3];
    for (int i = 0; i < 3; i++) {
        runs[i] = begin("local all = {} for i = 1, 2e5 do all[i] = { i } end "
                        "ctx:sleep '1h' return #all");
        assert_turn_says(runs[i], "suspend");
        assert_true(vm_memory(runs[i]) > 10 << 20);
    }
    for (int i = 0; i < 3; i++) vm_forget(vm, runs[i]);
    assert_true(lua_gc(vm_lua(vm), LUA_GCCOUNT) > 30 << 10);
    assert_true(vm_collect(vm));
    while (vm_collect(vm)) {
    }
    assert_true(lua_gc(vm_lua(vm), LUA_GCCOUNT) < 10 << 10);
    assert_false(vm_collect(vm));
    config.memory_bytes = MEMORY_BYTES;
    config.cpu_ms = CPU_MS;
}

// As a worker does while its folder is saved again and again. Returns KiB.
static int memory_after_bundles(int count) {
    int most = 0;
    for (int i = 0; i < count; i++) {
        VmRun *run =
            begin("local words = {} for i = 1, 20 do words[i] = ('word'):rep(100) .. i end "
                  "return #words");
        assert_turn_says(run, "complete");
        char name[24];
        snprintf(name, sizeof name, "bundle-%d", begun);
        vm_forget(vm, run);
        vm_forget_bundle(vm, name);
        while (vm_collect(vm)) {
        }
        int used = lua_gc(vm_lua(vm), LUA_GCCOUNT);
        if (used > most) most = used;
    }
    return most;
}

static void test_a_bundle_that_is_forgotten_leaves_nothing(void **state) {
    (void)state;
    int before = memory_after_bundles(100);
    int after = memory_after_bundles(300);
    assert_true(after < before + before / 10);
}

#define NAME_OF_W "b88bf080aa12eecd0885d529e93514ae1df0720685f894bed148e81d56868b04" // SHA-256

static void test_sources_are_announced_with_their_workflows(void **state) {
    (void)state;
    const char text[] = "return require('weir').workflow { id = 'w', queue = 'q', timeout = '2s', "
                        "run = function() end }";
    Source source = {.path = (char *)"w.lua", .text = (char *)text, .size = sizeof text - 1};
    size_t count = 0;
    Findings findings;
    assert_int_equal(vm_announce(vm, &source, 1, NULL, &count, &findings), 0);
    assert_null(findings.faults);
    assert_null(findings.notes);
    assert_string_equal(findings.workflows, "w");
    findings_free(&findings);
    Batch *batch = batch_new(0);
    batch_group(batch, "announce", count, NULL, NULL);
    vm_take_effects(vm, batch);
    char expected[1024];
    snprintf(expected, sizeof expected,
             "announce 9 " NAME_OF_W " 1 w.lua %s 2 w {\"bundle\":\"" NAME_OF_W
             "\",\"priority\":0,\"queue\":\"q\",\"retain_ms\":604800000,\"timeout_ms\":2000} "
             "weir.graph {\"bundle\":\"" NAME_OF_W
             "\",\"priority\":0,\"queue\":\"default\",\"retain_ms\":604800000}",
             text);
    assert_string_equal(unit_groups(batch), expected);
    batch_free(batch);
}

static bool is_inherited(const char *starts) {
    char code[256];
    int descriptor = open("/dev/null", O_RDONLY); // as Lua opens files
    lua_State *L = vm_lua(vm);
    snprintf(code, sizeof code, starts, descriptor);
    assert_int_equal(luaL_dostring(L, code), LUA_OK);
    bool inherited = lua_toboolean(L, -1);
    lua_settop(L, 0);
    assert_true(fcntl(descriptor, F_GETFD) >= 0); // open here
    close(descriptor);
    return inherited;
}

static void test_programs_inherit_no_descriptor(void **state) {
    (void)state;
    assert_false(is_inherited("return (os.execute('[ -e /proc/self/fd/%d ]'))"));
    assert_false(is_inherited("local p = io.popen('[ -e /proc/self/fd/%d ] && echo yes'); "
                              "local line = p:read(); p:close(); return line"));
    assert_true(is_inherited("return (os.execute('[ -e /dev/null -a %d -gt 2 ]'))"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_vm, close_vm)
    const struct CMUnitTest tests[] = {
        TEST(test_a_run_returns),
        TEST(test_a_record_comes_in_pages_without_what_came_after_the_first),
        TEST(test_a_record_that_takes_too_much_memory_ends_its_run),
        TEST(test_a_fault_of_the_author_is_its_own),
        TEST(test_a_file_with_a_fault_names_its_line),
        TEST(test_a_file_that_loops_while_it_loads_is_a_fault),
        TEST(test_what_loops_is_stopped_whatever_it_catches),
        TEST(test_what_loops_over_calls_of_c_is_stopped),
        TEST(test_recursion_without_an_end_is_an_error_of_the_run),
        TEST(test_a_check_of_data_without_an_end_is_stopped),
        TEST(test_an_effect_that_cannot_be_sent_ends_its_run),
        TEST(test_what_a_replay_passes_is_no_loop),
        TEST(test_what_loops_in_a_replay_is_stopped),
        TEST(test_what_eats_memory_is_stopped_whatever_it_catches),
        TEST(test_garbage_is_not_held_against_a_run),
        TEST(test_a_long_call_of_c_does_not_fail_its_run),
        TEST(test_programs_inherit_no_descriptor),
        TEST(test_a_doomed_run_ends_so),
        TEST(test_what_dropped_runs_held_is_given_back),
        TEST(test_a_bundle_that_is_forgotten_leaves_nothing),
        TEST(test_sources_are_announced_with_their_workflows),
    };
    return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}

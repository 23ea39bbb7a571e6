// measure: each measurement opens a rig, says its rows and closes it.
//
// Where two things are set in relation they are measured in turns, and the ratio is the median of
// those turns: a machine that is slow for a while is slow for both.
#include "measure.h"

#include "base/xmalloc.h"
#include "floor.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// From when the first of some runs began to when the last one ended, in ms.
static int64_t span_of(const Span *spans, int count) {
    int64_t first = INT64_MAX, last = 0;
    for (int i = 0; i < count; i++) {
        if (spans[i].started_at < first) first = spans[i].started_at;
        if (spans[i].finished_at > last) last = spans[i].finished_at;
    }
    return last - first;
}

// ---- throughput: many parents, each invoking in sequence ----------------------------------------

enum { PARENTS = 200, SEQUENCE = 10, BURSTS = 10, ROUNDS = 5 };

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char *const default_queue[] = {"--queues", "default", NULL};

// Invokes a second by Redis' clock, from when the first parent began to when the last one ended.
// In bursts: a backlog would put more than these in flight, for a parent that waits makes room.
static double run_parents(Rig *rig, const char *child, int round) {
    Span spans[PARENTS];
    char prefix[32], data[64];
    int64_t took = 0;
    snprintf(data, sizeof data, "{\"child\":\"%s\",\"count\":%d}", child, SEQUENCE);
    for (int burst = 0; burst < BURSTS; burst++) {
        snprintf(prefix, sizeof prefix, "w%d-%d-", round, burst);
        start_runs(rig, prefix, 1, PARENTS, "sequence", data);
        read_spans(rig, prefix, 1, PARENTS, "", spans);
        took += span_of(spans, PARENTS);
    }
    return 1000.0 * BURSTS * PARENTS * SEQUENCE / (double)took;
}

static void measure_throughput(const char *fsync, const char *child, const char *how,
                               TargetKind kind, double target) {
    double rates[ROUNDS], floors[ROUNDS + 1], ratios[ROUNDS];
    Rig *rig = rig_open(fsync);
    rig_serve(rig, one_worker);
    run_parents(rig, child, 0); // warms up
    floors[0] = floor_invokes(rig);
    for (int i = 0; i < ROUNDS; i++) {
        rates[i] = run_parents(rig, child, i + 1);
        floors[i + 1] = floor_invokes(rig);
        ratios[i] = rates[i] / ((floors[i] + floors[i + 1]) / 2);
    }
    rig_close(rig);

    char what[80];
    snprintf(what, sizeof what, "%d x %d %s, %s, of the floor", PARENTS, SEQUENCE, how, fsync);
    row(what, kind, median(ratios, ROUNDS), target, "%.0f/s, floor %.0f/s", median(rates, ROUNDS),
        median(floors, ROUNDS + 1));
}

static void throughput(void) {
    measure_throughput("everysec", "no-op", "no-op", AT_LEAST, 0.45);
    measure_throughput("always", "no-op", "no-op", AT_LEAST, 0.4);
}

static void steps(void) {
    measure_throughput("everysec", "clock", "not inlined", NO_TARGET, 0);
    measure_throughput("always", "clock", "not inlined", NO_TARGET, 0);
    measure_throughput("everysec", "step", "with a step", NO_TARGET, 0);
}

// ---- latency: one parent alone ------------------------------------------------------------------

enum { ALONE = 2000, SLICE = 50 };

static void measure_latency(Rig *rig, const char *child, const char *how, TargetKind kind,
                            double target) {
    enum { TURNS = 3 };
    static int64_t at[ALONE];
    static double slices[TURNS * (ALONE / SLICE - 1)], gaps[TURNS * (ALONE - 1)];
    double trips[TURNS + 1], mean = 0;
    size_t slice_count = 0, gap_count = 0;
    char id[64], prefix[32], data[64];
    snprintf(data, sizeof data, "{\"child\":\"%s\",\"count\":%d}", child, ALONE);
    snprintf(prefix, sizeof prefix, "alone-%s-", child);

    trips[0] = floor_round_trip(rig);
    for (int turn = 1; turn <= TURNS; turn++) {
        snprintf(id, sizeof id, "%s%d", prefix, turn);
        start_runs(rig, prefix, turn, 1, "sequence", data);
        wait_completed(rig, id);
        trips[turn] = floor_round_trip(rig);
        read_operations(rig, id, ALONE, at);
        for (int i = SLICE; i < ALONE; i += SLICE)
            slices[slice_count++] = (double)(at[i] - at[i - SLICE]) / SLICE;
        for (int i = 1; i < ALONE; i++) gaps[gap_count++] = (double)(at[i] - at[i - 1]);
        mean += (double)(at[ALONE - 1] - at[0]) / (ALONE - 1) / TURNS;
    }

    char what[80];
    snprintf(what, sizeof what, "one %s alone, of 2 round trips", how);
    double p50 = median(slices, slice_count), trip = median(trips, TURNS + 1) * 1000;
    row(what, kind, p50 / (2 * trip), target,
        "p50 %.3f ms, mean %.3f, p99 <= %.0f; round trip %.3f", p50, mean,
        quantile(gaps, gap_count, 0.99) + 1, trip);
}

static void latency(void) {
    Rig *rig = rig_open("everysec");
    rig_serve(rig, one_worker);
    measure_latency(rig, "no-op", "no-op", AT_MOST, 2.5);
    measure_latency(rig, "clock", "not inlined", NO_TARGET, 0);
    rig_close(rig);
}

// ---- growth: a parent with many children --------------------------------------------------------

enum { CHILDREN = 10000, EDGE = 1000, GROWTH_TURNS = 5 };

static void measure_growth(Rig *rig, const char *child, const char *how, TargetKind kind) {
    static int64_t at[CHILDREN];
    double ratios[GROWTH_TURNS], firsts[GROWTH_TURNS], lasts[GROWTH_TURNS];
    char id[64], prefix[32], data[64];
    snprintf(data, sizeof data, "{\"child\":\"%s\",\"count\":%d}", child, CHILDREN);
    snprintf(prefix, sizeof prefix, "growth-%s-", child);
    for (int i = 0; i < GROWTH_TURNS; i++) {
        snprintf(id, sizeof id, "%s%d", prefix, i + 1);
        start_runs(rig, prefix, i + 1, 1, "sequence", data);
        wait_completed(rig, id);
        read_operations(rig, id, CHILDREN, at);
        firsts[i] = (double)(at[EDGE] - at[0]);
        lasts[i] = (double)(at[CHILDREN - 1] - at[CHILDREN - 1 - EDGE]);
        ratios[i] = lasts[i] / firsts[i];
    }
    char what[80];
    snprintf(what, sizeof what, "10,000 %s in sequence, growth", how);
    row(what, kind, median(ratios, GROWTH_TURNS), 1.2, "first 1,000: %.0f ms, last 1,000: %.0f ms",
        median(firsts, GROWTH_TURNS), median(lasts, GROWTH_TURNS));
}

static void measure_parallel(Rig *rig, const char *child, const char *how, TargetKind kind) {
    double took[GROWTH_TURNS];
    Span span;
    char prefix[32], data[64];
    snprintf(data, sizeof data, "{\"child\":\"%s\",\"count\":%d}", child, CHILDREN);
    snprintf(prefix, sizeof prefix, "parallel-%s-", child);
    for (int i = 0; i < GROWTH_TURNS; i++) {
        start_runs(rig, prefix, i + 1, 1, "parallel", data);
        read_spans(rig, prefix, i + 1, 1, "", &span);
        took[i] = (double)(span.finished_at - span.started_at) / 1000;
    }
    char what[80];
    snprintf(what, sizeof what, "10,000 %s in parallel, s", how);
    row(what, kind, median(took, GROWTH_TURNS), 2, "%.2f s", median(took, GROWTH_TURNS));
}

static void growth(void) {
    Rig *rig = rig_open("everysec");
    rig_serve(rig, one_worker);
    measure_growth(rig, "no-op", "no-op", AT_MOST);
    measure_growth(rig, "clock", "not inlined", NO_TARGET);
    measure_parallel(rig, "no-op", "no-op", AT_MOST);
    measure_parallel(rig, "clock", "not inlined", NO_TARGET);
    rig_close(rig);
}

// ---- graph: nodes that only compute, and one that depends on all of them
// -------------------------

enum { MANY_NODES = 100000, GRAPH_TURNS = 5 };

// The same graph as data.
static char *graph_data(int count) {
    size_t size = 64 + (size_t)count * 64, length = 0;
    char *text = xmalloc(size);
    length += (size_t)snprintf(text + length, size - length, "{\"name\":\"fan-in\",\"nodes\":[");
    for (int i = 1; i <= count; i++)
        length += (size_t)snprintf(text + length, size - length,
                                   "{\"key\":\"n%d\",\"workflow\":\"no-op\"},", i);
    length += (size_t)snprintf(text + length, size - length,
                               "{\"key\":\"join\",\"workflow\":\"no-op\",\"depends_on\":[");
    for (int i = 1; i <= count; i++)
        length += (size_t)snprintf(text + length, size - length, "%s\"n%d\"", i > 1 ? "," : "", i);
    snprintf(text + length, size - length, "]}]}");
    return text;
}

static double graph_s(Rig *rig, const char *prefix, int turn, const char *workflow,
                      const char *data) {
    Span span;
    start_runs(rig, prefix, turn, 1, workflow, data);
    read_spans(rig, prefix, turn, 1, "", &span);
    return (double)(span.finished_at - span.started_at) / 1000;
}

static void measure_graph(Rig *rig, const char *workflow, const char *data, const char *how) {
    double took[GRAPH_TURNS];
    char prefix[32], what[80];
    snprintf(prefix, sizeof prefix, "%s-", workflow);
    for (int i = 0; i < GRAPH_TURNS; i++) took[i] = graph_s(rig, prefix, i + 1, workflow, data);
    snprintf(what, sizeof what, "graph of 10,000 nodes into one, %s, s", how);
    row(what, AT_MOST, median(took, GRAPH_TURNS), 2, "%.2f s", median(took, GRAPH_TURNS));
}

static void measure_many_nodes(const char *workflow, const char *data, const char *how) {
    Rig *rig = rig_open("everysec");
    rig_serve(rig, default_queue);
    double took = graph_s(rig, "many-", 1, workflow, data);
    double host = (double)peak_bytes(rig->host_pid) / (1 << 20);
    double redis = (double)info_integer(rig, "used_memory_peak") / (1 << 20);
    rig_close(rig);
    char what[80];
    snprintf(what, sizeof what, "the same of 100,000, %s, MiB", how);
    row(what, AT_MOST, host + redis, 1024, "host %.0f MiB, Redis %.0f MiB, %.1f s", host, redis,
        took);
}

static void graph(void) {
    char *data = graph_data(CHILDREN), *more_data = graph_data(MANY_NODES);
    Rig *rig = rig_open("everysec");
    rig_serve(rig, one_worker);
    measure_graph(rig, "fan-in", "{\"count\":10000}", "in Lua");
    measure_graph(rig, "weir.graph", data, "as data");
    rig_close(rig);
    measure_many_nodes("fan-in", "{\"count\":100000}", "in Lua");
    measure_many_nodes("weir.graph", more_data, "as data");
    free(data);
    free(more_data);
}

// ---- memory: runs that wait ---------------------------------------------------------------------

enum { WAITING = 100000, BULK = 2000, IDLE_MS = 5000, SETTLE_MS = 2000 };

// 20 bytes
#define PAYLOAD "{\"order\":1234567890}"

static void measure_waiting(const char *workflow, const char *how, double target_bytes) {
    Rig *rig = rig_open("everysec");
    rig_serve(rig, default_queue);
    int64_t before = info_integer(rig, "used_memory");
    for (int i = 0; i < WAITING; i += BULK)
        start_runs(rig, "order-", i + 1, BULK, workflow, PAYLOAD);
    wait_standing(rig, "delayed", WAITING);
    rest_ms(SETTLE_MS);
    double each = (double)(info_integer(rig, "used_memory") - before) / WAITING;

    double begin = now_s(), host = cpu_s(rig->host_pid), redis = cpu_s(rig->redis_pid);
    rest_ms(IDLE_MS);
    host = cpu_s(rig->host_pid) - host, redis = cpu_s(rig->redis_pid) - redis;
    double took = now_s() - begin;
    double rss = (double)resident_bytes(rig->host_pid) / (1 << 20);
    rig_close(rig);

    char what[80];
    snprintf(what, sizeof what, "100,000 waiting %s, bytes", how);
    row(what, AT_MOST, each, target_bytes, "%.0f bytes of Redis each", each);
    row("  idle CPU, % of a core", AT_MOST, 100 * (host + redis) / took, 0.5,
        "host %.2f %%, Redis %.2f %%, host RSS %.0f MiB", 100 * host / took, 100 * redis / took,
        rss);
}

static void memory(void) {
    measure_waiting("sleeper", "on a sleep", 1024);
    measure_waiting("waiter", "on an unstarted child", 2048);
}

// ---- cold: runs that no worker owns -------------------------------------------------------------

enum { COLD = 5000 };

// Parents with 10 outcomes wait for a child that another host runs, once theirs is gone.
static void cold(void) {
    static const char *const all_queues[] = {"--workers", "1", NULL};
    static Span parents[COLD], children[COLD];
    Rig *rig = rig_open("everysec");
    rig_serve(rig, default_queue);
    start_runs(rig, "cold-", 1, COLD, "sequence-then-later", "{\"child\":\"no-op\",\"count\":10}");
    wait_standing(rig, "ready:later", COLD); // what they invoke last
    double begin = now_s();
    rig_stop_host(rig);
    double drained = now_s() - begin;
    rig_serve(rig, all_queues);
    read_spans(rig, "cold-", 1, COLD, "", parents);
    read_spans(rig, "cold-", 1, COLD, "/last", children);
    rig_close(rig);
    // a parent's time counts from when the new host ran its child
    for (int i = 0; i < COLD; i++) parents[i].started_at = children[i].started_at;
    double rate = 1000.0 * COLD / (double)span_of(parents, COLD);
    row("SIGTERM with 5,000 held runs, s", NO_TARGET, drained, 0, "%.2f s", drained);
    row("cold resumes, a second", NO_TARGET, rate, 0,
        "%.0f/s, each with 10 outcomes and a child to run", rate);
}

// ---- drain: a host that is stopped as a supervisor stops it
// --------------------------------------

enum { DRAINED = 10000, MOVING = 100 };

static void drain(void) {
    Rig *rig = rig_open("everysec");
    rig_serve(rig, default_queue);
    for (int i = 0; i < DRAINED; i += BULK)
        start_runs(rig, "sleeper-", i + 1, BULK, "sleeper", "{}");
    wait_standing(rig, "delayed", DRAINED);
    start_runs(rig, "moving-", 1, MOVING, "sequence", "{\"child\":\"step\",\"count\":1000000}");
    rest_ms(SETTLE_MS);
    double begin = now_s();
    rig_stop_host(rig);
    double took = now_s() - begin;
    rig_close(rig);
    row("SIGTERM, 10,000 waiting and 100 running, s", AT_MOST, took, 1, "%.2f s", took);
}

// ---- each: a run for each line of a file --------------------------------------------------------

enum { LINES = 100000, EACH_TURNS = 3 };

static void write_lines(const char *path, int turn) {
    FILE *file = fopen(path, "w");
    for (int i = 0; file && i < LINES; i++) fprintf(file, "{\"order\":%d,\"turn\":%d}\n", i, turn);
    if (!file || fclose(file) != 0) give_up("cannot write %s", path);
}

// The log has the calls of a script, too, if they are not too fast for that.
enum { CALLS_KEPT = 20000, SLOW_US = 200, AT_VERB = 7 };

// How long all but a hundredth of the calls that start runs keep Redis from others at most. The
// longest are as long as the machine had something else to do.
static double start_call_ms(Rig *rig) {
    static double took[CALLS_KEPT];
    size_t count = 0;
    redisReply *calls = command(rig, "SLOWLOG GET %d", CALLS_KEPT);
    for (size_t i = 0; i < calls->elements; i++) {
        redisReply **call = calls->element[i]->element; // number, at, us, words
        const redisReply *words = call[3];
        if (words->elements > AT_VERB && strcmp(words->element[AT_VERB]->str, "start_each") == 0)
            took[count++] = (double)call[2]->integer / 1000;
    }
    freeReplyObject(calls);
    if (count == 0) give_up("Redis saw no start_each");
    return quantile(took, count, 0.99);
}

// Beside a host that runs them as they come: both want Redis.
static void each(void) {
    double took[EACH_TURNS], all[EACH_TURNS], ratios[EACH_TURNS], floors[EACH_TURNS];
    double calls[EACH_TURNS];
    char path[] = "/tmp/weir-bench-lines-XXXXXX";
    int descriptor = mkstemp(path);
    if (descriptor < 0) give_up("cannot make %s", path);
    close(descriptor);
    for (int i = 0; i < EACH_TURNS; i++) {
        Rig *rig = rig_open("everysec");
        rig_serve(rig, one_worker);
        write_lines(path, i);
        floors[i] = floor_runs(rig);
        freeReplyObject(command(rig, "CONFIG SET slowlog-max-len %d", CALLS_KEPT));
        freeReplyObject(command(rig, "CONFIG SET slowlog-log-slower-than %d", SLOW_US));
        const char *const words[] = {rig_weir(), "start",   "no-op",   "--each",
                                     path,       "--redis", rig_url(), NULL};
        double begin = now_s();
        took[i] = run_s(words);
        wait_standing(rig, "ready:default", 0);
        all[i] = now_s() - begin;
        ratios[i] = LINES / all[i] / floors[i];
        calls[i] = start_call_ms(rig);
        rig_close(rig);
    }
    unlink(path);
    row("100,000 lines started by --each, s", AT_MOST, median(took, EACH_TURNS), 5,
        "%.2f s, all of them run after %.2f s", median(took, EACH_TURNS), median(all, EACH_TURNS));
    row("  started and run, of the floor", NO_TARGET, median(ratios, EACH_TURNS), 0, "floor %.0f/s",
        median(floors, EACH_TURNS));
    row("  a call that starts 250 of them, p99, ms", AT_MOST, median(calls, EACH_TURNS), 10,
        "%.1f ms", median(calls, EACH_TURNS));
}

// ---- cancel: a tree that waits ------------------------------------------------------------------

enum { CANCEL_TURNS = 3, LONGEST_MS = 20 };

typedef struct {
    double ms;
    int over; // how many were longer than LONGEST_MS
} Longest;

// Looks at the calls since they were forgotten, and forgets them.
static void keep_longest(Rig *rig, Longest *longest) {
    int over;
    double ms = longest_call_ms(rig, LONGEST_MS, &over);
    if (ms > longest->ms) longest->ms = ms;
    longest->over += over;
    forget_calls(rig);
}

static void row_longest(const char *what, Longest longest) {
    row(what, AT_MOST, longest.ms, LONGEST_MS, "%.1f ms, %d over %d ms", longest.ms, longest.over,
        LONGEST_MS);
}

static void cancel(void) {
    double took[CANCEL_TURNS], ratios[CANCEL_TURNS];
    double deleted[CANCEL_TURNS];
    Longest beginning = {0}, cancelling = {0}, deleting = {0};
    char id[64], data[64];
    Rig *rig = rig_open("everysec");
    rig_serve(rig, one_worker);
    snprintf(data, sizeof data, "{\"child\":\"sleeper\",\"count\":%d}", CHILDREN);
    for (int i = 0; i < CANCEL_TURNS; i++) {
        snprintf(id, sizeof id, "tree-%d", i + 1);
        forget_calls(rig);
        start_runs(rig, "tree-", i + 1, 1, "parallel", data);
        wait_standing(rig, "delayed", CHILDREN + 1);
        keep_longest(rig, &beginning);
        double begin = now_s();
        cancel_run(rig, id);
        wait_cancelled(rig, id);
        took[i] = now_s() - begin;
        keep_longest(rig, &cancelling);
        ratios[i] = took[i] * floor_invokes(rig) / CHILDREN;
        forget_calls(rig);
        const char *const words[] = {rig_weir(), "delete", id, "--redis", rig_url(), NULL};
        deleted[i] = run_s(words);
        keep_longest(rig, &deleting);
    }
    rig_close(rig);
    double ratio = median(ratios, CANCEL_TURNS), seconds = median(took, CANCEL_TURNS);
    row_longest("10,000 children begin to wait, longest call", beginning);
    row("10,000 waiting children cancelled, s", AT_MOST, seconds, 2,
        "%.2f s, %.1f times the floor of 10,000 invokes", seconds, ratio);
    row_longest("  longest call", cancelling);
    row("  and deleted, s", NO_TARGET, median(deleted, CANCEL_TURNS), 0, "%.2f s",
        median(deleted, CANCEL_TURNS));
    row_longest("  longest call", deleting);
}

// ---- journal: a long one, whose worker dies -----------------------------------------------------

enum { OUTCOMES = 100000 };

static const char *const named[] = {"--workers", "1", "--node", "bench", NULL};
static const char *const named_default[] = {"--workers", "1",       "--node", "bench",
                                            "--queues",  "default", NULL};

// Its last child stays in its queue until the host that takes it up is there.
static void journal(void) {
    Longest cold = {0}, shown = {0};
    char data[64];
    Rig *rig = rig_open("everysec");
    rig_serve(rig, named_default);
    snprintf(data, sizeof data, "{\"child\":\"no-op\",\"count\":%d}", OUTCOMES);
    start_runs(rig, "long-", 1, 1, "sequence-then-later", data);
    wait_standing(rig, "ready:later", 1);
    rig_kill_host(rig);
    double begin = now_s();
    freeReplyObject(command(rig, "HGETALL weir:{0}:r:long-1"));
    double whole = now_s() - begin;
    forget_calls(rig);
    rig_serve(rig, named);
    begin = now_s();
    wait_completed(rig, "long-1");
    double took = now_s() - begin;
    keep_longest(rig, &cold);
    const char *const show[] = {rig_weir(), "show", "long-1", "--json", "--redis", rig_url(), NULL};
    double showing = first_byte_s(show);
    keep_longest(rig, &shown);
    rig_close(rig);
    row("100,000 outcomes, taken up cold, s", NO_TARGET, took, 0,
        "%.2f s, %.1f times one HGETALL of its hash", took, took / whole);
    row_longest("  longest call", cold);
    row("  weir show --json, s", NO_TARGET, showing, 0, "%.2f s", showing);
    row_longest("  longest call", shown);
}

// ---- first: from nothing to an answer -----------------------------------------------------------

static void first(void) {
    enum { TIMES = 11 };
    double took[TIMES];
    const char *const words[] = {rig_weir(), "run", "no-op", "--dir", "tests/bench/workflows",
                                 NULL};
    for (int i = 0; i < TIMES; i++) took[i] = 1000 * first_byte_s(words);
    double ms = median(took, TIMES);
    row("weir run, to its first answer, ms", NO_TARGET, ms, 0, "%.0f ms", ms);
}

const Measurement measurements[] = {
    {"throughput", "200 parents in flight, each invoking a no-op 10 times", throughput},
    {"steps", "the same with children that are not inlined", steps},
    {"latency", "one parent alone", latency},
    {"growth", "a parent with 10,000 children", growth},
    {"graph", "10,000 and 100,000 nodes into one", graph},
    {"memory", "100,000 runs that wait", memory},
    {"cold", "runs resumed from their journal", cold},
    {"drain", "a host that is stopped while it holds many runs", drain},
    {"each", "a run for each of 100,000 lines", each},
    {"cancel", "a parent with 10,000 waiting children ends", cancel},
    {"journal", "a journal of 100,000 outcomes whose worker dies", journal},
    {"reload", "100 files that change while runs go on, 1,000 reloads", measure_reload},
    {"idle", "a host without runs", measure_idle},
    {"heartbeat", "the heartbeats of 100 hosts", measure_heartbeat},
    {"first", "weir run from start to answer", first},
};
const size_t measurement_count = sizeof measurements / sizeof *measurements;

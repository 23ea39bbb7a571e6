// hosts: a host without runs; and the cost of many hosts for Redis, which is that of their
// heartbeats. Those hosts are simulated: their calls are sent, and no process is behind them.
#include "measure.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100, THREADS = 4, LEASE_MS = 1200, BEAT_MS = 300, BEATS = 12, TURNS = 3 };

typedef struct {
    char number[32], worker[48];
} Host;

static void register_host(Rig *rig, Host *host, int number) {
    char node[16];
    snprintf(node, sizeof node, "node-%d", number);
    Batch *batch = script_call_batch(&rig->call);
    batch_group(batch, "register", 10, NULL, NULL);
    batch_text(batch, node);
    batch_text(batch, "boot");
    batch_text(batch, "namespace");
    batch_integer(batch, number);
    batch_integer(batch, 1);
    batch_integer(batch, THREADS);
    batch_integer(batch, LEASE_MS);
    batch_text(batch, "");
    batch_integer(batch, 16777216);
    batch_text(batch, "*");
    redisReply *groups, *reply = call(rig, batch, &groups);
    const redisReply *words = groups->element[0];
    if (strcmp(words->element[0]->str, "registered") != 0) give_up("%s was not registered", node);
    snprintf(host->number, sizeof host->number, "%s", words->element[1]->str);
    snprintf(host->worker, sizeof host->worker, "%.*s.0", (int)sizeof host->number - 1,
             host->number);
    freeReplyObject(reply);
    for (int thread = 1; thread <= THREADS; thread++)
        freeReplyObject(
            command(rig, "ZADD weir:{0}:idle:* %d %s.%d", number, host->number, thread));
}

// The two groups of a heartbeat of a host that serves.
static void beat(Rig *rig, const Host *host) {
    Batch *batch = script_call_batch(&rig->call);
    batch_group(batch, "heartbeat", 3, NULL, NULL);
    batch_text(batch, host->number);
    batch_integer(batch, LEASE_MS);
    batch_integer(batch, 5);
    batch_group(batch, "sweep", 0, NULL, NULL);
    redisReply *groups, *reply = call_as(rig, host->worker, batch, &groups);
    if (groups->elements == 0) give_up("a simulated host lost its lease: the machine is too busy");
    freeReplyObject(reply);
}

// Microseconds of Redis that all calls of the script took.
static int64_t script_us(Rig *rig) {
    redisReply *reply = command(rig, "INFO commandstats");
    const char *found = strstr(reply->str, "cmdstat_evalsha:");
    found = found ? strstr(found, "usec=") : NULL;
    int64_t microseconds = found ? strtoll(found + strlen("usec="), NULL, 10) : 0;
    freeReplyObject(reply);
    return microseconds;
}

// Microseconds of Redis that a heartbeat takes while so many hosts send them, spread over the
// interval.
static double beat_us(int count) {
    static Host hosts[MOST];
    Rig *rig = rig_open("everysec");
    for (int i = 0; i < count; i++) register_host(rig, &hosts[i], i + 1);
    for (int i = 0; i < count; i++) beat(rig, &hosts[i]); // warms up
    int64_t before = script_us(rig);
    double begin = now_s();
    for (int i = 0; i < BEATS * count; i++) {
        double early = begin + BEAT_MS / 1000.0 * i / count - now_s();
        if (early > 0.001) rest_ms((int64_t)(early * 1000));
        beat(rig, &hosts[i % count]);
    }
    double each = (double)(script_us(rig) - before) / (BEATS * count);
    rig_close(rig);
    return each;
}

void measure_heartbeat(void) {
    double one[TURNS], many[TURNS], ratios[TURNS];
    for (int i = 0; i < TURNS; i++) {
        one[i] = beat_us(1);
        many[i] = beat_us(MOST);
        ratios[i] = many[i] / one[i];
    }
    double each = median(many, TURNS);
    row("a heartbeat among 100 hosts, beside one host", AT_MOST, median(ratios, TURNS), 1.2,
        "%.0f us of Redis, %.0f us with one host", each, median(one, TURNS));
    row("  100 hosts of 4 idle workers, % of a core", NO_TARGET, each * MOST / BEAT_MS / 10, 0,
        "%.1f %% of Redis' core", each * MOST / BEAT_MS / 10);
}

// ---- idle: a host without runs ------------------------------------------------------------------

enum { IDLE_MS = 6000, QUIET_MS = 1000, STARTS = 9 };

static void measure_idle_host(const char *workers, double most_mib) {
    const char *const flags[] = {"--workers", workers, NULL};
    char what[80];
    double ready[STARTS];
    Rig *rig = rig_open("everysec");
    for (int i = 0; i < STARTS; i++) {
        if (i > 0) rig_stop_host(rig);
        double begin = now_s();
        rig_serve(rig, flags);
        ready[i] = 1000 * (now_s() - begin);
    }
    rest_ms(QUIET_MS);
    double begin = now_s(), cpu = cpu_s(rig->host_pid);
    rest_ms(IDLE_MS);
    double share = 100 * (cpu_s(rig->host_pid) - cpu) / (now_s() - begin);
    double mib = (double)resident_bytes(rig->host_pid) / (1 << 20);
    rig_close(rig);
    snprintf(what, sizeof what, "idle host, --workers %s, until ready, ms", workers);
    double ms = median(ready, STARTS);
    row(what, AT_MOST, ms, 100, "%.0f ms, the least of %d %.0f ms", ms, STARTS, ready[0]);
    row("  CPU, % of a core", AT_MOST, share, 0.5, "%.3f %%", share);
    row("  resident, MiB", AT_MOST, mib, most_mib, "%.1f MiB", mib);
}

void measure_idle(void) {
    measure_idle_host("1", 20);
    measure_idle_host("4", 30);
}

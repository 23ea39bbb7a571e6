// reload: a folder of 100 files that change while runs go on.
//
// A reload is measured from the moment all files are written to the moment the registry names the
// new bundle. The host waits SETTLE_MS of that until the files are quiet.
#include "measure.h"

#include "base/xmalloc.h"
#include "rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FILES = 100,
    SETTLE_MS = 100,
    TIMES = 20,
    TICKS = 100000,    // more than there is time for
    ENOUGH_MS = 60000, // from one reload to the registry that names it, on a busy machine
    MANY = 1000,
    WARM = 200 // reloads until memory is as large as it gets
};

static char folder[] = "/tmp/weir-bench-flows-XXXXXX";

static const char *const two_workers[] = {"--workers", "2", folder, NULL};

// A child that looks at the clock has a turn of its own, and each child begins on the newest code.
static const char *const ticker =
    "local weir = require 'weir'\n"
    "return {\n"
    "  weir.workflow { id = 'tick', run = function(ctx, data)\n"
    "    for i = 1, data.count do ctx:invoke { id = 'i' .. i, workflow = 'tock' } end\n"
    "  end },\n"
    "  weir.workflow { id = 'tock', run = function(ctx) return ctx:now() > 0 end },\n"
    "}\n";

static const char *const other =
    "local weir = require 'weir'\n"
    "local function fee(amount) return amount * 2 end\n"
    "return weir.workflow {\n"
    "  id = 'other-%d',\n"
    "  schema = { type = 'object', properties = { amount = { type = 'number' } } },\n"
    "  run = function(ctx, data)\n"
    "    local paid = ctx:step('pay', function() return fee(data.amount) end)\n"
    "    ctx:sleep '1s'\n"
    "    return { paid = paid, version = %d }\n"
    "  end,\n"
    "}\n";

__attribute__((format(printf, 2, 3))) static void write_file(const char *name, const char *format,
                                                             ...) {
    char path[128];
    va_list values;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    va_start(values, format);
    if (!file || vfprintf(file, format, values) < 0 || fclose(file) != 0)
        give_up("cannot write %s", path);
    va_end(values);
}

static void write_files(int version) {
    write_file("tick.lua", "%s-- %d\n", ticker, version);
    for (int i = 1; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "other-%d.lua", i);
        write_file(name, other, i, version);
    }
}

static void remove_folder(void) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries) closedir(entries);
    rmdir(folder);
}

static char *registered(Rig *rig) {
    redisReply *reply = command(rig, "HGET weir:{0}:registry tick");
    char *entry = xstrdup(reply->str ? reply->str : "");
    freeReplyObject(reply);
    return entry;
}

// The ms from the last write to the registry.
static double reload_ms(Rig *rig, int version, int files) {
    char *before = registered(rig);
    if (files == 1)
        write_file("tick.lua", "%s-- %d\n", ticker, version);
    else
        write_files(version);
    double begin = now_s(), took = 0;
    for (bool same = true; same; took = 1000 * (now_s() - begin)) {
        rest_ms(1);
        char *now = registered(rig);
        same = strcmp(now, before) == 0;
        free(now);
        if (same && took > ENOUGH_MS) give_up("the files were not loaded again");
    }
    free(before);
    return took;
}

// The longest time between two ticks of a run; it is still under way.
static int64_t longest_gap_ms(Rig *rig, const char *id, int64_t since) {
    static int64_t at[TICKS];
    int count = read_begun(rig, id, TICKS, at);
    int64_t longest = 0;
    for (int i = 1; i < count; i++)
        if (at[i - 1] >= since && at[i] - at[i - 1] > longest) longest = at[i] - at[i - 1];
    return longest;
}

static void measure_pause(Rig *rig) {
    double took[TIMES];
    char data[32];
    snprintf(data, sizeof data, "{\"count\":%d}", TICKS);
    start_runs(rig, "tick-", 1, 1, "tick", data);
    rest_ms(1000);
    int64_t quiet = longest_gap_ms(rig, "tick-1", 0);
    int64_t since = redis_ms(rig);
    for (int i = 0; i < TIMES; i++) took[i] = reload_ms(rig, i + 1, FILES);
    int64_t gap = longest_gap_ms(rig, "tick-1", since);
    double ms = median(took, TIMES);
    row("100 changed files, from quiet to live, ms", AT_MOST, ms - SETTLE_MS, 100,
        "%.0f ms, of which the host waits %d for quiet", ms, SETTLE_MS);
    row("  longest gap of a run that ticks, ms", AT_MOST, (double)gap, 20,
        "%lld ms, without reloads %lld", (long long)gap, (long long)quiet);
    cancel_run(rig, "tick-1");
}

typedef struct {
    double host, redis; // MiB
} Memory;

static Memory memory_of(Rig *rig) {
    return (Memory){(double)resident_bytes(rig->host_pid) / (1 << 20),
                    (double)info_integer(rig, "used_memory") / (1 << 20)};
}

// A run begins on each bundle, so that each worker has had it.
static void measure_memory(Rig *rig) {
    Memory before = {0};
    for (int i = 0; i < MANY; i++) {
        if (i == WARM) before = memory_of(rig);
        reload_ms(rig, TIMES + i + 1, 1);
        start_runs(rig, "short-", i + 1, 1, "tick", "{\"count\":3}");
    }
    Memory after = memory_of(rig);
    row("1,000 reloads, growth of the host, MiB", AT_MOST, after.host - before.host, 16,
        "%.0f MiB, then %.0f MiB", before.host, after.host);
    row("  of Redis, MiB", AT_MOST, after.redis - before.redis, 4, "%.1f MiB, then %.1f MiB",
        before.redis, after.redis);
}

void measure_reload(void) {
    if (!mkdtemp(folder)) give_up("cannot make %s", folder);
    atexit(remove_folder);
    write_files(0);
    Rig *rig = rig_open("everysec");
    rig_serve(rig, two_workers);
    measure_pause(rig);
    measure_memory(rig);
    rig_close(rig);
}

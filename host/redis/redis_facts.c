// redis_facts: see redis_facts.h.
#include "redis/redis_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- reading ------------------------------------------------------------------------------------

static bool take(const char *info, const char *name, char *value, size_t size) {
    size_t length = strlen(name);
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ':') continue;
        const char *text = line + length + 1;
        snprintf(value, size, "%.*s", (int)strcspn(text, "\r\n"), text);
        return true;
    }
    return false;
}

// Engines that say in INFO that they are another program than Redis.
static void take_engine(RedisFacts *facts, const char *info) {
    static const char *const engines[][2] = {{"dragonfly_version", "Dragonfly"},
                                             {"garnet_version", "Garnet"},
                                             {"kvrocks_version", "Kvrocks"}};
    char version[FACT_SIZE];
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (take(info, engines[i][0], version, sizeof version))
            snprintf(facts->engine, sizeof facts->engine, "%s", engines[i][1]);
}

void redis_facts_read_info(RedisFacts *facts, const Reply *reply) {
    if (reply_is_error(reply, "")) return;
    const char *info = reply_text(reply);
    take_engine(facts, info);
    take(info, "run_id", facts->run_id, sizeof facts->run_id);
    take(info, "redis_version", facts->version, sizeof facts->version);
    take(info, "role", facts->role, sizeof facts->role);
    take(info, "connected_slaves", facts->replicas, sizeof facts->replicas);
    take(info, "aof_enabled", facts->aof_enabled, sizeof facts->aof_enabled);
    take(info, "maxmemory_policy", facts->maxmemory_policy, sizeof facts->maxmemory_policy);
}

void redis_facts_read_settings(RedisFacts *facts, const Reply *settings) {
    for (size_t i = 0; i + 1 < reply_count(settings); i += 2) {
        const char *name = reply_text(reply_at(settings, i));
        const char *value = reply_text(reply_at(settings, i + 1));
        if (strcmp(name, "appendfsync") == 0)
            snprintf(facts->appendfsync, sizeof facts->appendfsync, "%s", value);
        else if (strcmp(name, "min-replicas-to-write") == 0)
            snprintf(facts->min_replicas, sizeof facts->min_replicas, "%s", value);
    }
}

// ---- judging ------------------------------------------------------------------------------------

static bool is(const char *fact, const char *word) {
    return strcmp(fact, word) == 0;
}

// Why no setting of this engine makes it safe.
static bool judge_engine(const RedisFacts *facts, char *why) {
    if (*facts->engine)
        snprintf(why, UNSAFE_SIZE,
                 "it is %s, which does not promise that a script is atomic over keys that the call "
                 "does not declare; give --redis a Redis 7.0 to 8 or a Valkey 8",
                 facts->engine);
    else if (*facts->version && atoi(facts->version) < 7)
        snprintf(why, UNSAFE_SIZE, "its version is %s; give --redis a Redis 7.0 to 8 or a Valkey 8",
                 facts->version);
    else
        return true;
    return false;
}

// The keys of weir have no TTL, so the policies that evict only keys with one leave them alone.
static bool judge_eviction(const RedisFacts *facts, char *why) {
    if (strncmp(facts->maxmemory_policy, "allkeys-", strlen("allkeys-")) != 0) return true;
    snprintf(why, UNSAFE_SIZE,
             "its maxmemory-policy is %s, so it may throw runs away when its memory is full; "
             "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
             facts->maxmemory_policy);
    return false;
}

static bool judge_file(const RedisFacts *facts, const char *durability, char *why) {
    if (!is(facts->aof_enabled, "0")) return true;
    snprintf(why, UNSAFE_SIZE,
             "its appendonly is no, so what it acknowledged is lost when it is restarted; "
             "redis-cli CONFIG SET appendonly yes, and the same in redis.conf; or accept the loss "
             "with --durability none (now %s)",
             durability);
    return false;
}

static bool judge_fsync(const RedisFacts *facts, const char *durability, char *why) {
    const char *least = is(durability, "always") ? "always" : "everysec";
    bool weaker =
        is(facts->appendfsync, "no") || (is(least, "always") && is(facts->appendfsync, "everysec"));
    if (!weaker) return true;
    snprintf(why, UNSAFE_SIZE,
             "its appendfsync is %s, which is weaker than --durability %s; redis-cli CONFIG SET "
             "appendfsync %s, and the same in redis.conf",
             facts->appendfsync, durability, least);
    return false;
}

RedisSafety redis_facts_judge(const RedisFacts *facts, const char *durability,
                              char why[UNSAFE_SIZE]) {
    *why = '\0';
    if (!judge_engine(facts, why) || !judge_eviction(facts, why)) return REDIS_UNSAFE;
    if (is(durability, "none")) return REDIS_SAFE;
    if (!judge_file(facts, durability, why) || !judge_fsync(facts, durability, why))
        return REDIS_UNSAFE;
    if (is(durability, "replicated") && is(facts->replicas, "0")) {
        snprintf(why, UNSAFE_SIZE,
                 "no replica is connected, which --durability replicated needs: "
                 "start one (REPLICAOF)");
        return REDIS_WITHOUT_REPLICA;
    }
    if (*facts->aof_enabled && *facts->appendfsync) return REDIS_SAFE;
    snprintf(why, UNSAFE_SIZE,
             "it does not tell %s, so whether it keeps to --durability %s is not "
             "known: its user may not run %s",
             *facts->aof_enabled ? "appendfsync" : "whether it has an append-only file", durability,
             *facts->aof_enabled ? "CONFIG GET" : "INFO");
    return REDIS_HIDES_SETTINGS;
}

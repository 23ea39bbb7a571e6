// safety: see safety.h.
#include "serve/safety.h"

#include "base/log.h"

#include <string.h>

// {"safety", aof, policy}; an error where the user of Redis may not ask
static void on_safety(void *about, const Reply *reply) {
    const char *url = ((const Config *)about)->redis.url;
    if (!reply_is(reply_at(reply, 0), "safety")) return;
    const char *policy = reply_text(reply_at(reply, 2));
    if (reply_is(reply_at(reply, 1), "0"))
        log_warn("redis at %s has no append-only file: what was acknowledged is lost when it is "
                 "restarted; redis-cli config set appendonly yes, and the same in redis.conf",
                 url);
    if (*policy && strcmp(policy, "noeviction") != 0)
        log_warn("redis at %s may throw runs away when its memory is full: maxmemory-policy is %s; "
                 "redis-cli config set maxmemory-policy noeviction, and the same in redis.conf",
                 url, policy);
}

void safety_check(const Config *config, Batch *batch) {
    if (config->command != COMMAND_SERVE) return;
    batch_group(batch, "safety", 0, on_safety, (void *)config);
}

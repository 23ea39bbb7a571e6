// redis_error: see redis_error.h for what it promises.
#include "redis/redis_error.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static const char LOG_IN[] = "give --redis the user and password of one who may log in";
static const char PRIMARY[] = "give --redis its primary";

// All that weir asks of Redis: see "Prepare Redis" in host/README.md. The specs compare both with
// the commands in the sources.
static const char RIGHTS[] =
    "+config|get +del +evalsha +exists +hdel +hget +hgetall +hincrby +hkeys +hlen +hmget +hscan "
    "+hset +info +llen +lrange +ltrim +ping +publish +rename +role +rpop +rpush +sadd +scan +scard "
    "+script|load +select +sismember +smembers +srandmember +srem +sscan +subscribe +time +unlink "
    "+wait "
    "+zadd +zcard +zcount +zmscore +zrange +zrangebyscore +zrank +zrem +zremrangebyrank "
    "+zrevrange +zrevrank +zscore";

// The first row whose text begins a message is its error; so the row that fits any message is last.
static const RedisError table[] = {
    {REDIS_ERROR_UNREACHABLE, "\n", NULL},
    {REDIS_ERROR_UNREACHABLE, "\n", "start the Sentinels, or give --redis others"},
    {REDIS_ERROR_LOGIN, "\n",
     "give --redis their login: ?sentinel_user=USER and sentinel_password behind the name"},
    {REDIS_ERROR_NAME, "\n", "give --redis the name that sentinel.conf monitors"},
    {REDIS_ERROR_BACKPRESSURE, "\n", "wait until Sentinel has made another Redis the primary"},
    {REDIS_ERROR_STARTING, "LOADING", "it has just been started"},
    {REDIS_ERROR_LOGIN, "NOAUTH", LOG_IN},
    {REDIS_ERROR_LOGIN, "WRONGPASS", LOG_IN},
    {REDIS_ERROR_LOGIN, "ERR AUTH", LOG_IN},
    {REDIS_ERROR_LOGIN, "ERR invalid password", LOG_IN},
    {REDIS_ERROR_LOGIN, "ERR Client sent AUTH", LOG_IN},
    {REDIS_ERROR_LOGIN, "ERR Protocol error: unauthenticated", LOG_IN}, // to a long command
    {REDIS_ERROR_LOGIN, "DENIED", "set one (requirepass), and give it to --redis"},
    {REDIS_ERROR_LOGIN, "ERR DB index", "give --redis a database that it has"},
    {REDIS_ERROR_LOGIN, "ERR SELECT is not allowed", "give --redis no database"}, // of a cluster
    {REDIS_ERROR_PERMISSION, "NOPERM", NULL},
    {REDIS_ERROR_PERMISSION, "ERR The user executing the script", NULL},
    {REDIS_ERROR_PERMISSION, "ERR ACL failure in script", NULL}, // the same, of Redis 7.2
    {REDIS_ERROR_BACKPRESSURE, "OOM",
     "raise its maxmemory, or let ended runs go sooner (weir delete)"},
    {REDIS_ERROR_BACKPRESSURE, "MISCONF", "it cannot save: its log says why"},
    {REDIS_ERROR_BACKPRESSURE, "READONLY", PRIMARY},
    {REDIS_ERROR_BACKPRESSURE, "NOREPLICAS",
     "start its replicas, or lower its min-replicas-to-write"},
    {REDIS_ERROR_BACKPRESSURE, "NOREPLICA ",
     "nothing is acknowledged until one does (--durability replicated): start one, or see INFO "
     "replication"},
    {REDIS_ERROR_BACKPRESSURE, "UNBLOCKED", PRIMARY}, // WAIT, of a primary that becomes a replica
    {REDIS_ERROR_BACKPRESSURE, "ERR WAIT", PRIMARY},  // of a replica
    {REDIS_ERROR_BACKPRESSURE, "BUSY ",
     "another client's script keeps it busy: SCRIPT KILL ends that"},
    {REDIS_ERROR_BACKPRESSURE, "MASTERDOWN", PRIMARY},
    {REDIS_ERROR_BACKPRESSURE, "ERR max number of clients", "raise its maxclients"},
    {REDIS_ERROR_BACKPRESSURE, "MOVED",
     "this node of the Redis Cluster does not have weir's keys: give --redis the node that the "
     "message names"},
    {REDIS_ERROR_BACKPRESSURE, "ASK",
     "the Redis Cluster is moving weir's keys to the node that the message names: wait until that "
     "is done"},
    {REDIS_ERROR_BACKPRESSURE, "TRYAGAIN",
     "the Redis Cluster is moving weir's keys to another node: wait until that is done"},
    {REDIS_ERROR_BACKPRESSURE, "CLUSTERDOWN",
     "a node of the Redis Cluster is away, or slots have no node: see CLUSTER INFO"},
    {REDIS_ERROR_BACKPRESSURE, "no replica is connected", NULL}, // these are of trust.c
    {REDIS_ERROR_BACKPRESSURE, "a former primary", NULL},
    {REDIS_ERROR_BACKPRESSURE, "not safe", NULL},
    {REDIS_ERROR_OTHER, "",
     "weir needs Redis 7.0 to 8 or Valkey 8, and its keys as it left them: see weir doctor"},
};

_Static_assert(sizeof table / sizeof *table <= 64, "each has a bit in Outage.logged");

const RedisError *const redis_error_unreachable = &table[0];
const RedisError *const redis_error_no_sentinel = &table[1];
const RedisError *const redis_error_sentinel_login = &table[2];
const RedisError *const redis_error_no_such_primary = &table[3];
const RedisError *const redis_error_no_primary = &table[4];

const RedisError *redis_error_of(const char *words) {
    const RedisError *error = table;
    while (strncmp(words, error->begins, strlen(error->begins)) != 0) error++;
    return error;
}

// Redis names the script and the line: that helps only when weir's script is at fault. Redis' own
// advice is left out where this file has one.
static size_t length_of_words(const RedisError *error, const char *why) {
    const char *script = strstr(why, " script: "), *rest = strstr(why, ". ");
    size_t length = strlen(why);
    if (script && error->kind != REDIS_ERROR_OTHER) length = (size_t)(script - why);
    if (rest && error->kind == REDIS_ERROR_LOGIN) length = (size_t)(rest - why);
    return length && why[length - 1] == '.' ? length - 1 : length;
}

void redis_error_text(const RedisError *error, const char *why, const RedisAddress *redis,
                      const char *prefix, char text[REDIS_ERROR_TEXT]) {
    int length = (int)length_of_words(error, why);
    if (error->kind == REDIS_ERROR_PERMISSION)
        snprintf(text, REDIS_ERROR_TEXT, "%.*s; grant it: ACL SETUSER %s ~%s:* &%s:* %s", length,
                 why, redis->user ? redis->user : "default", prefix, prefix, RIGHTS);
    else if (error->advice == PRIMARY && redis->primary)
        snprintf(text, REDIS_ERROR_TEXT, "%.*s; %s", length, why, redis_error_no_primary->advice);
    else if (error->advice)
        snprintf(text, REDIS_ERROR_TEXT, "%.*s; %s", length, why, error->advice);
    else
        snprintf(text, REDIS_ERROR_TEXT, "%.*s", length, why);
}

// ---- the outage of a host -----------------------------------------------------------------------

void outage_open(Outage *outage, const RedisAddress *redis, const char *prefix) {
    *outage = (Outage){.redis = redis, .prefix = prefix};
    pthread_mutex_init(&outage->lock, NULL);
}

void outage_close(Outage *outage) {
    pthread_mutex_destroy(&outage->lock);
}

// A missing right has several messages, which are logged as one error.
static uint64_t bit_of(const RedisError *error) {
    while (error->kind == REDIS_ERROR_PERMISSION && error[-1].kind == REDIS_ERROR_PERMISSION)
        error--;
    return UINT64_C(1) << (error - table);
}

// A Redis that was away reads its data when it comes back: that is no news.
static bool is_news(const Outage *outage, const RedisError *error) {
    if (error->kind == REDIS_ERROR_STARTING) return !outage->logged;
    return !(outage->logged & bit_of(error));
}

static void log_once(Outage *outage, const RedisError *error) {
    if (!is_news(outage, error)) return;
    outage->logged |= bit_of(error);
    log_warn("redis at %s: %s; trying again", outage->redis->url, outage->text);
}

static bool is_raised(const RedisError *error) {
    return error && error->kind == REDIS_ERROR_OTHER;
}

// An error that passes is no reason to end: only one that comes again, late enough, lasts.
static void count_raising(Outage *outage, const RedisError *before, const RedisError *now) {
    int64_t now_ms = clock_ms();
    if (!outage->raising) outage->raising_since = now_ms;
    outage->raising += is_raised(now) - is_raised(before);
    int64_t lasted = now_ms - outage->raising_since;
    outage->lasting =
        outage->raising && (outage->lasting || (is_raised(now) && lasted >= OUTAGE_LASTS_MS));
}

bool outage_lasts(Outage *outage) {
    pthread_mutex_lock(&outage->lock);
    bool lasting = outage->lasting;
    pthread_mutex_unlock(&outage->lock);
    return lasting;
}

int64_t outage_ms(Outage *outage) {
    pthread_mutex_lock(&outage->lock);
    int64_t ms = outage->affected ? clock_ms() - outage->affected_since : 0;
    pthread_mutex_unlock(&outage->lock);
    return ms;
}

bool outage_text(Outage *outage, char text[REDIS_ERROR_TEXT]) {
    pthread_mutex_lock(&outage->lock);
    bool affected = outage->affected > 0;
    if (affected) memcpy(text, outage->text, REDIS_ERROR_TEXT);
    pthread_mutex_unlock(&outage->lock);
    return affected;
}

void outage_change(Outage *outage, const RedisError *before, const RedisError *now,
                   const char *why) {
    pthread_mutex_lock(&outage->lock);
    if (!outage->affected) outage->affected_since = clock_ms();
    outage->affected += (now != NULL) - (before != NULL);
    count_raising(outage, before, now);
    if (now) {
        redis_error_text(now, why, outage->redis, outage->prefix, outage->text);
        log_once(outage, now);
    }
    if (!outage->affected) {
        log_info("redis at %s is back", outage->redis->url);
        outage->logged = 0;
    }
    pthread_mutex_unlock(&outage->lock);
}

// trouble: see trouble.h for what it promises.
#include "redis/trouble.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

static const char LOG_IN[] = "give --redis the user and password of one who may log in";
static const char PRIMARY[] = "give --redis its primary";

// All that weir asks of Redis: see "Operating it" in the README. A host does not need the last
// three.
static const char RIGHTS[] =
    "+@hash +@list +@set +@sortedset +del +exists +rename +unlink +evalsha +script|load +publish "
    "+subscribe +ping +select +time +info +scan +config|get";

// The first that an error begins with, so what begins with anything is last.
static const Trouble table[] = {
    {TROUBLE_UNREACHABLE, "\n", NULL},
    {TROUBLE_STARTING, "LOADING", "it has just been started"},
    {TROUBLE_LOGIN, "NOAUTH", LOG_IN},
    {TROUBLE_LOGIN, "WRONGPASS", LOG_IN},
    {TROUBLE_LOGIN, "ERR AUTH", LOG_IN},
    {TROUBLE_LOGIN, "ERR invalid password", LOG_IN},
    {TROUBLE_LOGIN, "ERR Client sent AUTH", LOG_IN},
    {TROUBLE_LOGIN, "ERR Protocol error: unauthenticated", LOG_IN}, // to what is long
    {TROUBLE_LOGIN, "DENIED", "set one (requirepass), and give it to --redis"},
    {TROUBLE_LOGIN, "ERR DB index", "give --redis a database that it has"},
    {TROUBLE_LOGIN, "ERR SELECT is not allowed", "give --redis no database"}, // of a cluster
    {TROUBLE_RIGHT, "NOPERM", NULL},
    {TROUBLE_RIGHT, "ERR The user executing the script", NULL},
    {TROUBLE_RIGHT, "ERR ACL failure in script", NULL}, // the same, of Redis 7.2
    {TROUBLE_PRESSURE, "OOM", "raise its maxmemory, or let ended runs go sooner (weir delete)"},
    {TROUBLE_PRESSURE, "MISCONF", "it cannot save: its log says why"},
    {TROUBLE_PRESSURE, "READONLY", PRIMARY},
    {TROUBLE_PRESSURE, "NOREPLICAS", "start its replicas, or lower its min-replicas-to-write"},
    {TROUBLE_PRESSURE, "BUSY ", "a script of somebody else keeps it: SCRIPT KILL ends that"},
    {TROUBLE_PRESSURE, "MASTERDOWN", PRIMARY},
    {TROUBLE_PRESSURE, "ERR max number of clients", "raise its maxclients"},
    {TROUBLE_PRESSURE, "TRYAGAIN", "it is about to be changed"},
    {TROUBLE_OTHER, "",
     "weir needs Redis 7.0 to 8 or Valkey 8, and its keys as it left them: see weir doctor"},
};

_Static_assert(sizeof table / sizeof *table <= 32, "each has a bit");

const Trouble *const trouble_unreachable = &table[0];

const Trouble *trouble_of(const char *error) {
    const Trouble *trouble = table;
    while (strncmp(error, trouble->begins, strlen(trouble->begins)) != 0) trouble++;
    return trouble;
}

// Redis says in which script and line it happened: that is of interest in a fault of weir's own.
// Its own advice is left out where it is given here.
static size_t length_of_words(const Trouble *trouble, const char *why) {
    const char *script = strstr(why, " script: "), *rest = strstr(why, ". ");
    size_t length = strlen(why);
    if (script && trouble->kind != TROUBLE_OTHER) length = (size_t)(script - why);
    if (rest && trouble->kind == TROUBLE_LOGIN) length = (size_t)(rest - why);
    return length && why[length - 1] == '.' ? length - 1 : length;
}

void trouble_text(const Trouble *trouble, const char *why, const RedisAddress *redis,
                  const char *prefix, char text[TROUBLE_TEXT]) {
    int length = (int)length_of_words(trouble, why);
    if (trouble->kind == TROUBLE_RIGHT)
        snprintf(text, TROUBLE_TEXT, "%.*s; grant it: ACL SETUSER %s ~%s:* &%s:* %s", length, why,
                 redis->user ? redis->user : "default", prefix, prefix, RIGHTS);
    else if (trouble->advice)
        snprintf(text, TROUBLE_TEXT, "%.*s; %s", length, why, trouble->advice);
    else
        snprintf(text, TROUBLE_TEXT, "%.*s", length, why);
}

// ---- what a host has met ------------------------------------------------------------------------

void troubles_open(Troubles *troubles, const RedisAddress *redis, const char *prefix) {
    *troubles = (Troubles){.redis = redis, .prefix = prefix};
    pthread_mutex_init(&troubles->lock, NULL);
}

void troubles_close(Troubles *troubles) {
    pthread_mutex_destroy(&troubles->lock);
}

// A right that is missing comes in several words, and is one thing to tell.
static uint32_t bit_of(const Trouble *trouble) {
    while (trouble->kind == TROUBLE_RIGHT && trouble[-1].kind == TROUBLE_RIGHT) trouble--;
    return UINT32_C(1) << (trouble - table);
}

// A Redis that was away comes back with its data to read: that is no news.
static bool is_news(const Troubles *troubles, const Trouble *trouble) {
    if (trouble->kind == TROUBLE_STARTING) return !troubles->said;
    return !(troubles->said & bit_of(trouble));
}

static void say(Troubles *troubles, const Trouble *trouble, const char *why) {
    char text[TROUBLE_TEXT];
    if (!is_news(troubles, trouble)) return;
    troubles->said |= bit_of(trouble);
    trouble_text(trouble, why, troubles->redis, troubles->prefix, text);
    log_warn("redis at %s: %s; trying again", troubles->redis->url, text);
}

static bool is_raised(const Trouble *trouble) {
    return trouble && trouble->kind == TROUBLE_OTHER;
}

// Tells what passes from what lasts: only a failure that comes again, late enough, lasts.
static void count_raising(Troubles *troubles, const Trouble *before, const Trouble *now) {
    uint64_t clock = uv_hrtime();
    if (!troubles->raising) troubles->raising_since = clock;
    troubles->raising += is_raised(now) - is_raised(before);
    uint64_t lasted = clock - troubles->raising_since;
    troubles->lasting =
        troubles->raising &&
        (troubles->lasting || (is_raised(now) && lasted >= TROUBLE_LASTS_MS * UINT64_C(1000000)));
}

bool troubles_last(Troubles *troubles) {
    pthread_mutex_lock(&troubles->lock);
    bool lasting = troubles->lasting;
    pthread_mutex_unlock(&troubles->lock);
    return lasting;
}

void troubles_change(Troubles *troubles, const Trouble *before, const Trouble *now,
                     const char *why) {
    pthread_mutex_lock(&troubles->lock);
    troubles->troubled += (now != NULL) - (before != NULL);
    count_raising(troubles, before, now);
    if (now) say(troubles, now, why);
    if (!troubles->troubled) {
        log_info("redis at %s is back", troubles->redis->url);
        troubles->said = 0;
    }
    pthread_mutex_unlock(&troubles->lock);
}

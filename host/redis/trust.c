// trust: see trust.h for what it promises.
#include "redis/trust.h"

#include "base/log.h"
#include "base/new_file.h"
#include "base/xmalloc.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sysexits.h>
#include <uv.h>

enum {
    DATASET_SIZE = 48,
    SAMPLE_MS = 200,
    SAMPLES = 16,
    // Older changes are safe under everysec: Redis syncs each second, and a sync may take another.
    EVERYSEC_MS = 2500
};

// Up to where this host knows the history of the dataset.
typedef struct {
    char dataset[DATASET_SIZE]; // "": it knows none
    int64_t epoch;              // 0: Redis tells no run_id
    char run_id[RUN_ID_SIZE];
    char before[RUN_ID_SIZE]; // the process of Redis before this one
    int64_t commit;           // the last change that was acknowledged in this epoch
    int64_t settled;          // the last one that everysec may not lose
} Mark;

typedef struct {
    int64_t at_ms, commit;
} Sample;

struct Trust {
    const Config *config;
    void (*on_refused)(void *owner, int status);
    void *owner;
    char *path;           // of the mark; NULL: it lives as long as the process
    pthread_mutex_t file; // held while the mark is written

    pthread_mutex_t lock;
    Mark mark;
    int64_t version;         // counts the epochs that the mark was of
    Sample samples[SAMPLES]; // of `commit`, the oldest at `next`
    size_t next;
    bool changed; // since the mark was saved
    int64_t losses;
    bool serves, refused, told_hidden, told_unwritten;

    atomic_bool unsafe;
};

// ---- the mark on the disk -----------------------------------------------------------------------

// The prefix of the keys may have any character.
static char *path_of(const Config *config) {
    char *name = xmalloc(3 * strlen(config->prefix) + 1), *at = name;
    for (const unsigned char *byte = (const unsigned char *)config->prefix; *byte; byte++)
        at += sprintf(at, isalnum(*byte) || *byte == '-' ? "%c" : "%%%02x", *byte);
    char *path = xformat("%s/%s.history", config->state_dir, name);
    free(name);
    return path;
}

static char *write_mark(const Mark *mark) {
    return xformat("dataset %s\nepoch %lld\nrun_id %s\nbefore %s\ncommit %lld\nsettled %lld\n",
                   mark->dataset, (long long)mark->epoch, *mark->run_id ? mark->run_id : "-",
                   *mark->before ? mark->before : "-", (long long)mark->commit,
                   (long long)mark->settled);
}

static bool read_mark(FILE *file, Mark *mark) {
    long long epoch, commit, settled;
    bool whole =
        fscanf(file, "dataset %47s epoch %lld run_id %47s before %47s commit %lld settled %lld",
               mark->dataset, &epoch, mark->run_id, mark->before, &commit, &settled) == 6;
    if (!whole) return false;
    mark->epoch = epoch;
    mark->commit = commit;
    mark->settled = settled;
    if (strcmp(mark->run_id, "-") == 0) *mark->run_id = '\0';
    if (strcmp(mark->before, "-") == 0) *mark->before = '\0';
    return true;
}

static bool load(Trust *trust, char fault[TRUST_FAULT_SIZE]) {
    if (!trust->path) return true;
    FILE *file = fopen(trust->path, "re");
    if (!file && errno == ENOENT) { // it will be written: find out now whether that can be done
        int status = new_file_keep(trust->path, "", 0);
        if (status == 0) return true;
        snprintf(fault, TRUST_FAULT_SIZE, "cannot write %s: %s; name another --state-dir",
                 trust->path, uv_strerror(status));
        return false;
    }
    if (!file) {
        snprintf(fault, TRUST_FAULT_SIZE, "cannot read %s: %s; name another --state-dir",
                 trust->path, strerror(errno));
        return false;
    }
    fseek(file, 0, SEEK_END);
    bool is_empty = ftell(file) == 0;
    rewind(file);
    bool whole = is_empty || read_mark(file, &trust->mark);
    fclose(file);
    if (!whole)
        snprintf(fault, TRUST_FAULT_SIZE,
                 "%s is not the history of a dataset, as weir writes it; remove it", trust->path);
    return whole;
}

static void save_change(Trust *trust) {
    pthread_mutex_lock(&trust->lock);
    bool changed = trust->changed;
    Mark mark = trust->mark;
    trust->changed = false;
    pthread_mutex_unlock(&trust->lock);
    if (!changed) return;
    char *text = write_mark(&mark);
    int status = new_file_keep(trust->path, text, strlen(text));
    free(text);
    pthread_mutex_lock(&trust->lock);
    if (status < 0) trust->changed = true;
    bool news = status < 0 && !trust->told_unwritten;
    trust->told_unwritten = status < 0;
    pthread_mutex_unlock(&trust->lock);
    if (news)
        log_warn("cannot write %s: %s; after a restart this host would not notice all that Redis "
                 "has lost",
                 trust->path, uv_strerror(status));
}

void trust_save(Trust *trust) {
    if (!trust || !trust->path) return;
    pthread_mutex_lock(&trust->file);
    save_change(trust);
    pthread_mutex_unlock(&trust->file);
}

// ---- the settings -------------------------------------------------------------------------------

// With the lock.
static TrustVerdict refuse(Trust *trust, int status) {
    bool first = !trust->refused;
    trust->refused = true;
    if (first) trust->on_refused(trust->owner, status);
    return TRUST_REFUSED;
}

static void tell_hidden(Trust *trust, const char *why) {
    if (trust->told_hidden) return;
    trust->told_hidden = true;
    log_warn("redis at %s: %s", trust->config->redis.url, why);
}

TrustVerdict trust_check(Trust *trust, const RedisFacts *facts, char why[TRUST_WHY_SIZE]) {
    char sentence[UNSAFE_SIZE];
    TrustVerdict verdict = TRUSTED;
    pthread_mutex_lock(&trust->lock);
    RedisSafety safety = redis_facts_judge(facts, trust->config->durability, sentence);
    if (trust->refused) {
        verdict = TRUST_REFUSED;
    } else if (safety == REDIS_HIDES_SETTINGS) {
        tell_hidden(trust, sentence);
    } else if (safety == REDIS_WITHOUT_REPLICA) {
        snprintf(why, TRUST_WHY_SIZE, "%s", sentence);
        verdict = TRUST_WAIT;
    } else if (safety == REDIS_UNSAFE && trust->serves) {
        snprintf(why, TRUST_WHY_SIZE, "not safe: %s", sentence);
        verdict = TRUST_WAIT;
    } else if (safety == REDIS_UNSAFE) {
        log_error("redis at %s is refused: %s", trust->config->redis.url, sentence);
        verdict = refuse(trust, STATUS_UNSAFE);
    }
    pthread_mutex_unlock(&trust->lock);
    return verdict;
}

bool trust_settings(Trust *trust, const RedisFacts *facts) {
    char why[UNSAFE_SIZE];
    bool unsafe = redis_facts_judge(facts, trust->config->durability, why) == REDIS_UNSAFE;
    bool before = atomic_exchange(&trust->unsafe, unsafe);
    const char *url = trust->config->redis.url;
    if (unsafe && !before)
        log_error("redis at %s is not safe any more: %s; until then this host takes no more runs",
                  url, why);
    if (!unsafe && before) log_info("redis at %s is safe again", url);
    return before && !unsafe;
}

bool trust_is_unsafe(const Trust *trust) {
    return atomic_load_explicit(&trust->unsafe, memory_order_relaxed);
}

void trust_serve(Trust *trust) {
    pthread_mutex_lock(&trust->lock);
    trust->serves = true;
    pthread_mutex_unlock(&trust->lock);
}

// ---- the history --------------------------------------------------------------------------------

void trust_ask(Trust *trust, const RedisFacts *facts, TrustView *view, Batch *batch) {
    pthread_mutex_lock(&trust->lock);
    Mark mark = trust->mark;
    view->version = trust->version;
    view->commit = mark.commit;
    view->restarted = !*facts->run_id || strcmp(facts->run_id, mark.run_id) != 0;
    pthread_mutex_unlock(&trust->lock);
    batch_group(batch, "epoch", 4, NULL, NULL);
    batch_text(batch, facts->run_id);
    batch_text(batch, *mark.dataset ? "0" : "1");
    batch_integer(batch, mark.epoch);
    batch_text(batch, mark.run_id);
}

// {"epoch", dataset, number, run_id, before, kept}
typedef struct {
    const char *dataset, *run_id, *before;
    int64_t number, kept;
} Epoch;

static Epoch read_epoch(const Reply *reply) {
    return (Epoch){
        .dataset = reply_text(reply_at(reply, 1)),
        .number = reply_integer(reply_at(reply, 2)),
        .run_id = reply_text(reply_at(reply, 3)),
        .before = reply_text(reply_at(reply, 4)),
        .kept = reply_integer(reply_at(reply, 5)),
    };
}

static bool is_of(const Mark *mark, const Epoch *epoch) {
    return strcmp(mark->dataset, epoch->dataset) == 0 && mark->epoch == epoch->number &&
           strcmp(mark->run_id, epoch->run_id) == 0;
}

static void set_mark(Trust *trust, Mark mark) {
    trust->mark = mark;
    trust->version++;
    trust->changed = true;
    memset(trust->samples, 0, sizeof trust->samples);
}

static void adopt(Trust *trust, const Epoch *epoch) {
    bool same = strcmp(trust->mark.dataset, epoch->dataset) == 0;
    int64_t settled = same ? trust->mark.settled : epoch->kept;
    Mark mark = {.epoch = epoch->number, .commit = epoch->kept};
    mark.settled = settled < mark.commit ? settled : mark.commit;
    snprintf(mark.dataset, sizeof mark.dataset, "%s", epoch->dataset);
    snprintf(mark.run_id, sizeof mark.run_id, "%s", epoch->run_id);
    snprintf(mark.before, sizeof mark.before, "%s", epoch->before);
    set_mark(trust, mark);
}

typedef enum { LOST_NOTHING, LOST_END, LOST_ALL, LOST_OTHER } Loss;

static Loss loss_of(const Mark *mark, const TrustView *view, const Epoch *epoch) {
    if (!*mark->dataset) return LOST_NOTHING;
    if (!*epoch->dataset) return LOST_ALL;
    if (strcmp(mark->dataset, epoch->dataset) != 0) return LOST_OTHER;
    return epoch->kept < view->commit ? LOST_END : LOST_NOTHING;
}

// Whether everysec explains the loss: it may lose the last changes when the machine fails. A Redis
// that is still the same process lost them in another way. Under `replicated` a failover may lose
// the changes that no replica had confirmed, as the host does not wait for some answers.
static bool is_foreseen(const Trust *trust, const TrustView *view, Loss loss, int64_t kept) {
    const char *durability = trust->config->durability;
    if (strcmp(durability, "none") == 0) return true;
    return strcmp(durability, "always") != 0 && view->restarted && loss != LOST_OTHER &&
           kept >= trust->mark.settled;
}

static const char *changes(int64_t count) {
    return count == 1 ? "change" : "changes";
}

static void log_loss(const Trust *trust, Loss loss, int64_t lost, bool accepted) {
    const char *url = trust->config->redis.url;
    if (loss == LOST_OTHER)
        log_warn("redis at %s has another dataset than before: %lld %s are not there%s", url,
                 (long long)lost, changes(lost), accepted ? " (--accept-loss)" : "");
    else
        log_warn("redis at %s lost %s%lld %s that it had acknowledged%s; runs go on from what is "
                 "left of their journals",
                 url, loss == LOST_ALL ? "all data: " : "the last ", (long long)lost, changes(lost),
                 accepted ? " (--accept-loss)" : "");
}

static void log_refusal(const Trust *trust, Loss loss, const Epoch *epoch, int64_t lost) {
    const Mark *mark = &trust->mark;
    const char *url = trust->config->redis.url;
    const char *are = lost == 1 ? "is" : "are";
    char text[256];
    if (loss == LOST_ALL)
        snprintf(text, sizeof text, "is empty: all %lld %s of dataset %s %s gone", (long long)lost,
                 changes(lost), mark->dataset, are);
    else if (loss == LOST_OTHER)
        snprintf(text, sizeof text, "has dataset %s, and not %s: %lld %s %s gone", epoch->dataset,
                 mark->dataset, (long long)lost, changes(lost), are);
    else
        snprintf(text, sizeof text,
                 "has older data of dataset %s than it had acknowledged: %lld %s %s gone, change "
                 "%lld is the last one that it kept",
                 mark->dataset, (long long)lost, changes(lost), are, (long long)epoch->kept);
    log_error("redis at %s %s. Nothing was written. Restore the newer data, or accept the loss: "
              "weir serve --accept-loss %s",
              url, text, mark->dataset);
}

static bool accepts(const Trust *trust) {
    const char *accepted = trust->config->accept_loss;
    return accepted && strcmp(accepted, trust->mark.dataset) == 0;
}

// A primary that stood still while another one took its place.
static bool was_left(const Mark *mark, const Epoch *epoch) {
    return epoch->number < mark->epoch && *epoch->run_id &&
           strcmp(epoch->run_id, mark->before) == 0 && strcmp(epoch->dataset, mark->dataset) == 0;
}

static TrustVerdict judge(Trust *trust, const TrustView *view, const Epoch *epoch,
                          char why[TRUST_WHY_SIZE]) {
    if (trust->refused) return TRUST_REFUSED;
    // another connection has judged meanwhile
    if (view->version != trust->version)
        return is_of(&trust->mark, epoch) ? TRUSTED : TRUST_ASK_AGAIN;
    if (was_left(&trust->mark, epoch)) {
        snprintf(why, TRUST_WHY_SIZE, "a former primary: another Redis has taken its place");
        return TRUST_WAIT;
    }
    Loss loss = loss_of(&trust->mark, view, epoch);
    int64_t kept = loss == LOST_END ? epoch->kept : 0, lost = view->commit - kept;
    bool accepted = accepts(trust);
    if (loss != LOST_NOTHING && !accepted && !is_foreseen(trust, view, loss, kept)) {
        log_refusal(trust, loss, epoch, lost);
        return refuse(trust, STATUS_LOST_WRITES);
    }
    if (loss != LOST_NOTHING) {
        log_loss(trust, loss, lost, accepted);
        trust->losses++;
    }
    if (loss == LOST_ALL) {
        set_mark(trust, (Mark){0});
        return TRUST_ASK_AGAIN;
    }
    if (loss != LOST_NOTHING || !is_of(&trust->mark, epoch)) adopt(trust, epoch);
    return TRUSTED;
}

TrustVerdict trust_judge(Trust *trust, TrustView *view, const Reply *reply,
                         char why[TRUST_WHY_SIZE]) {
    Epoch epoch = read_epoch(reply);
    pthread_mutex_lock(&trust->lock);
    TrustVerdict verdict = judge(trust, view, &epoch, why);
    view->version = trust->version;
    view->losses = trust->losses;
    pthread_mutex_unlock(&trust->lock);
    return verdict;
}

// With the lock. All that was acknowledged for some time before now is settled.
static void sample(Trust *trust, int64_t commit, int64_t now_ms) {
    Sample *last = &trust->samples[(trust->next + SAMPLES - 1) % SAMPLES];
    if (now_ms - last->at_ms < SAMPLE_MS && now_ms >= last->at_ms) return;
    for (size_t i = 0; i < SAMPLES; i++) {
        const Sample *each = &trust->samples[i];
        if (each->at_ms <= now_ms - EVERYSEC_MS && each->commit > trust->mark.settled)
            trust->mark.settled = each->commit;
    }
    trust->samples[trust->next] = (Sample){now_ms, commit};
    trust->next = (trust->next + 1) % SAMPLES;
}

bool trust_saw(Trust *trust, const TrustView *view, int64_t commit, int64_t now_ms) {
    pthread_mutex_lock(&trust->lock);
    bool counts = view->version == trust->version;
    if (counts && commit > trust->mark.commit) {
        trust->mark.commit = commit;
        trust->changed = true;
    }
    if (counts) sample(trust, trust->mark.commit, now_ms);
    pthread_mutex_unlock(&trust->lock);
    return counts;
}

// ---- open and close -----------------------------------------------------------------------------

Trust *trust_open(const Config *config, void (*on_refused)(void *owner, int status), void *owner,
                  char fault[TRUST_FAULT_SIZE]) {
    Trust *trust = xcalloc(1, sizeof *trust);
    trust->config = config;
    trust->on_refused = on_refused;
    trust->owner = owner;
    if (config->state_dir && *config->state_dir) trust->path = path_of(config);
    pthread_mutex_init(&trust->lock, NULL);
    pthread_mutex_init(&trust->file, NULL);
    if (load(trust, fault)) return trust;
    trust_close(trust);
    return NULL;
}

void trust_close(Trust *trust) {
    if (!trust) return;
    pthread_mutex_destroy(&trust->lock);
    pthread_mutex_destroy(&trust->file);
    free(trust->path);
    free(trust);
}

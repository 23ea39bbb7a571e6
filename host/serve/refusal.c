// refusal: see refusal.h.
#include "serve/refusal.h"

#include "assets/excerpt.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xmalloc.h"

enum { KEPT_BYTES = 2000 }; // of the faults of a folder, in Redis

// ---- the log ------------------------------------------------------------------------------------

static void log_excerpt(const Excerpt *excerpt) {
    char *margin = xformat("%5ld | ", excerpt->number);
    char *blanks = xformat("%*s", excerpt->caret, "");
    LOG_ERROR({LOG_FAINT, margin}, {LOG_PLAIN, excerpt->line});
    LOG_ERROR({LOG_FAINT, "      | "}, {LOG_PLAIN, blanks}, {LOG_RED, "^"});
    free(margin);
    free(blanks);
}

static void log_fault(const char *folder, const Bundle *bundle, const char *fault) {
    Excerpt excerpt;
    if (!excerpt_of(bundle, fault, &excerpt)) {
        log_error("%s: %s", folder, fault);
        return;
    }
    char *place = xmemdup0(fault, excerpt.place);
    LOG_ERROR({LOG_PLAIN, folder}, {LOG_PLAIN, ": "}, {LOG_BOLD, place},
              {LOG_PLAIN, fault + excerpt.place});
    log_excerpt(&excerpt);
    free(place);
    free(excerpt.line);
}

void refusal_log(const char *folder, const Bundle *bundle, const char *faults) {
    char *copy = xstrdup(faults), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        log_fault(folder, bundle, line);
    free(copy);
}

// ---- Redis --------------------------------------------------------------------------------------

typedef struct {
    char *folder; // NULL: it is not refused
    char *live, *faults;
} Refusal;

struct Refusals {
    size_t count;
    bool changed; // since Redis was told
    Refusal folders[];
};

Refusals *refusals_open(size_t folders) {
    Refusals *refusals = xcalloc(1, sizeof *refusals + folders * sizeof(Refusal));
    refusals->count = folders;
    return refusals;
}

static void free_refusal(Refusal *refusal) {
    free(refusal->folder);
    free(refusal->live);
    free(refusal->faults);
    *refusal = (Refusal){0};
}

void refusals_close(Refusals *refusals) {
    for (size_t i = 0; i < refusals->count; i++) free_refusal(&refusals->folders[i]);
    free(refusals);
}

void refusals_set(Refusals *refusals, size_t i, const char *folder, const char *live,
                  const char *faults) {
    refusals_clear(refusals, i);
    refusals->folders[i] = (Refusal){text_plain(folder, strlen(folder), TEXT_LINE), xstrdup(live),
                                     text_plain(faults, strnlen(faults, KEPT_BYTES), TEXT_LINES)};
    refusals->changed = true;
}

void refusals_clear(Refusals *refusals, size_t i) {
    if (!refusals->folders[i].folder) return;
    free_refusal(&refusals->folders[i]);
    refusals->changed = true;
}

void refusals_send(Refusals *refusals, Control *control) {
    if (!refusals->changed) return;
    refusals->changed = false;
    size_t count = 0;
    for (size_t i = 0; i < refusals->count; i++) count += refusals->folders[i].folder != NULL;
    Batch *batch = control_batch(control);
    batch_group(batch, "refuse", 2 + 3 * count, NULL, NULL);
    batch_integer(batch, control_host(control));
    batch_integer(batch, (int64_t)count);
    for (size_t i = 0; i < refusals->count; i++) {
        const Refusal *refusal = &refusals->folders[i];
        if (!refusal->folder) continue;
        batch_text(batch, refusal->folder);
        batch_text(batch, refusal->live);
        batch_text(batch, refusal->faults);
    }
    control_call(control, batch);
}

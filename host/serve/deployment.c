// deployment: see deployment.h.
#include "serve/deployment.h"

#include "assets/workflow_ids.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "lua/vm.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

// One folder, while its group is under way.
typedef struct {
    Deployment *deployment;
    size_t folder;
    size_t workflows; // without weir's own
    char name[BUNDLE_NAME_SIZE];
} Announcement;

// ---- the answer ---------------------------------------------------------------------------------

enum { OLDER_FIRST = 2, OLDER_NAMED = 5 };

static const Reply *newer_bundle(const Reply *reply, size_t i) {
    return reply_at(reply, i + 1);
}

// Whether an earlier pair names the same bundle.
static bool is_told(const Reply *reply, size_t i) {
    const char *bundle = reply_text(newer_bundle(reply, i));
    for (size_t j = OLDER_FIRST; j < i; j += 2)
        if (reply_is(newer_bundle(reply, j), bundle)) return true;
    return false;
}

// A line for each bundle that is newer, with workflows that it serves.
static void tell_older(const Announcement *announcement, const Reply *reply) {
    const Config *config = announcement->deployment->config;
    for (size_t i = OLDER_FIRST; i + 1 < reply_count(reply); i += 2) {
        if (is_told(reply, i)) continue;
        const char *bundle = reply_text(newer_bundle(reply, i));
        char *names = xstrdup("");
        size_t count = 0;
        for (size_t j = i; j + 1 < reply_count(reply); j += 2) {
            if (!reply_is(newer_bundle(reply, j), bundle) || count++ >= OLDER_NAMED) continue;
            char *before = names;
            names = xformat("%s%s%s", before, *before ? ", " : "", reply_text(reply_at(reply, j)));
            free(before);
        }
        char *more =
            count > OLDER_NAMED ? xformat(" and %zu more", count - OLDER_NAMED) : xstrdup("");
        log_warn("%s: bundle %.*s is older than %.*s, which serves %s%s; use --announce to go back",
                 config->folders.items[announcement->folder], BUNDLE_SHOWN, announcement->name,
                 BUNDLE_SHOWN, bundle, names, more);
        free(more);
        free(names);
    }
}

// {"announced", version, (workflow, bundle)…: those that a newer bundle serves} | {"error",
// message}
static Announced read_answer(const Announcement *announcement, const Reply *reply) {
    if (!reply_is(reply_at(reply, 0), "announced")) {
        log_error("cannot announce the workflows in %s: %s",
                  announcement->deployment->config->folders.items[announcement->folder],
                  reply_text(reply_at(reply, 1)));
        return ANNOUNCED_REFUSED;
    }
    tell_older(announcement, reply);
    size_t older = (reply_count(reply) - OLDER_FIRST) / 2;
    return older && older == announcement->workflows ? ANNOUNCED_OLDER : ANNOUNCED_LIVE;
}

static void on_announced(void *about, const Reply *reply) {
    Announcement *announcement = about;
    Deployment *deployment = announcement->deployment;
    if (reply) {
        Announced announced = read_answer(announcement, reply);
        if (announced == ANNOUNCED_REFUSED) deployment->refused = true;
        if (deployment->on_folder)
            deployment->on_folder(deployment->owner, announcement->folder, announced);
        if (--deployment->waiting == 0)
            deployment->on_done(deployment->owner, deployment->refused ? EX_SOFTWARE : STATUS_DONE);
    }
    free(announcement);
}

// ---- load ---------------------------------------------------------------------------------------

typedef void Tell(const char *line);

static void complain(const char *line) {
    fprintf(stderr, "weir: %s\n", line);
}

static void warn(const char *line) {
    log_warn("%s", line);
}

static void tell_lines(const char *lines, Tell *tell) {
    char *copy = xstrdup(lines ? lines : ""), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        tell(line);
    free(copy);
}

enum { NAMED = 20 }; // workflows in a line of the log

static void tell_workflows(const char *folder, const char *ids) {
    if (!ids) {
        log_warn("there is no workflow in %s: this host runs only what other hosts announced",
                 folder);
        return;
    }
    char *names = xstrdup(ids);
    size_t count = 1, cut = 0;
    for (char *at = names; (at = strchr(at, '\n')); *at++ = ' ')
        if (++count == NAMED + 1) cut = (size_t)(at - names);
    if (cut) names[cut] = '\0';
    char *more = cut ? xformat(" and %zu more", count - NAMED) : xstrdup("");
    log_info("workflows in %s: %s%s", folder, names, more);
    free(more);
    free(names);
}

// `weir run` needs one workflow or one file of its folder; NULL: all of them.
static const char *wanted_of(const Config *config) {
    if (!config->wanted) return NULL;
    const char *what = config->wanted, *slash = strrchr(what, '/');
    size_t size = strlen(what);
    bool is_file = size > 4 && strcmp(what + size - 4, ".lua") == 0;
    return is_file && slash ? slash + 1 : what;
}

static size_t count_lines(const char *lines) {
    size_t count = lines ? 1 : 0;
    for (const char *at = lines; at && (at = strchr(at, '\n')); at++) count++;
    return count;
}

static Announcement *announcement_of(Deployment *deployment, size_t folder, const Bundle *bundle,
                                     const Findings *findings) {
    Announcement *announcement = xcalloc(1, sizeof *announcement);
    announcement->deployment = deployment;
    announcement->folder = folder;
    announcement->workflows = count_lines(findings->workflows);
    bundle_name(bundle->sources, bundle->count, announcement->name);
    return announcement;
}

int deployment_add(Deployment *deployment, size_t folder, Vm *vm, const Bundle *bundle,
                   Batch *batch, Findings *findings) {
    enum { OWN_ARGUMENTS = 2 };
    size_t arguments = 0;
    tell_lines(bundle->notes, warn);
    if (vm_announce(vm, bundle->sources, bundle->count, wanted_of(deployment->config), &arguments,
                    findings) != 0)
        return EX_CONFIG;
    deployment->waiting++;
    batch_group(batch, "announce", OWN_ARGUMENTS + arguments, on_announced,
                announcement_of(deployment, folder, bundle, findings));
    batch_integer(batch, (int64_t)folder);
    batch_text(batch, deployment->goes_back ? "announce" : "");
    vm_take_effects(vm, batch);
    tell_lines(findings->notes, warn);
    return STATUS_DONE;
}

int deployment_load(Deployment *deployment, const Bundle *bundles, size_t count, Batch *batch) {
    const Config *config = deployment->config;
    int status = STATUS_DONE;
    Vm *vm = vm_open(config);
    if (!vm) return EX_SOFTWARE;
    for (size_t i = 0; i < count; i++) {
        Findings findings;
        int loaded = deployment_add(deployment, i, vm, &bundles[i], batch, &findings);
        if (loaded != STATUS_DONE) { // to stderr, as every fault that keeps a process from starting
            tell_lines(findings.faults, complain);
            status = loaded;
        } else if (!wanted_of(config)) {
            tell_workflows(config->folders.items[i], findings.workflows);
            if (config->command == COMMAND_DEV)
                workflow_ids_refresh(config->folders.items[i], findings.workflows);
        }
        findings_free(&findings);
    }
    vm_close(vm);
    return status;
}

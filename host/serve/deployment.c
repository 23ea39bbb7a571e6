// deployment: see deployment.h.
#include "serve/deployment.h"

#include "assets/workflow_ids.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "lua/vm.h"

#include <stdio.h>
#include <sysexits.h>

// {"announced", …} | {"error", message}
static void on_announced(void *about, const Reply *reply) {
    Deployment *deployment = about;
    if (!reply) return;
    if (reply_is(reply_at(reply, 0), "error")) {
        deployment->refused = true;
        log_error("cannot announce the workflows: %s", reply_text(reply_at(reply, 1)));
    }
    if (--deployment->waiting == 0)
        deployment->on_done(deployment->owner, deployment->refused ? EX_SOFTWARE : STATUS_DONE);
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

int deployment_add(Deployment *deployment, const Config *config, Vm *vm, const Bundle *bundle,
                   Batch *batch, Findings *findings) {
    size_t arguments = 0;
    tell_lines(bundle->notes, warn);
    if (vm_announce(vm, bundle->sources, bundle->count, wanted_of(config), &arguments, findings) !=
        0)
        return EX_CONFIG;
    deployment->waiting++;
    batch_group(batch, "announce", arguments, on_announced, deployment);
    vm_take_effects(vm, batch);
    tell_lines(findings->notes, warn);
    return STATUS_DONE;
}

int deployment_load(Deployment *deployment, const Config *config, const Bundle *bundles,
                    size_t count, Batch *batch, void (*on_done)(void *owner, int status),
                    void *owner) {
    int status = STATUS_DONE;
    Vm *vm = vm_open(config);
    if (!vm) return EX_SOFTWARE;
    *deployment = (Deployment){.on_done = on_done, .owner = owner};
    for (size_t i = 0; i < count; i++) {
        Findings findings;
        int loaded = deployment_add(deployment, config, vm, &bundles[i], batch, &findings);
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

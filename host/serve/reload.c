// reload: see reload.h. One look at a time: a thread reads, replays runs in flight on the new code
// and loads it, the main thread announces.
//
// clang-format off
//   IDLE ---> LOOKING ---> ANNOUNCING ---> IDLE
//    ^  a change  |    good     |  Redis has answered
//    +------------+ else        |
// clang-format on
//
// A look that found something is followed by another one, once the files have been quiet: what
// changed between the reading and the new watches is seen by that one. A look without that wait
// could find a file that is half written.
#include "serve/reload.h"

#include "assets/workflow_ids.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "lua/vm.h"
#include "serve/deployment.h"
#include "serve/half_saved.h"
#include "serve/preflight.h"
#include "serve/refusal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    STACK_BYTES = 8 * 1024 * 1024,
    NAMED = 5,       // files in a line of the log
    AGAIN_MS = 1000, // until the host looks again at a folder that it could not read or announce
    AGAIN_MOST_MS = 30000
};

typedef enum { RELOAD_IDLE, RELOAD_LOOKING, RELOAD_ANNOUNCING } ReloadState;

// The result of a look at one folder.
typedef enum {
    FOUND_SAME,    // as at the last look
    FOUND_LIVE,    // as it is announced
    FOUND_REFUSED, // it does not load
    FOUND_CHANGED, // its files changed again before all was known of them
    FOUND_NEW
} Found;

typedef struct {
    Found found;
    Bundle bundle;
    char name[BUNDLE_NAME_SIZE]; // "": it could not be read
    char *faults;                // lines
    Preflight preflight;
} FolderLook;

typedef struct {
    Batch *batch;
    Deployment deployment;
    bool asked; // a person waits for a word in the log
    FolderLook *folders;
} Look;

enum { OVERTAKEN_MOST = 3 };

typedef char BundleName[BUNDLE_NAME_SIZE];

struct Reload {
    uv_loop_t *loop;
    const Config *config;
    Control *control;
    Bundle *bundles;
    ReloadEvents events;
    FolderWatch *changes;
    size_t count;            // of folders
    BundleName *live, *seen; // by folder. The thread reads them, too, while it looks
    Refusals *refusals;
    bool *unannounced; // by folder, likewise: Redis refused to announce what it holds
    size_t failures;   // to announce, in a row
    ReloadState state;
    bool serves, due, asked;
    bool told; // on_reloading was called, and on_reloaded was not
    Look look;
    atomic_bool changed; // files, since the thread last looked for that
    atomic_bool stops;   // the host
    size_t overtaken;    // looks in a row that a newer change ended
    uv_thread_t thread;
    uv_async_t looked;
    uv_timer_t again; // while a folder cannot be read: its return may go unnoticed
    size_t open_handles;
};

// ---- the thread ---------------------------------------------------------------------------------

typedef struct {
    Reload *reload;
    size_t folder;
} Place;

// Whether a preflight is of no use any more. Other files than sources may change all the time, so
// the folder is read. Where the sources do, too, some bundle has to go live: the fourth does.
static bool is_overtaken(void *owner) {
    const Place *place = owner;
    Reload *reload = place->reload;
    if (atomic_load(&reload->stops)) return true;
    if (!atomic_exchange(&reload->changed, false) || reload->overtaken >= OVERTAKEN_MOST)
        return false;
    Bundle now = {0};
    char fault[BUNDLE_FAULT_SIZE], name[BUNDLE_NAME_SIZE] = "";
    if (bundle_read(reload->config->folders.items[place->folder], &now, fault) == 0)
        bundle_name(now.sources, now.count, name);
    bundle_free(&now);
    return strcmp(name, reload->look.folders[place->folder].name) != 0;
}

// Replays runs in flight on the new bundle. With --reload refuse, one that would not go on is a
// fault of the folder; it begins with a place in a file, where that is known.
static void check_runs(Reload *reload, size_t i) {
    FolderLook *folder = &reload->look.folders[i];
    const char *mode = reload->config->reload;
    if (strcmp(mode, "off") == 0 || strcmp(folder->name, reload->live[i]) == 0) return;
    preflight_run(&folder->preflight, reload->config, folder->name, &reload->bundles[i],
                  &folder->bundle, is_overtaken, &(Place){reload, i});
    if (folder->preflight.stopped || strcmp(mode, "refuse") != 0) return;
    const Preflight *found = &folder->preflight;
    if (found->fault)
        folder->faults =
            xformat("no run in flight could be replayed: %s; kill -HUP tries again", found->fault);
    else if (found->first)
        folder->faults = xformat("%s%s%s (--reload refuse)\n%s", found->line ? found->line : "",
                                 found->line ? ": " : "", found->text, found->first);
}

static void load(Reload *reload, size_t i, Vm **vm) {
    FolderLook *folder = &reload->look.folders[i];
    Findings findings = {0};
    if (!*vm) *vm = vm_open(reload->config);
    if (!*vm) {
        folder->faults = xstrdup("Lua cannot start");
    } else if (!(folder->faults = half_saved_fault(*vm, &reload->bundles[i], &folder->bundle))) {
        check_runs(reload, i);
        if (!folder->faults && !folder->preflight.stopped &&
            deployment_add(&reload->look.deployment, i, *vm, &folder->bundle, reload->look.batch,
                           &findings) != STATUS_DONE)
            folder->faults = xstrdup(findings.faults);
        if (!folder->faults && !folder->preflight.stopped && reload->config->command == COMMAND_DEV)
            workflow_ids_refresh(reload->config->folders.items[i], findings.workflows);
    }
    folder->found = folder->preflight.stopped ? FOUND_CHANGED
                    : folder->faults          ? FOUND_REFUSED
                                              : FOUND_NEW;
    findings_free(&findings);
}

static void look_at(Reload *reload, size_t i, Vm **vm) {
    FolderLook *folder = &reload->look.folders[i];
    char fault[BUNDLE_FAULT_SIZE];
    bool readable = bundle_read(reload->config->folders.items[i], &folder->bundle, fault) == 0;
    if (readable) bundle_name(folder->bundle.sources, folder->bundle.count, folder->name);
    bool known = strcmp(folder->name, reload->seen[i]) == 0 && !reload->unannounced[i];
    if (known && !reload->look.asked) {
        folder->found = FOUND_SAME;
    } else if (!readable) {
        folder->found = FOUND_REFUSED;
        folder->faults = xstrdup(fault);
    } else if (strcmp(folder->name, reload->live[i]) == 0 && !reload->look.asked) {
        folder->found = FOUND_LIVE;
    } else { // asked for, it is announced again: newer bundles may have come, or Redis lost it
        load(reload, i, vm);
    }
}

static void run_thread(void *data) {
    Reload *reload = data;
    Vm *vm = NULL;
    for (size_t i = 0; i < reload->count; i++) look_at(reload, i, &vm);
    vm_close(vm);
    uv_async_send(&reload->looked);
}

// ---- the log ------------------------------------------------------------------------------------

typedef struct {
    char *text;
    size_t count;
} FileList;

static void add_file(FileList *list, const char *path, const char *how) {
    if (list->count++ >= NAMED) return;
    char *before = list->text;
    list->text = before ? xformat("%s, %s %s", before, path, how) : xformat("%s %s", path, how);
    free(before);
}

// Both have their sources in the order of their paths.
static char *differences(const Bundle *before, const Bundle *now) {
    FileList list = {0};
    for (size_t i = 0, j = 0; i < before->count || j < now->count;) {
        const Source *old = i < before->count ? &before->sources[i] : NULL;
        const Source *new = j < now->count ? &now->sources[j] : NULL;
        int order = !old ? 1 : !new ? -1 : strcmp(old->path, new->path);
        if (order < 0)
            add_file(&list, old->path, "removed");
        else if (order > 0)
            add_file(&list, new->path, "added");
        else if (old->size != new->size || memcmp(old->text, new->text, old->size) != 0)
            add_file(&list, new->path, "changed");
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
    char *text = list.count > NAMED ? xformat("%s and %zu more", list.text, list.count - NAMED)
                                    : xstrdup(list.text ? list.text : "");
    free(list.text);
    return text;
}

static void tell_live(Reload *reload, size_t i) {
    FolderLook *folder = &reload->look.folders[i];
    char *text = differences(&reload->bundles[i], &folder->bundle);
    log_info("%s: bundle %.*s live (was %.*s): %s", reload->config->folders.items[i], BUNDLE_SHOWN,
             folder->name, BUNDLE_SHOWN, reload->live[i], text);
    free(text);
}

// Says how runs in flight would go on with the bundle that is live now.
static void tell_preflight(const Reload *reload, size_t i) {
    const FolderLook *folder = &reload->look.folders[i];
    const Preflight *found = &folder->preflight;
    const char *path = reload->config->folders.items[i];
    if (found->fault)
        log_warn("%s: bundle %.*s live: no run in flight could be replayed on it: %s", path,
                 BUNDLE_SHOWN, folder->name, found->fault);
    if (!found->text) return;
    if (!found->first) {
        log_info("%s: bundle %.*s live: %s", path, BUNDLE_SHOWN, folder->name, found->text);
        return;
    }
    log_warn("%s: bundle %.*s live: %s", path, BUNDLE_SHOWN, folder->name, found->text);
    log_warn("%s: for example %s", path, found->first);
}

static void tell_serving(const Reload *reload, size_t i) {
    log_warn("%s: still serving bundle %.*s", reload->config->folders.items[i], BUNDLE_SHOWN,
             reload->live[i]);
}

static void tell_refused(const Reload *reload, size_t i) {
    const FolderLook *folder = &reload->look.folders[i];
    refusal_log(reload->config->folders.items[i], &folder->bundle, folder->faults);
    tell_serving(reload, i);
}

static void tell_overtaken(const Reload *reload, size_t i) {
    log_info("%s: bundle %.*s is left out: its files changed again before it was live",
             reload->config->folders.items[i], BUNDLE_SHOWN, reload->look.folders[i].name);
}

static void tell_unchanged(const Reload *reload, size_t i) {
    log_info("%s: bundle %.*s is live: its files are as they were",
             reload->config->folders.items[i], BUNDLE_SHOWN, reload->live[i]);
}

// ---- the main thread ----------------------------------------------------------------------------

static void begin(Reload *reload);

static void free_look(Reload *reload) {
    Look *look = &reload->look;
    if (!look->folders) return;
    for (size_t i = 0; i < reload->count; i++) {
        bundle_free(&look->folders[i].bundle);
        free(look->folders[i].faults);
        preflight_free(&look->folders[i].preflight);
    }
    free(look->folders);
    batch_abandon(look->batch);
    *look = (Look){0};
}

static void on_again(uv_timer_t *timer) {
    Reload *reload = timer->data;
    reload->due = true;
    begin(reload);
}

static void tell_reloading(Reload *reload) {
    if (reload->told) return;
    reload->told = true;
    reload->events.on_reloading(reload->events.owner);
}

static void tell_reloaded(Reload *reload) {
    if (!reload->told) return;
    reload->told = false;
    reload->events.on_reloaded(reload->events.owner);
}

// A folder that cannot be read may come back unnoticed. An announcement that Redis refused is tried
// again less and less often.
static void plan_next_look(Reload *reload) {
    uint64_t pause_ms = AGAIN_MS;
    for (size_t i = 1; i < reload->failures && pause_ms < AGAIN_MOST_MS; i++) pause_ms *= 2;
    bool is_due = false;
    for (size_t i = 0; i < reload->count; i++)
        is_due = is_due || !*reload->seen[i] || reload->unannounced[i];
    if (is_due && reload->serves) uv_timer_start(&reload->again, on_again, pause_ms, 0);
}

static void end_look(Reload *reload) {
    free_look(reload);
    if (reload->serves) refusals_send(reload->refusals, reload->control);
    reload->state = RELOAD_IDLE;
    tell_reloaded(reload);
    plan_next_look(reload);
    if (reload->events.on_read) reload->events.on_read(reload->events.owner, reload->seen);
    begin(reload);
}

static void replace(Reload *reload, size_t i) {
    FolderLook *folder = &reload->look.folders[i];
    Bundle before = reload->bundles[i];
    reload->bundles[i] = folder->bundle;
    folder->bundle = before;
    memcpy(reload->live[i], folder->name, sizeof folder->name);
    refusals_clear(reload->refusals, i);
}

static void refuse(Reload *reload, size_t i) {
    tell_refused(reload, i);
    refusals_set(reload->refusals, i, reload->config->folders.items[i], reload->live[i],
                 reload->look.folders[i].faults);
}

static void keep(Reload *reload, size_t i) {
    tell_unchanged(reload, i);
    refusals_clear(reload->refusals, i);
}

static void on_folder(void *owner, size_t i, Announced announced) {
    Reload *reload = owner;
    if (reload->state != RELOAD_ANNOUNCING) return;
    FolderLook *folder = &reload->look.folders[i];
    if (announced == ANNOUNCED_REFUSED) {
        tell_serving(reload, i);
        reload->unannounced[i] = true;
        return;
    }
    if (announced == ANNOUNCED_LIVE) {
        if (strcmp(folder->name, reload->live[i]) == 0)
            tell_unchanged(reload, i);
        else
            tell_live(reload, i);
        tell_preflight(reload, i);
    }
    replace(reload, i);
}

static void on_deployed(void *owner, int status) {
    Reload *reload = owner;
    if (reload->state != RELOAD_ANNOUNCING) return;
    reload->failures = status == STATUS_DONE ? 0 : reload->failures + 1;
    end_look(reload);
}

static void watch(Reload *reload) {
    folder_watch_begin(reload->changes);
    for (size_t i = 0; i < reload->count; i++) {
        const Bundle *bundle =
            reload->look.folders ? &reload->look.folders[i].bundle : &reload->bundles[i];
        folder_watch_root(reload->changes, reload->config->folders.items[i]);
        for (size_t n = 0; n < bundle->place_count; n++)
            folder_watch_folder(reload->changes, bundle->places[n]);
    }
    folder_watch_end(reload->changes);
}

static void on_looked(uv_async_t *async) {
    Reload *reload = async->data;
    Look *look = &reload->look;
    uv_thread_join(&reload->thread);
    if (!reload->serves) {
        end_look(reload);
        return;
    }
    watch(reload);
    bool overtaken = false;
    for (size_t i = 0; i < reload->count; i++) {
        const FolderLook *folder = &look->folders[i];
        if (strcmp(reload->seen[i], folder->name) != 0) folder_watch_settle(reload->changes);
        if (folder->found == FOUND_CHANGED) {
            overtaken = true;
            tell_overtaken(reload, i);
            continue;
        }
        memcpy(reload->seen[i], folder->name, sizeof folder->name);
        if (folder->found != FOUND_SAME) reload->unannounced[i] = false;
        if (folder->found == FOUND_REFUSED) refuse(reload, i);
        if (folder->found == FOUND_LIVE) keep(reload, i);
    }
    reload->overtaken = overtaken ? reload->overtaken + 1 : 0;
    reload->asked = reload->asked || (overtaken && look->asked);
    if (!look->deployment.waiting) {
        end_look(reload);
        return;
    }
    for (size_t i = 0; i < reload->count; i++)
        if (look->folders[i].found == FOUND_NEW && reload->events.on_loaded)
            reload->events.on_loaded(reload->events.owner, look->folders[i].name,
                                     &look->folders[i].bundle);
    Batch *batch = look->batch;
    look->batch = NULL;
    reload->state = RELOAD_ANNOUNCING;
    tell_reloading(reload);
    control_call(reload->control, batch);
}

static void begin(Reload *reload) {
    if (!reload->serves || !reload->due || reload->state != RELOAD_IDLE) return;
    reload->state = RELOAD_LOOKING;
    reload->look = (Look){.batch = control_batch(reload->control),
                          .deployment = {.config = reload->config,
                                         .goes_back = reload->config->command == COMMAND_DEV,
                                         .on_folder = on_folder,
                                         .on_done = on_deployed,
                                         .owner = reload},
                          .asked = reload->asked,
                          .folders = xcalloc(reload->count, sizeof(FolderLook))};
    if (reload->asked) tell_reloading(reload);
    reload->due = reload->asked = false;
    atomic_store(&reload->changed, false);
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK_BYTES};
    int code = uv_thread_create_ex(&reload->thread, &options, run_thread, reload);
    if (code == 0) return;
    log_error("cannot start a thread to load changed files: %s", uv_strerror(code));
    end_look(reload);
}

static void on_changed(void *owner) {
    Reload *reload = owner;
    reload->due = true;
    atomic_store(&reload->changed, true);
    begin(reload);
}

static void on_polling(void *owner, const char *line) {
    (void)owner;
    log_warn("%s", line);
}

void reload_ask(Reload *reload) {
    reload->asked = true;
    on_changed(reload);
}

void reload_start(Reload *reload) {
    reload->serves = true;
    begin(reload);
}

void reload_stop(Reload *reload) {
    reload->serves = false;
    atomic_store(&reload->stops, true);
    uv_timer_stop(&reload->again);
}

// ---- open and close -----------------------------------------------------------------------------

Reload *reload_open(uv_loop_t *loop, const Config *config, Control *control, Bundle *bundles,
                    ReloadEvents events) {
    Reload *reload = xcalloc(1, sizeof *reload);
    reload->loop = loop;
    reload->config = config;
    reload->control = control;
    reload->bundles = bundles;
    reload->events = events;
    reload->count = (size_t)config->folders.count;
    reload->live = xcalloc(reload->count, sizeof *reload->live);
    reload->seen = xcalloc(reload->count, sizeof *reload->seen);
    reload->refusals = refusals_open(reload->count);
    reload->unannounced = xcalloc(reload->count, sizeof *reload->unannounced);
    for (size_t i = 0; i < reload->count; i++) {
        bundle_name(bundles[i].sources, bundles[i].count, reload->live[i]);
        memcpy(reload->seen[i], reload->live[i], sizeof reload->live[i]);
    }
    uv_async_init(loop, &reload->looked, on_looked);
    uv_timer_init(loop, &reload->again);
    reload->looked.data = reload->again.data = reload;
    reload->open_handles = 2;
    reload->changes = folder_watch_open(
        loop, config->poll_ms > 0 ? config->poll_ms : FOLDER_WATCH_EVENTS,
        (FolderWatchEvents){.owner = reload, .on_settled = on_changed, .on_polling = on_polling});
    watch(reload);
    reload->due = true; // files may have changed since they were read
    return reload;
}

static void on_closed(uv_handle_t *handle) {
    Reload *reload = handle->data;
    if (--reload->open_handles > 0) return;
    free(reload->live);
    free(reload->seen);
    refusals_close(reload->refusals);
    free(reload->unannounced);
    free(reload);
}

void reload_close(Reload *reload) {
    folder_watch_close(reload->changes);
    uv_close((uv_handle_t *)&reload->again, on_closed);
    if (reload->state == RELOAD_LOOKING) {
        uv_unref((uv_handle_t *)&reload->looked);
        return;
    }
    free_look(reload);
    uv_close((uv_handle_t *)&reload->looked, on_closed);
}

// changes: see changes.h. Folders are watched one by one (inotify), those that have workflow files.
#include "serve/changes.h"
#include "base/log.h"
#include "base/xmalloc.h"

#include <stdbool.h>
#include <string.h>

enum { QUIET_MS = 200 }; // editors save in several moves, a checkout brings many files

typedef struct Watch Watch;
struct Watch {
    uv_fs_event_t event;
    Watch *next;
};

typedef struct {
    const char *path;
    uint64_t digest; // as it was read
    uint64_t logged; // as it was when the last line was logged, or as it was read
} WatchedFolder;

struct Changes {
    uv_loop_t *loop;
    uv_timer_t quiet;
    Watch *watches;
    WatchedFolder *folders;
    size_t folder_count, open_handles;
};

static void look_at(WatchedFolder *folder) {
    char fault[BUNDLE_FAULT_SIZE];
    Bundle bundle;
    bool readable = bundle_read(folder->path, &bundle, fault) == 0;
    uint64_t digest = bundle_digest(&bundle);
    bundle_free(&bundle);
    if (!readable || digest == folder->logged) return;
    folder->logged = digest;
    if (digest != folder->digest)
        log_warn("workflows changed in %s: restart this host; it runs the files as they were when "
                 "it started",
                 folder->path);
}

static void on_quiet(uv_timer_t *timer) {
    Changes *changes = timer->data;
    for (size_t i = 0; i < changes->folder_count; i++) look_at(&changes->folders[i]);
}

static void on_changed(uv_fs_event_t *event, const char *name, int events, int status) {
    Changes *changes = event->data;
    (void)name, (void)events;
    if (status == 0) uv_timer_start(&changes->quiet, on_quiet, QUIET_MS, 0);
}

// The kernel limits the watches of a user. Beyond that, changes stay unnoticed.
static void watch(Changes *changes, const char *path) {
    Watch *watch = xcalloc(1, sizeof *watch);
    watch->event.data = changes;
    uv_fs_event_init(changes->loop, &watch->event);
    uv_fs_event_start(&watch->event, on_changed, path, 0);
    watch->next = changes->watches;
    changes->watches = watch;
    changes->open_handles++;
}

// The sources are in the order of their paths, where files of one folder need not be neighbours. To
// watch a folder twice does no harm.
static void watch_folder(Changes *changes, const char *folder, const Bundle *bundle) {
    char *before = xstrdup("");
    watch(changes, folder);
    for (size_t i = 0; i < bundle->count; i++) {
        const char *path = bundle->sources[i].path, *slash = strrchr(path, '/');
        if (!slash) continue;
        char *below = xmemdup0(path, (size_t)(slash - path));
        if (strcmp(below, before) != 0) {
            char *whole = xformat("%s/%s", folder, below);
            watch(changes, whole);
            free(whole);
        }
        free(before);
        before = below;
    }
    free(before);
}

Changes *changes_open(uv_loop_t *loop, const TextList *folders, const Bundle *bundles) {
    Changes *changes = xcalloc(1, sizeof *changes);
    changes->loop = loop;
    changes->folder_count = (size_t)folders->count;
    changes->folders = xcalloc(changes->folder_count, sizeof *changes->folders);
    uv_timer_init(loop, &changes->quiet);
    changes->quiet.data = changes;
    changes->open_handles = 1;
    for (size_t i = 0; i < changes->folder_count; i++) {
        uint64_t digest = bundle_digest(&bundles[i]);
        changes->folders[i] = (WatchedFolder){folders->items[i], digest, digest};
        watch_folder(changes, folders->items[i], &bundles[i]);
    }
    return changes;
}

static void on_closed(uv_handle_t *handle) {
    Changes *changes = handle->data;
    if (--changes->open_handles > 0) return;
    for (Watch *next; changes->watches; changes->watches = next) {
        next = changes->watches->next;
        free(changes->watches);
    }
    free(changes->folders);
    free(changes);
}

void changes_close(Changes *changes) {
    for (Watch *watch = changes->watches; watch; watch = watch->next)
        uv_close((uv_handle_t *)&watch->event, on_closed);
    uv_close((uv_handle_t *)&changes->quiet, on_closed);
}

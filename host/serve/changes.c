// changes: see changes.h. Folders are watched one by one (inotify).
#include "serve/changes.h"
#include "base/log.h"
#include "base/xmalloc.h"

#include <string.h>
#include <sys/stat.h>

enum {
    QUIET_MS = 100,
    PATIENCE_MS = 2000 // a file that is written all the time hides no change for longer
};

typedef struct Watch Watch;
struct Watch {
    uv_fs_event_t event;
    Changes *changes;
    char *only; // the one entry that counts; NULL: all do
    Watch *next;
};

struct Changes {
    uv_loop_t *loop;
    void (*on_changed)(void *owner);
    void *owner;
    uv_timer_t quiet;
    uint64_t since; // when the first change happened that is not told yet, 0: there is none
    Watch *watches, *before;
    size_t open_handles;
    bool is_full; // the kernel has no more watches, which was told
};

static void on_quiet(uv_timer_t *timer) {
    Changes *changes = timer->data;
    changes->since = 0;
    changes->on_changed(changes->owner);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status) {
    const Watch *watch = event->data;
    Changes *changes = watch->changes;
    (void)events;
    if (status < 0 || (watch->only && (!name || strcmp(name, watch->only) != 0))) return;
    changes_settle(changes);
}

void changes_settle(Changes *changes) {
    uint64_t now = uv_now(changes->loop);
    if (!changes->since) changes->since = now;
    uint64_t passed = now - changes->since, left = passed < PATIENCE_MS ? PATIENCE_MS - passed : 0;
    uv_timer_start(&changes->quiet, on_quiet, left < QUIET_MS ? left : QUIET_MS, 0);
}

static void watch(Changes *changes, const char *path, const char *only) {
    Watch *watch = xcalloc(1, sizeof *watch);
    watch->changes = changes;
    watch->only = only ? xstrdup(only) : NULL;
    watch->event.data = watch;
    uv_fs_event_init(changes->loop, &watch->event);
    int status = uv_fs_event_start(&watch->event, on_event, path, 0);
    watch->next = changes->watches;
    changes->watches = watch;
    changes->open_handles++;
    if ((status != UV_ENOSPC && status != UV_EMFILE) || changes->is_full) return;
    changes->is_full = true;
    log_warn("cannot watch %s: %s; raise fs.inotify.max_user_watches and max_user_instances, or "
             "send SIGHUP when files have changed",
             path, uv_strerror(status));
}

// Watches the folder that `path` stands in, for that entry alone.
static void watch_entry(Changes *changes, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
    char *folder = !slash          ? xstrdup(".")
                   : slash == path ? xstrdup("/")
                                   : xmemdup0(path, (size_t)(slash - path));
    watch(changes, folder, name);
    free(folder);
}

static bool is_link(const char *path) {
    struct stat entry;
    return lstat(path, &entry) == 0 && S_ISLNK(entry.st_mode);
}

// The root may be removed and made again; a link on its path, to a release say, be turned.
static void watch_path(Changes *changes, const char *root) {
    char *path = xstrdup(root);
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') path[--size] = '\0';
    watch_entry(changes, path);
    for (char *slash; (slash = strrchr(path, '/')) && slash > path;) {
        *slash = '\0';
        if (is_link(path)) watch_entry(changes, path);
    }
    free(path);
}

static void on_watch_closed(uv_handle_t *handle);

static void close_watches(Watch *watch) {
    for (Watch *next; watch; watch = next) {
        next = watch->next;
        uv_close((uv_handle_t *)&watch->event, on_watch_closed);
    }
}

void changes_begin(Changes *changes) {
    changes->before = changes->watches;
    changes->watches = NULL;
}

void changes_add(Changes *changes, const char *root, char *const *places, size_t count) {
    watch_path(changes, root);
    for (size_t i = 0; i < count; i++) watch(changes, places[i], NULL);
}

void changes_end(Changes *changes) {
    close_watches(changes->before);
    changes->before = NULL;
}

Changes *changes_open(uv_loop_t *loop, void (*on_changed)(void *owner), void *owner) {
    Changes *changes = xcalloc(1, sizeof *changes);
    changes->loop = loop;
    changes->on_changed = on_changed;
    changes->owner = owner;
    uv_timer_init(loop, &changes->quiet);
    changes->quiet.data = changes;
    changes->open_handles = 1;
    return changes;
}

static void count_closed(Changes *changes) {
    if (--changes->open_handles == 0) free(changes);
}

static void on_watch_closed(uv_handle_t *handle) {
    Watch *watch = handle->data;
    count_closed(watch->changes);
    free(watch->only);
    free(watch);
}

static void on_timer_closed(uv_handle_t *handle) {
    count_closed(handle->data);
}

void changes_close(Changes *changes) {
    close_watches(changes->watches);
    uv_close((uv_handle_t *)&changes->quiet, on_timer_closed);
}

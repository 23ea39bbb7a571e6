// folder_watch: see folder_watch.h. Each place that is watched has a handle of its own: one that
// Linux reports to, or one that looks at the place from time to time (uv_fs_poll).
//
// A place that is looked at stays from one folder_watch_begin to the next, as its last look is what
// the next one is compared with. One that Linux reports to is made anew: it may belong to a folder
// that was removed and made again.
#include "base/folder_watch.h"

#include "base/xmalloc.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

enum {
    QUIET_MS = 100,
    PATIENCE_MS = 2000, // a file that is written all the time hides no change for longer
    FALLBACK_MS = 2000, // between two looks when Linux has no more watches
    LOOKS_OF_PATIENCE = 3
};

typedef enum { PLACE_FOLDER, PLACE_ENTRY } PlaceKind;

typedef struct Place Place;
struct Place {
    union {
        uv_handle_t handle;
        uv_fs_event_t event;
        uv_fs_poll_t poll;
    };
    FolderWatch *watch;
    PlaceKind kind;
    char *path;
    char *only; // the one entry of the folder that counts; NULL: all do
    unsigned round;
    Place *next;       // of those that Linux reports to
    UT_hash_handle hh; // of those that are looked at
};

struct FolderWatch {
    uv_loop_t *loop;
    FolderWatchEvents events;
    int64_t poll_ms;
    uv_timer_t quiet;
    uint64_t since; // when the first change happened that was not told yet, 0: there is none
    unsigned round; // of folder_watch_begin
    Place *reported, *looked_at;
    size_t open_handles;
};

static bool polls(const FolderWatch *watch) {
    return watch->poll_ms != FOLDER_WATCH_EVENTS;
}

// ---- when to tell -------------------------------------------------------------------------------

static void on_quiet(uv_timer_t *timer) {
    FolderWatch *watch = timer->data;
    watch->since = 0;
    watch->events.on_settled(watch->events.owner);
}

void folder_watch_settle(FolderWatch *watch) {
    // files that are looked at are quiet when the next look has found no change
    uint64_t period = (uint64_t)watch->poll_ms, quiet = QUIET_MS + period;
    uint64_t patience = PATIENCE_MS + LOOKS_OF_PATIENCE * period, now = uv_now(watch->loop);
    if (!watch->since) watch->since = now;
    uint64_t passed = now - watch->since, left = passed < patience ? patience - passed : 0;
    uv_timer_start(&watch->quiet, on_quiet, left < quiet ? left : quiet, 0);
}

static void tell_entry(FolderWatch *watch, const char *path) {
    if (watch->events.on_entry) watch->events.on_entry(watch->events.owner, path);
    folder_watch_settle(watch);
}

static char *entry_path(const char *folder, const char *name) {
    return strcmp(folder, ".") == 0 ? xstrdup(name) : xformat("%s/%s", folder, name);
}

// ---- places -------------------------------------------------------------------------------------

static Place *new_place(FolderWatch *watch, PlaceKind kind, const char *path, const char *only) {
    Place *place = xcalloc(1, sizeof *place);
    place->watch = watch;
    place->kind = kind;
    place->path = xstrdup(path);
    place->only = only ? xstrdup(only) : NULL;
    place->round = watch->round;
    watch->open_handles++;
    return place;
}

static void count_closed(FolderWatch *watch) {
    if (--watch->open_handles == 0) free(watch);
}

static void on_place_closed(uv_handle_t *handle) {
    Place *place = handle->data;
    count_closed(place->watch);
    free(place->path);
    free(place->only);
    free(place);
}

static void close_places_before(FolderWatch *watch, unsigned round) {
    for (Place **at = &watch->reported, *place; (place = *at);) {
        if (place->round >= round) {
            at = &place->next;
            continue;
        }
        *at = place->next;
        uv_close(&place->handle, on_place_closed);
    }
    Place *place, *next;
    HASH_ITER(hh, watch->looked_at, place, next) {
        if (place->round >= round) continue;
        HASH_DEL(watch->looked_at, place);
        uv_close(&place->handle, on_place_closed);
    }
}

// ---- looking ------------------------------------------------------------------------------------

static void look_at_entries(FolderWatch *watch, const char *folder, bool tells);

static void on_look(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *now) {
    Place *place = poll->data;
    (void)status, (void)before, (void)now;
    if (place->kind == PLACE_ENTRY)
        tell_entry(place->watch, place->path);
    else
        look_at_entries(place->watch, place->path, true);
    folder_watch_settle(place->watch);
}

// Returns whether the place is new.
static bool look_at(FolderWatch *watch, PlaceKind kind, const char *path) {
    Place *place;
    HASH_FIND_STR(watch->looked_at, path, place);
    if (place) {
        if (kind == PLACE_FOLDER || place->round != watch->round) place->kind = kind;
        place->round = watch->round;
        return false;
    }
    place = new_place(watch, kind, path, NULL);
    HASH_ADD_KEYPTR(hh, watch->looked_at, place->path, strlen(place->path), place);
    uv_fs_poll_init(watch->loop, &place->poll);
    place->handle.data = place;
    uv_fs_poll_start(&place->poll, on_look, path, (unsigned)watch->poll_ms);
    return true;
}

// Skips hidden entries: neither workflows nor specs are hidden, but the files of editors are.
static void look_at_entries(FolderWatch *watch, const char *folder, bool tells) {
    uv_fs_t listing;
    uv_dirent_t entry;
    if (uv_fs_scandir(NULL, &listing, folder, 0, NULL) >= 0) {
        while (uv_fs_scandir_next(&listing, &entry) == 0) {
            if (*entry.name == '.') continue;
            char *path = entry_path(folder, entry.name);
            if (look_at(watch, PLACE_ENTRY, path) && tells) tell_entry(watch, path);
            free(path);
        }
    }
    uv_fs_req_cleanup(&listing);
}

static void look_at_folder(FolderWatch *watch, const char *path) {
    look_at(watch, PLACE_FOLDER, path);
    look_at_entries(watch, path, false);
}

// ---- being told by Linux ------------------------------------------------------------------------

static void on_event(uv_fs_event_t *event, const char *name, int events, int status) {
    const Place *place = event->data;
    (void)events;
    if (status < 0 || !name || (place->only && strcmp(name, place->only) != 0)) return;
    char *path = entry_path(place->path, name);
    tell_entry(place->watch, path);
    free(path);
}

static void begin_polling(FolderWatch *watch, const char *path, int status) {
    bool is_instance = status == UV_EMFILE;
    watch->poll_ms = FALLBACK_MS;
    char *line = xformat("cannot watch %s: this user has no inotify %s left; raise "
                         "fs.inotify.max_user_%s with sysctl; until the next start, files are "
                         "looked at every %d s",
                         path, is_instance ? "instance" : "watch",
                         is_instance ? "instances" : "watches", FALLBACK_MS / 1000);
    watch->events.on_polling(watch->events.owner, line);
    free(line);
}

// Returns false when Linux has no watch left. Of a folder that is gone nothing is reported: that is
// seen in the folder above.
static bool watch_events(FolderWatch *watch, const char *path, const char *only) {
    Place *place = new_place(watch, PLACE_FOLDER, path, only);
    uv_fs_event_init(watch->loop, &place->event);
    place->handle.data = place;
    place->next = watch->reported;
    watch->reported = place;
    int status = uv_fs_event_start(&place->event, on_event, path, 0);
    if (status != UV_ENOSPC && status != UV_EMFILE) return true;
    begin_polling(watch, path, status);
    return false;
}

// ---- what is watched ----------------------------------------------------------------------------

void folder_watch_begin(FolderWatch *watch) {
    watch->round++;
}

void folder_watch_end(FolderWatch *watch) {
    close_places_before(watch, watch->round);
}

void folder_watch_folder(FolderWatch *watch, const char *path) {
    if (polls(watch) || !watch_events(watch, path, NULL)) look_at_folder(watch, path);
}

// Watches the folder that `path` stands in, for that entry alone. False: Linux has no watch left.
static bool watch_entry(FolderWatch *watch, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return true;
    char *folder = !slash          ? xstrdup(".")
                   : slash == path ? xstrdup("/")
                                   : xmemdup0(path, (size_t)(slash - path));
    bool watched = watch_events(watch, folder, name);
    free(folder);
    return watched;
}

static bool is_link(const char *path) {
    struct stat entry;
    return lstat(path, &entry) == 0 && S_ISLNK(entry.st_mode);
}

static bool watch_root(FolderWatch *watch, const char *root) {
    char *path = xstrdup(root);
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') path[--size] = '\0';
    bool watched = watch_entry(watch, path);
    for (char *slash; watched && (slash = strrchr(path, '/')) && slash > path;) {
        *slash = '\0';
        if (is_link(path)) watched = watch_entry(watch, path);
    }
    free(path);
    return watched;
}

void folder_watch_root(FolderWatch *watch, const char *path) {
    // a look follows links, so it sees the folder that the path leads to now
    if (polls(watch) || !watch_root(watch, path)) look_at(watch, PLACE_FOLDER, path);
}

// ---- open and close -----------------------------------------------------------------------------

FolderWatch *folder_watch_open(uv_loop_t *loop, int64_t poll_ms, FolderWatchEvents events) {
    FolderWatch *watch = xcalloc(1, sizeof *watch);
    watch->loop = loop;
    watch->poll_ms = poll_ms < INT_MAX ? poll_ms : INT_MAX;
    watch->events = events;
    uv_timer_init(loop, &watch->quiet);
    watch->quiet.data = watch;
    watch->open_handles = 1;
    return watch;
}

static void on_timer_closed(uv_handle_t *handle) {
    count_closed(handle->data);
}

void folder_watch_close(FolderWatch *watch) {
    close_places_before(watch, watch->round + 1);
    uv_close((uv_handle_t *)&watch->quiet, on_timer_closed);
}

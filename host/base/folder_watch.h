// folder_watch: watches folders, and says when files in them have changed and are quiet again.
//
// Editors save a file in several moves, and a checkout brings many files: the owner is told once
// nothing has changed for a moment, and now and then while changes never end. Linux reports changes
// (inotify). Where it cannot, or where the owner wants it (NFS reports nothing), the files are
// looked at every few seconds instead. For the thread of the loop.
#ifndef WEIR_FOLDER_WATCH_H
#define WEIR_FOLDER_WATCH_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef struct FolderWatch FolderWatch;

typedef struct {
    void *owner;
    // Files changed and are quiet now.
    void (*on_settled)(void *owner);
    // The entry of a folder changed just now. May be NULL.
    void (*on_entry)(void *owner, const char *path);
    // Linux has no more watches: from now on files are looked at. Called once, with a line that
    // says what to raise.
    void (*on_polling)(void *owner, const char *line);
} FolderWatchEvents;

enum { FOLDER_WATCH_EVENTS = 0 }; // in place of a period: let Linux report changes

// A watch of no folder yet. `poll_ms` is the time between two looks at each file.
FolderWatch *folder_watch_open(uv_loop_t *loop, int64_t poll_ms, FolderWatchEvents events);

// Between folder_watch_begin and folder_watch_end the owner names all that is watched from now on.
// The end drops the watches of before, so that no change is missed in between.
void folder_watch_begin(FolderWatch *watch);
// The entries of a folder, not those of the folders in it.
void folder_watch_folder(FolderWatch *watch, const char *path);
// The path itself: it may be removed and made again, and a link on it may be turned.
void folder_watch_root(FolderWatch *watch, const char *path);
void folder_watch_end(FolderWatch *watch);

// Calls on_settled as if a file had changed now.
void folder_watch_settle(FolderWatch *watch);

// Frees the watch. The loop must run once more, so that the handles close.
void folder_watch_close(FolderWatch *watch);

#endif

// changes: watches folders, and says when something in them has changed and is settled.
//
// Editors save in several moves, and a checkout brings many files: the change is told once nothing
// has happened for a moment. Under changes that never end it is told all the same, now and then.
#ifndef WEIR_CHANGES_H
#define WEIR_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

typedef struct Changes Changes;

// Tells of a change as if there was one now: once files have been quiet for a while.
void changes_settle(Changes *changes);

Changes *changes_open(uv_loop_t *loop, void (*on_changed)(void *owner), void *owner);

// Watches a root and the places below it from now on: their entries, and where the root itself or a
// link on its path is put in another's place. Added between changes_begin and changes_end, which
// end the watches of before: a folder that was removed and made again is watched anew.
void changes_begin(Changes *changes);
void changes_add(Changes *changes, const char *root, char *const *places, size_t count);
void changes_end(Changes *changes);

// The loop's handles are closed when it has run once more.
void changes_close(Changes *changes);

#endif

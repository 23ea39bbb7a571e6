// changes: notices that workflow folders are no more as a host has read them, and says so in its
// log.
//
// A host runs the files as they were when it started. Of each folder what was read is compared with
// what is there once nothing has been saved for a moment; a change that is taken back is none.
#ifndef WEIR_CHANGES_H
#define WEIR_CHANGES_H

#include "assets/bundle.h"
#include "config/config.h"

#include <uv.h>

typedef struct Changes Changes;

// The bundles are those of `folders`, in the same order. Watches until changes_close.
Changes *changes_open(uv_loop_t *loop, const TextList *folders, const Bundle *bundles);
void changes_close(Changes *changes);

#endif

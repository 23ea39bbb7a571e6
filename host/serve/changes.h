// changes: logs when the files of a workflow folder are no longer as the host has read them.
//
// A host runs the files as they were when it started. When nothing has been saved for a moment, the
// files are compared with those that the host has read; a change that was reverted is none.
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

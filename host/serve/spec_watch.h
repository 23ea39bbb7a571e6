// spec_watch: `weir dev --test` runs `weir test --watch --brief` beside its host, as a process that
// ends with this one. It writes to stderr, between the lines of the log.
#ifndef WEIR_SPEC_WATCH_H
#define WEIR_SPEC_WATCH_H

#include "config/config.h"

#include <uv.h>

// Starts the process. There is one.
void spec_watch_start(uv_loop_t *loop, const Config *config);

// Ends it and the specs that it runs. The loop must run until they have ended. May be called again,
// and where nothing was started.
void spec_watch_stop(void);

#endif

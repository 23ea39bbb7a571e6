// health: tells the supervisor how this host is.
//
// It sends READY, RELOADING and STOPPING, a STATUS line each time that its text has changed, and
// WATCHDOG=1 for as long as every worker is alive. A worker is alive when its loop has turned, or
// when it is in Lua: a turn that does not end is the business of --max-stuck, which also records
// the run that is to blame. A Redis that is away keeps no loop from turning; the STATUS line shows
// it. EXTEND_TIMEOUT_USEC goes out each second while the host starts or drains.
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include "config/config.h"
#include "redis/redis_error.h"
#include "serve/worker.h"

#include <uv.h>

typedef struct Health Health;

// The watchdog is served from now on.
Health *health_open(uv_loop_t *loop, const Config *config, Outage *outage);

// A worker has started.
void health_add(Health *health, Worker *worker);

// The host takes runs; it reads its folders again; it has done so; it takes no more runs.
void health_ready(Health *health);
void health_reloading(Health *health);
void health_reloaded(Health *health);
void health_stopping(Health *health);

// Call it from time to time: sends the STATUS line when it has changed.
void health_tick(Health *health);

// Its handles are closed when the loop has run once more. Call it while the workers exist.
void health_close(Health *health);

#endif

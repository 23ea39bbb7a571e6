// maintenance: the periodic work that a host does for the whole dataset: it deletes expired runs
// step by step (sweep), and makes runs ready whose wake-up is due (promote).
#ifndef WEIR_MAINTENANCE_H
#define WEIR_MAINTENANCE_H

#include "serve/control.h"

typedef struct Maintenance Maintenance;

Maintenance *maintenance_open(uv_loop_t *loop, Control *control);

// Call it after control_close, whose callbacks may still speak to it. Its handles are closed when
// the loop has run once more.
void maintenance_close(Maintenance *maintenance);

// The host serves: it promotes runs, and sweeps with every heartbeat. Until maintenance_stop.
void maintenance_start(Maintenance *maintenance);
void maintenance_stop(Maintenance *maintenance);
bool maintenance_is_active(const Maintenance *maintenance);

// Adds a step of the sweep to a batch, unless one is under way.
void maintenance_add_sweep(Maintenance *maintenance, Batch *batch);

// The earliest wake-up of any run, by the clock of Redis.
void maintenance_due(Maintenance *maintenance, int64_t due_ms);

#endif

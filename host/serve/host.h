// host: this process as one that runs workflows: its lease, its workers, from start to drained.
//
// Everything here happens on the loop's thread; the workers have threads of their own. Nothing is
// claimed before the host has a lease, hears wake-ups and has announced its bundles.
#ifndef WEIR_HOST_H
#define WEIR_HOST_H

#include "assets/bundle.h"
#include "config/config.h"

#include <uv.h>

typedef struct Host Host;

typedef struct {
    void *owner;
    void (*on_ready)(void *owner); // it has a lease and its workers take runs. Called once
} HostEvents;

Host *host_open(uv_loop_t *loop, const Config *config, HostEvents events);

// Announces the bundles and serves until it is stopped, or cannot go on. The status to exit with;
// what was wrong is in the log. A bundle that does not load is EX_CONFIG, before Redis is asked.
int host_run(Host *host, const Bundle *bundles, size_t bundle_count);

// Has it claim nothing more, wait for what was begun (--drain at most) and give back what it holds;
// then host_run returns. Any thread, until host_close.
void host_stop(Host *host);

// Logs what each worker is doing. The loop's thread.
void host_describe(Host *host);

// Its handles are closed when the loop has run once more.
void host_close(Host *host);

#endif

// host: a process that runs workflows, from its registration until it has given back all runs.
//
// Everything here happens on the loop's thread; the workers have threads of their own. The host
// claims no run before it has a lease, hears wake-ups and has announced its bundles.
#ifndef WEIR_HOST_H
#define WEIR_HOST_H

#include "assets/bundle.h"
#include "config/config.h"

#include <uv.h>

typedef struct Host Host;

typedef struct {
    void *owner;
    void (*on_ready)(void *owner); // it has a lease and its workers take runs. Called once
    // The folders were read again: see reload.h. NULL: the caller does not mind.
    void (*on_read)(void *owner, char (*seen)[BUNDLE_NAME_SIZE]);
} HostEvents;

Host *host_open(uv_loop_t *loop, const Config *config, HostEvents events);

// Announces the bundles and serves until the host is stopped or cannot go on. Returns the exit
// status; the reason is in the log. A bundle that does not load is EX_CONFIG, before the host
// connects to Redis. Folders that change are announced again while the host serves, and the bundles
// replaced in place; they stay the caller's.
int host_run(Host *host, Bundle *bundles, size_t bundle_count);

// The host claims no more runs, waits until its turns and steps have ended (at most for --drain)
// and gives back what it holds; then host_run returns. Any thread, until host_close.
void host_stop(Host *host);

// Reads the folders again, and announces those that have changed. The loop's thread.
void host_reload(Host *host);

// Logs what each worker is doing. The loop's thread.
void host_describe(Host *host);

// Its handles are closed when the loop has run once more.
void host_close(Host *host);

#endif

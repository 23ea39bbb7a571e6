// reload: brings changed workflow folders to all new attempts while the host serves.
//
// When a folder has changed it is read and loaded on a thread of its own, as files may loop or
// allocate without end and the main thread renews the lease. A bundle that loads is announced; one
// that does not is refused in the log, and the one before goes on serving.
#ifndef WEIR_RELOAD_H
#define WEIR_RELOAD_H

#include "assets/bundle.h"
#include "config/config.h"
#include "serve/control.h"

typedef struct Reload Reload;

typedef struct {
    void *owner;
    // The host begins to read its folders as a person asked, or to announce what has changed; it
    // has come to the end of that, also when nothing is new. The two come in turn.
    void (*on_reloading)(void *owner);
    void (*on_reloaded)(void *owner);
    // This bundle is about to be announced.
    void (*on_loaded)(void *owner, const char *name, const Bundle *bundle);
    // The folders were read again: `bundles` holds what is announced, `seen` the name of what each
    // folder held, also when that was refused.
    void (*on_read)(void *owner, char (*seen)[BUNDLE_NAME_SIZE]);
} ReloadEvents;

// Watches the folders of the config from now on. `bundles` are theirs, as they are announced when
// the host starts; they are replaced in place and stay the caller's.
Reload *reload_open(uv_loop_t *loop, const Config *config, Control *control, Bundle *bundles,
                    ReloadEvents events);

// The host serves: changes are announced from now on, also those of before.
void reload_start(Reload *reload);

// Reads the folders again now, and says in the log what came of it.
void reload_ask(Reload *reload);

// Nothing is announced any more.
void reload_stop(Reload *reload);

// Call it after control_close. The handles are closed when the loop has run once more, but for that
// of a thread that still loads: the process is about to end.
void reload_close(Reload *reload);

#endif

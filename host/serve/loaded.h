// loaded: the bundles that a worker has loaded into its VM.
//
// A bundle that runs use stays. Of the others the last used few stay, as new runs will most likely
// need one of them; all others can be fetched from Redis again.
#ifndef WEIR_LOADED_H
#define WEIR_LOADED_H

#include "lua/vm.h"

enum { LOADED_IDLE = 8 }; // bundles that no run uses

typedef struct LoadedBundle LoadedBundle;

typedef struct {
    LoadedBundle *by_name;
    LoadedBundle *idle; // least recently used first
    size_t count;       // of all
    size_t idle_count;
} LoadedBundles;

// One more run uses the bundle. NULL: it has to be loaded first.
LoadedBundle *loaded_use(LoadedBundles *loaded, const char *name);

// Loads a bundle from its sources; no run uses it yet. UV_EINVAL when it does not load, with the
// reason in `faults`, to be freed.
int loaded_add(LoadedBundles *loaded, Vm *vm, const char *name, const Source *sources, size_t count,
               char **faults);

// One more run uses a bundle that could not be loaded: it can begin all the same, and fails with
// this reason. The bundle is loaded anew for the runs after that.
LoadedBundle *loaded_refuse(LoadedBundles *loaded, Vm *vm, const char *name, const char *fault);

// One run less uses the bundle.
void loaded_leave(LoadedBundles *loaded, Vm *vm, LoadedBundle *bundle);

// Forgets all; the VM is about to be closed.
void loaded_clear(LoadedBundles *loaded);

#endif

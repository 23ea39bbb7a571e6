// loaded: see loaded.h.
#include "serve/loaded.h"

#include "base/xmalloc.h"

#include <uthash.h>
#include <utlist.h>

struct LoadedBundle {
    UT_hash_handle hh;
    LoadedBundle *prev, *next; // when idle
    size_t users;
    bool refused;
    char name[];
};

static LoadedBundle *find(LoadedBundles *loaded, const char *name) {
    LoadedBundle *bundle;
    HASH_FIND_STR(loaded->by_name, name, bundle);
    return bundle;
}

static LoadedBundle *add(LoadedBundles *loaded, const char *name) {
    size_t size = strlen(name);
    LoadedBundle *bundle = xcalloc(1, sizeof *bundle + size + 1);
    memcpy(bundle->name, name, size);
    HASH_ADD_KEYPTR(hh, loaded->by_name, bundle->name, size, bundle);
    loaded->count++;
    return bundle;
}

static void leave_idle(LoadedBundles *loaded, LoadedBundle *bundle) {
    DL_DELETE(loaded->idle, bundle);
    loaded->idle_count--;
}

static void drop(LoadedBundles *loaded, Vm *vm, LoadedBundle *bundle) {
    vm_forget_bundle(vm, bundle->name);
    HASH_DEL(loaded->by_name, bundle);
    loaded->count--;
    free(bundle);
}

static void become_idle(LoadedBundles *loaded, Vm *vm, LoadedBundle *bundle) {
    DL_APPEND(loaded->idle, bundle);
    if (++loaded->idle_count <= LOADED_IDLE) return;
    LoadedBundle *oldest = loaded->idle;
    leave_idle(loaded, oldest);
    drop(loaded, vm, oldest);
}

static LoadedBundle *use(LoadedBundles *loaded, LoadedBundle *bundle) {
    if (bundle->users++ == 0 && !bundle->refused) leave_idle(loaded, bundle);
    return bundle;
}

LoadedBundle *loaded_use(LoadedBundles *loaded, const char *name) {
    LoadedBundle *bundle = find(loaded, name);
    return bundle && !bundle->refused ? use(loaded, bundle) : NULL;
}

int loaded_add(LoadedBundles *loaded, Vm *vm, const char *name, const Source *sources, size_t count,
               char **faults) {
    LoadedBundle *bundle = find(loaded, name);
    int code = bundle && !bundle->refused ? 0 : vm_load_bundle(vm, name, sources, count, faults);
    if (code < 0 || (bundle && !bundle->refused)) return code;
    if (!bundle) {
        bundle = add(loaded, name);
        become_idle(loaded, vm, bundle);
    }
    bundle->refused = false;
    return 0;
}

LoadedBundle *loaded_refuse(LoadedBundles *loaded, Vm *vm, const char *name, const char *fault) {
    LoadedBundle *bundle = find(loaded, name);
    if (!bundle) {
        bundle = add(loaded, name);
        bundle->refused = true;
    }
    if (bundle->refused) vm_refuse_bundle(vm, name, fault);
    return use(loaded, bundle);
}

void loaded_leave(LoadedBundles *loaded, Vm *vm, LoadedBundle *bundle) {
    if (--bundle->users > 0) return;
    if (bundle->refused)
        drop(loaded, vm, bundle);
    else
        become_idle(loaded, vm, bundle);
}

void loaded_clear(LoadedBundles *loaded) {
    LoadedBundle *bundle, *next;
    HASH_ITER(hh, loaded->by_name, bundle, next) {
        HASH_DEL(loaded->by_name, bundle);
        free(bundle);
    }
    *loaded = (LoadedBundles){0};
}

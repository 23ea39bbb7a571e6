// deployment: brings the workflow folders of a host into Redis.
//
// It loads each bundle, where a fault can still be shown to the person who caused it, and announces
// it: from then on new attempts of its workflows run it, on any host, unless Redis knows newer
// bundles. A Deployment knows nothing of leases; a process may make many, one after the other.
#ifndef WEIR_DEPLOYMENT_H
#define WEIR_DEPLOYMENT_H

#include "assets/bundle.h"
#include "config/config.h"
#include "lua/vm.h"
#include "redis/batch.h"

// How Redis answered for one folder.
typedef enum {
    ANNOUNCED_LIVE,   // new attempts run its bundle, at least of one workflow
    ANNOUNCED_OLDER,  // of all its workflows they run newer bundles
    ANNOUNCED_REFUSED // nothing was written; the reason is in the log
} Announced;

typedef struct {
    const Config *config;
    bool goes_back; // make the bundles the newest, though newer ones were announced
    // For each folder, before `on_done`. NULL: the caller does not mind.
    void (*on_folder)(void *owner, size_t folder, Announced announced);
    void (*on_done)(void *owner, int status);
    void *owner;

    size_t waiting; // groups without a reply yet
    bool refused;
} Deployment;

// Loads the bundles, which are those of the folders in the config, and adds the groups that
// announce them to the batch. The exit status: EX_CONFIG when one does not load, with its faults on
// stderr.
//
// The Deployment has its first fields set. When Redis has answered, `on_done` is called once with
// STATUS_DONE, or with EX_SOFTWARE and the reason in the log; it is not called when the batch is
// abandoned. The Deployment must live until then.
int deployment_load(Deployment *deployment, const Bundle *bundles, size_t count, Batch *batch);

// Loads the bundle of one folder in a VM of the calling thread, and adds the group that announces
// it: STATUS_DONE, or EX_CONFIG with the faults in `findings`, which are to be freed. The batch may
// be sent from another thread later.
int deployment_add(Deployment *deployment, size_t folder, Vm *vm, const Bundle *bundle,
                   Batch *batch, Findings *findings);

#endif

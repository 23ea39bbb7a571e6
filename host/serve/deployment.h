// deployment: brings the workflow folders of a host into Redis.
//
// It loads each bundle, where a fault can still be shown to the person who caused it, and announces
// it: from then on new attempts of its workflows run it, on any host. A Deployment knows nothing of
// leases; a process may make many, one after the other.
#ifndef WEIR_DEPLOYMENT_H
#define WEIR_DEPLOYMENT_H

#include "assets/bundle.h"
#include "config/config.h"
#include "lua/vm.h"
#include "redis/batch.h"

typedef struct {
    size_t waiting; // groups without a reply yet
    bool refused;
    void (*on_done)(void *owner, int status);
    void *owner;
} Deployment;

// Loads the bundles, which are those of the folders in `config`, and adds the groups that announce
// them to the batch. The exit status: EX_CONFIG when one does not load, with its faults on stderr.
//
// When Redis has answered, `on_done` is called once with STATUS_DONE, or with EX_SOFTWARE and the
// reason in the log; it is not called when the batch is abandoned. The Deployment must live until
// then.
int deployment_load(Deployment *deployment, const Config *config, const Bundle *bundles,
                    size_t count, Batch *batch, void (*on_done)(void *owner, int status),
                    void *owner);

// Loads one bundle in a VM of the calling thread, and adds the group that announces it:
// STATUS_DONE, or EX_CONFIG with the faults in `findings`, which are to be freed. The Deployment
// has its `on_done` and `owner` set; the batch may be sent from another thread later.
int deployment_add(Deployment *deployment, const Config *config, Vm *vm, const Bundle *bundle,
                   Batch *batch, Findings *findings);

#endif

// membership: the lease of a host: `register` gives it, `heartbeat` renews it, `deregister` ends
// it.
//
// In Redis a lease is a number, the host's. When the lease has run out, another host takes over the
// runs that were held under it, and this host cannot go on.
#ifndef WEIR_MEMBERSHIP_H
#define WEIR_MEMBERSHIP_H

#include "serve/control.h"
#include "serve/maintenance.h"

typedef struct Membership Membership;

typedef struct {
    void *owner;
    void (*on_registered)(void *owner);
    // The lease runs until this instant, by clock_awake_ms.
    void (*on_renewed)(void *owner, int64_t until_ms);
    // There may be runs for this worker.
    void (*on_wake)(void *owner, int worker);
    // The host cannot go on; the reason is in the log.
    void (*on_failed)(void *owner, int status);
    // Redis has taken back the lease and all that was held under it.
    void (*on_deregistered)(void *owner);
} MembershipEvents;

Membership *membership_open(uv_loop_t *loop, const Config *config, Control *control,
                            Maintenance *maintenance, MembershipEvents events);

// Call it after control_close, whose callbacks may still speak to it. Its handles are closed when
// the loop has run once more.
void membership_close(Membership *membership);

// Asks for a lease, and waits while another host holds this node's name.
void membership_register(Membership *membership);

// Sends a heartbeat now.
void membership_renew(Membership *membership);

// The host serves: a heartbeat goes out from time to time, and says when the lease ends.
void membership_serve(Membership *membership);

// Redis answered that the lease of this number is gone.
void membership_lost(Membership *membership, int64_t host);

// The workers take no more runs: Redis must not count on them.
void membership_leave(Membership *membership);

// Gives back the lease, and all that is held under it.
void membership_deregister(Membership *membership);

// Tells Redis that this run keeps its worker from going on, then aborts the process.
void membership_abort(Membership *membership, const char *run_id);

#endif

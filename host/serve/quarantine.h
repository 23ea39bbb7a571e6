// quarantine: one suspect at a time in this process.
//
// A run that was there when processes died may be what killed them. Redis is told before such a
// suspect has its turn; if the process dies then, that counts for it. Two suspects at once could
// not be told apart, so only one worker is inside at a time. The others go on with runs that are no
// suspects.
#ifndef WEIR_QUARANTINE_H
#define WEIR_QUARANTINE_H

#include <stdatomic.h>
#include <stdbool.h>

// One for each worker. Zeroed, then `on_free` and `about` are set.
typedef struct Seat Seat;
struct Seat {
    Seat *prev, *next;
    atomic_bool waits;            // another worker is inside; `on_free` will be called
    void (*on_free)(void *about); // on the thread of the worker that leaves; may be NULL
    void *about;
};

// True: this worker is inside. False: another one is, and `on_free` tells when it has left.
bool quarantine_enter(Seat *seat);
// Also when it is not inside, or waits: then that ends.
void quarantine_leave(Seat *seat);

#endif

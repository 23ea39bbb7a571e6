// quarantine: one suspect at a time in this process.
//
// A run that was there when processes crashed may have caused it. Redis records it before such a
// suspect has its turn; a crash during the turn counts for the suspect. Two suspects at once could
// not be told apart, so one worker at a time is inside. The others go on with runs that are no
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

// True: this worker is inside. False: another one is, and `on_free` will be called when it leaves.
bool quarantine_enter(Seat *seat);
// Leaves, or stops waiting. May be called when neither is the case.
void quarantine_leave(Seat *seat);

#endif

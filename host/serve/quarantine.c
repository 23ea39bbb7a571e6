// quarantine: see quarantine.h for what it promises.
#include "serve/quarantine.h"

#include <pthread.h>
#include <stddef.h>
#include <utlist.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Seat *inside;
static Seat *waiting;

bool quarantine_enter(Seat *seat) {
    pthread_mutex_lock(&lock);
    bool enters = !inside || inside == seat;
    if (enters) {
        inside = seat;
    } else if (!seat->waits) {
        seat->waits = true;
        DL_APPEND(waiting, seat);
    }
    pthread_mutex_unlock(&lock);
    return enters;
}

void quarantine_leave(Seat *seat) {
    Seat *other, *next;
    pthread_mutex_lock(&lock);
    if (seat->waits) {
        seat->waits = false;
        DL_DELETE(waiting, seat);
    }
    if (inside == seat) {
        inside = NULL;
        DL_FOREACH_SAFE(waiting, other, next) {
            DL_DELETE(waiting, other);
            other->waits = false;
            if (other->on_free) other->on_free(other->about);
        }
    }
    pthread_mutex_unlock(&lock);
}

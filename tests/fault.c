// fault: linked into build/faulty, beside everything that build/weir is made of.
//
// WEIR_FAULT=<kind>:<n> injects one fault, at the n-th call to Redis that the process makes on any
// of its connections, and says so on stderr; <kind>/<n> one at every n-th call. Without it the
// program is build/weir.
//
//   abort-before   the process dies before the call is sent
//   abort          …right after it was sent: Redis carries it out, the reply is lost
//   cut-before     the connection dies after the call was carried out, before its reply is read
//   cut-after      …after its reply was acted on
//
// WEIR_INOTIFY=no-instances or no-watches: the user has none left.
#include "redis/store.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    const char *name;
    const char *moment; // of store_failpoint
    bool kills;
} Kind;

static const Kind kinds[] = {
    {"abort-before", "call", true},
    {"abort", "sent", true},
    {"cut-before", "reply", false},
    {"cut-after", "handled", false},
};

static const Kind *kind;
static long wanted;
static bool again;
static atomic_long calls;

static bool inject(const char *moment, const char *worker) {
    if (strcmp(moment, kind->moment) != 0) return false;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (again ? call % wanted != 0 : call != wanted) return false;
    fprintf(stderr, "fault: %s at call %ld, of %s\n", kind->name, call, *worker ? worker : "-");
    if (kind->kills) kill(getpid(), SIGKILL);
    return true;
}

static __attribute__((constructor)) void plan(void) {
    const char *text = getenv("WEIR_FAULT");
    if (!text) return;
    size_t length = strcspn(text, ":/");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == length && strncmp(text, kinds[i].name, length) == 0)
            kind = &kinds[i];
    again = text[length] == '/';
    wanted = text[length] ? strtol(text + length + 1, NULL, 10) : 0;
    if (!kind || wanted < 1) {
        fprintf(stderr, "fault: WEIR_FAULT=%s is no fault\n", text);
        abort();
    }
    store_failpoint = inject;
}

// Takes the place of the functions of the C library, also for libuv.

static bool inotify_has_no(const char *what) {
    const char *text = getenv("WEIR_INOTIFY");
    return text && strcmp(text, what) == 0;
}

int inotify_init1(int flags) {
    if (!inotify_has_no("no-instances")) return (int)syscall(SYS_inotify_init1, flags);
    errno = EMFILE;
    return -1;
}

int inotify_add_watch(int instance, const char *path, uint32_t mask) {
    if (!inotify_has_no("no-watches"))
        return (int)syscall(SYS_inotify_add_watch, instance, path, mask);
    errno = ENOSPC;
    return -1;
}

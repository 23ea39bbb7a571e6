// process: the identity of this process, by which other processes can tell whether it still runs.
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

// The kernel gives a pid to a new process later; a pid with its start time is unique.
typedef struct {
    char boot[40];  // the id of this boot of the machine
    char pidns[40]; // the namespace in which the pid counts
    int64_t pid;
    uint64_t started; // clock ticks after boot
} ProcessIdentity;

ProcessIdentity process_identity(void);

// Whether a process of this boot and pid namespace still runs.
bool process_is_alive(int64_t pid, uint64_t started);

#endif

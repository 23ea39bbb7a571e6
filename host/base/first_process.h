// first_process: what weir does as process 1, which it is in a container without an init.
//
// Process 1 inherits the processes whose parents have ended, and must wait for them, else they stay
// as zombies. A host cannot: it would take the exit statuses that steps wait for.
#ifndef WEIR_FIRST_PROCESS_H
#define WEIR_FIRST_PROCESS_H

// Returns at once in any process but the first. There it returns in a child, which is to do the
// work. Process 1 itself passes signals on to that child, waits for all other processes, and exits
// as the child does. Call it before threads start.
void first_process_leave(void);

#endif

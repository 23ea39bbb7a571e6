// parent: a child process that ends with the process that started it, also when that is killed.
#ifndef WEIR_PARENT_H
#define WEIR_PARENT_H

#include <sys/types.h>

// In the child: the kernel sends this signal when the parent dies. Exits if it is dead already.
void parent_follow(pid_t parent, int number);

// The environment for a child that is this program: that of this process, one variable more, and
// the name of this process, which parent_follow_told then follows, if there is one. Both processes
// must call them on their main threads.
char **parent_environment(const char *variable, const char *value);
void parent_environment_free(char **environment);
void parent_follow_told(int number);

#endif

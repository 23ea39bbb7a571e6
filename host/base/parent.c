// parent: see parent.h.
#include "base/parent.h"

#include "base/xmalloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define VARIABLE "WEIR_PARENT"

enum { OWN = 2 }; // variables at the beginning of the environment, which win over later ones

void parent_follow(pid_t parent, int number) {
    prctl(PR_SET_PDEATHSIG, number);
    if (getppid() != parent) _exit(0); // the parent died before the line above
}

char **parent_environment(const char *variable, const char *value) {
    size_t count = 0;
    while (environ[count]) count++;
    char **environment = xcalloc(OWN + count + 1, sizeof *environment);
    environment[0] = xformat("%s=%s", variable, value);
    environment[1] = xformat(VARIABLE "=%d", (int)getpid());
    memcpy(environment + OWN, environ, count * sizeof *environment);
    return environment;
}

void parent_environment_free(char **environment) {
    for (size_t i = 0; i < OWN; i++) free(environment[i]);
    free(environment);
}

void parent_follow_told(int number) {
    const char *pid = getenv(VARIABLE);
    if (!pid) return;
    parent_follow((pid_t)atoi(pid), number);
    unsetenv(VARIABLE);
}

// first_process: see first_process.h for what it promises.
#include "base/first_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

// Exits when the child has ended.
static void wait_for_all(pid_t child) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != child) continue;
        exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void pass_on(pid_t child, const sigset_t *signals) {
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGCHLD)
            wait_for_all(child);
        else if (number > 0)
            kill(child, number);
    }
}

// The child gets a process group of its own, in the foreground of the terminal: else Ctrl-C would
// reach it twice, from the terminal and from process 1.
static void separate(pid_t child) {
    setpgid(child, child);
    if (isatty(STDIN_FILENO)) tcsetpgrp(STDIN_FILENO, child);
}

void first_process_leave(void) {
    sigset_t all, before;
    if (getpid() != 1) return;
    sigfillset(&all); // blocked ones wait for sigwaitinfo; tcsetpgrp needs SIGTTOU blocked
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "weir: cannot start a process: %s\n", strerror(errno));
        exit(EX_TEMPFAIL);
    }
    if (child > 0) {
        separate(child);
        pass_on(child, &all);
    }
    separate(getpid());
    sigprocmask(SIG_SETMASK, &before, NULL);
}

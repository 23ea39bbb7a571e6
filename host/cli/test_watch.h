// test_watch: watches folders and runs this program again, for `weir test --watch`.
//
// It sleeps in its loop until a file is saved or the program has ended. Ctrl-C and SIGTERM stop the
// program that was run, and end the wait.
#ifndef WEIR_TEST_WATCH_H
#define WEIR_TEST_WATCH_H

struct lua_State;

// `words` is the command line to run again, `variable` how the path of the manifest gets there.
void test_watch_open(char **words, const char *variable);
void test_watch_close(void);

// watch(folders): watches these folders and no others; skips those that do not exist.
int test_watch_folders(struct lua_State *L);

// spawn(manifest): runs the program in a process group of its own; one at a time.
int test_watch_spawn(struct lua_State *L);

// stop(): ends that group, and returns once the program has ended.
int test_watch_stop(struct lua_State *L);

// await() -> the exit status of the program (128 + the signal that killed it), once it has ended;
// or the paths that changed since they were last returned, once nothing has changed for a moment;
// or nil: interrupted, and the program has ended.
int test_watch_await(struct lua_State *L);

#endif

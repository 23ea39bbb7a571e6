// test_watch: watches folders and runs this program again, for `weir test --watch`.
//
// It sleeps in its loop until a file is saved. Ctrl-C and SIGTERM make the functions return nil,
// once the program that was run has ended.
#ifndef WEIR_TEST_WATCH_H
#define WEIR_TEST_WATCH_H

struct lua_State;

// `words` is the command line to run again, `variable` how the path of the manifest gets there.
void test_watch_open(char **words, const char *variable);
void test_watch_close(void);

// watch(folders): watches these folders and no others; skips those that do not exist.
int test_watch_folders(struct lua_State *L);

// changes() -> the paths that changed since the last call, or nil. Waits for a change, and until
// nothing has changed for a moment.
int test_watch_changes(struct lua_State *L);

// spawn(manifest) -> the exit status (128 + the signal that killed it), or nil.
int test_watch_spawn(struct lua_State *L);

#endif

// test_watch: what `weir test --watch` cannot do in Lua: watch folders, and run this program again.
//
// Sleeps in its loop until something happens: it costs nothing while nobody saves a file. Ctrl-C
// and SIGTERM are an answer like any other (nil), given once the program that was run has ended.
#ifndef WEIR_TEST_WATCH_H
#define WEIR_TEST_WATCH_H

struct lua_State;

// `words` is the command line to run again, `variable` how the path of the manifest gets there.
void test_watch_open(char **words, const char *variable);
void test_watch_close(void);

// watch(folders): these, and no others any more. Those that are not there are passed over.
int test_watch_folders(struct lua_State *L);

// changes() -> the paths that changed since it was last asked, or nil: waits for one, and until
// there is quiet.
int test_watch_changes(struct lua_State *L);

// spawn(manifest) -> the exit status (128 + the signal that killed it), or nil.
int test_watch_spawn(struct lua_State *L);

#endif

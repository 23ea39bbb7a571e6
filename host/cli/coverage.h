// coverage: which lines of which files a Lua state has run.
//
// A line hook, which coroutines get from the one that makes them, so that no other file need know
// of it. One state of one thread at a time.
#ifndef WEIR_COVERAGE_H
#define WEIR_COVERAGE_H

struct lua_State;

// cover(): from now on lines are noted, here and in every coroutine made after.
int coverage_begin(struct lua_State *L);

// covered() -> { [path] = { [line] = true } } of chunks that are named "@path".
int coverage_lines(struct lua_State *L);

void coverage_end(void);

#endif

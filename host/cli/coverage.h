// coverage: records which lines of which files a Lua state has run.
//
// It is a line hook. A coroutine inherits the hook from its creator, so that no other file needs to
// know of it. One state of one thread at a time.
#ifndef WEIR_COVERAGE_H
#define WEIR_COVERAGE_H

struct lua_State;

// cover(): records lines from now on, here and in coroutines made later.
int coverage_begin(struct lua_State *L);

// covered() -> { [path] = { [line] = true } } of chunks that are named "@path".
int coverage_lines(struct lua_State *L);

void coverage_end(void);

#endif

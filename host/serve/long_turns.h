// long_turns: does for a worker what it cannot do while it is in Lua.
//
// The main thread looks at the turns of all workers. Before a turn that lasts it sends the outcomes
// that had gathered, gives the runs that wait behind it back to Redis, and tells Redis which run
// has the turn. A turn that does not end is reported to the owner, who ends the process.
#ifndef WEIR_LONG_TURNS_H
#define WEIR_LONG_TURNS_H

#include "serve/control.h"
#include "serve/turn_watch.h"

typedef struct LongTurns LongTurns;

// `on_stuck` is called once, when the turn of this run has lasted for `limit_ms`. Its worker stops
// at the end of the turn, so the id stays valid.
LongTurns *long_turns_open(uv_loop_t *loop, Control *control, int64_t limit_ms,
                           void (*on_stuck)(void *owner, int worker, const char *run_id),
                           void *owner);

// Its handles are closed when the loop has run once more.
void long_turns_close(LongTurns *turns);

// The turns of the worker with this number, which counts from 1.
void long_turns_add(LongTurns *turns, int worker, TurnWatch *watch);

// A worker has begun a turn: looks every few milliseconds until all are out of Lua.
void long_turns_look(LongTurns *turns);

// Whether a worker is in Lua.
bool long_turns_in_lua(const LongTurns *turns);

#endif

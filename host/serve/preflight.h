// preflight: whether runs in flight would go on with the changed files of a folder.
//
// It blocks: it reads their journals through a connection of its own and replays them in a Lua
// state of its own, so it belongs to a thread that nothing waits for. It writes nothing.
#ifndef WEIR_PREFLIGHT_H
#define WEIR_PREFLIGHT_H

#include "assets/bundle.h"
#include "config/config.h"

typedef struct {
    char *text;   // "412 runs would continue, 3 would mismatch at order.lua:45"; NULL: no runs
    char *first;  // the first run that would not go on, and why; NULL: there is none
    char *line;   // "order.lua:45", where it would not; NULL: not known
    char *fault;  // why it could not be found out; NULL: it was
    bool stopped; // by the question below
} Preflight;

// Asked between journals: whether to leave the rest out.
typedef bool PreflightStop(void *owner);

// `name` is that of the new bundle.
void preflight_run(Preflight *found, const Config *config, const char *name, const Bundle *before,
                   const Bundle *now, PreflightStop *is_stopped, void *owner);
void preflight_free(Preflight *found);

#endif

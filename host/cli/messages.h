// messages: what Redis publishes on the channels that Lua listens to.
//
// The Messages are their owner's, who calls messages_close; they belong to the thread of the Lua
// state.
#ifndef WEIR_MESSAGES_H
#define WEIR_MESSAGES_H

#include "cli/link.h"

#include <lauxlib.h>

typedef struct {
    Link link;          // its config is set by the owner
    TextList subscribe; // the command; then the channels
} Messages;

void messages_close(Messages *messages);

// For weir.native.client, with the Messages as upvalue: listen message.
extern const luaL_Reg messages_functions[];

#endif

// subscription: what Redis publishes on the channels that Lua listens to.
//
// The Subscription are their owner's, who calls subscription_close; they belong to the thread of
// the Lua state.
#ifndef WEIR_SUBSCRIPTION_H
#define WEIR_SUBSCRIPTION_H

#include "cli/connection.h"

#include <lauxlib.h>

typedef struct {
    Connection connection; // its config is set by the owner
    TextList command;      // the command; then the channels
} Subscription;

void subscription_close(Subscription *subscription);

// For weir.native.client, with the Subscription as upvalue: listen message.
extern const luaL_Reg subscription_functions[];

#endif

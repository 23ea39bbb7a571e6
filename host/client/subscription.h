// subscription: the messages on the channels of Redis that Lua listens to.
//
// The owner of the Subscription closes it. It belongs to the thread of the Lua state.
#ifndef WEIR_SUBSCRIPTION_H
#define WEIR_SUBSCRIPTION_H

#include "client/connection.h"

#include <lauxlib.h>

typedef struct {
    Connection connection; // its config is set by the owner
    TextList command;      // SUBSCRIBE and the channels
} Subscription;

void subscription_close(Subscription *subscription);

// For weir.native.client, with the Subscription as upvalue: listen message.
extern const luaL_Reg subscription_functions[];

#endif

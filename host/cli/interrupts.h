// interrupts: how a command waits: whatever for, an interruption ends it.
//
// That is interrupts_trigger, from any thread, or Ctrl-C and SIGTERM once Lua has asked to heed
// them. All else is for the thread of the Lua state.
#ifndef WEIR_INTERRUPTS_H
#define WEIR_INTERRUPTS_H

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>

// Ends what is waited for, and will be.
void interrupts_trigger(void);

// Waits until `descriptor` (-1: none) can be read. False when the time is over; timeout_ms < 0 is
// for ever. Raises a fault when it is interrupted.
bool interrupts_wait_readable(lua_State *L, int descriptor, int64_t timeout_ms);

// For weir.native.client: pause heed_interrupts now_ms.
extern const luaL_Reg interrupts_functions[];

#endif

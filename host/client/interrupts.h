// interrupts: waits of a command that an interruption ends.
//
// interrupts_trigger interrupts, from any thread; so do Ctrl-C and SIGTERM after heed_interrupts.
// All other functions are for the thread of the Lua state.
#ifndef WEIR_INTERRUPTS_H
#define WEIR_INTERRUPTS_H

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>

// Ends this wait and all later ones.
void interrupts_trigger(void);

// Waits until `descriptor` (-1: none) can be read. False when the time is over; timeout_ms < 0
// waits for ever. Raises a client_error when it is interrupted.
bool interrupts_wait_readable(lua_State *L, int descriptor, int64_t timeout_ms);

// For weir.native.client: pause heed_interrupts now_ms.
extern const luaL_Reg interrupts_functions[];

#endif

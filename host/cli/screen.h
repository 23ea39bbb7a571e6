// screen: the whole terminal, for a command that draws on it and reads keys.
//
// While it is open, the terminal shows its other screen without a cursor. However the process ends,
// but for SIGKILL, the terminal is as it was before: at exit, and at each signal that ends it.
#ifndef WEIR_SCREEN_H
#define WEIR_SCREEN_H

#include <lauxlib.h>

// Restores the terminal if the screen is open.
void screen_close(void);

// For weir.native.client: open_screen close_screen suspend keys.
extern const luaL_Reg screen_functions[];

#endif

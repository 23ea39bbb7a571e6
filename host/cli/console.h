// console: the files that a command reads, and the terminal that it writes to.
//
// The Console is its owner's, who calls console_close; it belongs to the thread of the Lua state.
#ifndef WEIR_CONSOLE_H
#define WEIR_CONSOLE_H

#include "assets/bundle.h"
#include "base/address.h"

#include <lauxlib.h>
#include <stdio.h>

// What is being read, so that it is closed when reading raises.
typedef struct {
    const RedisAddress *redis; // that the command talks to
    Bundle bundle;
    FILE *file;
    int input; // piece by piece, or -1
} Console;

void console_open(Console *console, const RedisAddress *redis);
void console_close(Console *console);

// For weir.native.client, with the Console as upvalue: bundle read open more write is_terminal
// width height show changed_folders.
extern const luaL_Reg console_functions[];

#endif

// command_io: the files that a command reads, and the terminal that it writes to.
//
// The CommandIo is its owner's, who calls command_io_close; it belongs to the thread of the Lua
// state.
#ifndef WEIR_COMMAND_IO_H
#define WEIR_COMMAND_IO_H

#include "assets/bundle.h"
#include "base/address.h"

#include <lauxlib.h>
#include <stdio.h>

// The files that are open, so that they are closed when Lua raises.
typedef struct {
    const RedisAddress *redis; // that the command talks to
    Bundle bundle;
    FILE *file;
    int input; // read piece by piece, or -1
} CommandIo;

void command_io_open(CommandIo *io, const RedisAddress *redis);
void command_io_close(CommandIo *io);

// For weir.native.client, with the CommandIo as upvalue: bundle read open more write is_terminal
// width height show changed_folders.
extern const luaL_Reg command_io_functions[];

#endif

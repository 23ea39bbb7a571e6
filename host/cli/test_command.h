// test_command: the command `weir test`: busted, in a Lua state of its own.
//
// Specs are trusted and run in plain Lua, without the limits and hooks that runs have. The command
// is written in Lua (lua/weir/cli/test/init.lua), on the module weir.native.tester of this file.
#ifndef WEIR_TEST_COMMAND_H
#define WEIR_TEST_COMMAND_H

#include "config/config.h"

// Runs the command, and returns its exit status.
int test_command_run(const Config *config);

#endif

// test_command: the command `weir test`: busted, in a Lua state of its own.
//
// Specs are trusted and run in plain Lua, without the limits and hooks that runs have. What is to
// be run and said is Lua (lua/weir/cli/test/init.lua); this file gives it the module
// weir.native.tester.
#ifndef WEIR_TEST_COMMAND_H
#define WEIR_TEST_COMMAND_H

#include "config/config.h"

// Runs the command; its exit status.
int test_command_run(const Config *config);

#endif

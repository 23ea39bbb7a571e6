// client: the commands that talk to a Redis and run no workflows.
//
// What they do and show is Lua (lua/weir/cli/init.lua); this gives it the module
// weir.native.client, of calls, messages, the console and wait. One thread at a time may be in
// client_run.
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include "config/config.h"

// Runs the command; its exit status.
int client_run(const Config *config);

// Makes client_run return soon, whatever it waits for. Any thread, also before it began.
void client_interrupt(void);

#endif

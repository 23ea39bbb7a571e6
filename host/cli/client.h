// client: the commands that talk to a Redis and run no workflows.
//
// They are written in Lua (lua/weir/cli/init.lua), on the module weir.native.client, which this
// file makes of calls, subscription, command_io and interrupts. One thread at a time may be in
// client_run.
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include "config/config.h"

// Runs the command; its exit status.
int client_run(const Config *config);

// Ends every wait of client_run, now and later. Any thread, also before client_run begins.
void client_interrupt(void);

#endif

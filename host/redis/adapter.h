// adapter: a connection of hiredis on a libuv loop.
//
// The adapter that comes with hiredis does not notice a refused connection, and makes two system
// calls for every write. This one only notes which events hiredis wants, and starts the poll when
// hiredis has returned. For the thread of the loop; `data` of the connection is the caller's.
#ifndef WEIR_ADAPTER_H
#define WEIR_ADAPTER_H

#include <hiredis/async.h>
#include <uv.h>

// Connects the two, and keeps the socket from programs that a step starts. Returns 0 or a code of
// libuv. hiredis frees the adapter with the connection.
int adapter_attach(uv_loop_t *loop, redisAsyncContext *connection);

// Waits for what hiredis wants now. Call it once the connection has its callbacks.
void adapter_arm(redisAsyncContext *connection);

// Writes the commands now; the poll would write them after another iteration of the loop.
void adapter_flush(redisAsyncContext *connection);

#endif

// private_redis: a redis-server that this process starts for itself, on a unix socket.
//
// The server ends with this process, also when the process is killed. With a folder (`weir dev`)
// the data stays there, and the folder has one server at a time. Without a folder the data is in a
// temporary one, which is removed at the end.
#ifndef WEIR_PRIVATE_REDIS_H
#define WEIR_PRIVATE_REDIS_H

#include "base/address.h"

typedef struct PrivateRedis PrivateRedis;

enum { PRIVATE_REDIS_FAULT_SIZE = 512 };

// Waits until the server answers. Returns 0, the server and its address; or a negative libuv code
// with one sentence in `fault` (UV_EBUSY: another process has the folder). An address that was read
// before, or zeroed memory, is replaced; it stays the caller's. `durability` is always, everysec or
// none. Call it from the main thread, before any other thread starts: Linux ends the server with
// the thread that started it.
int private_redis_start(PrivateRedis **server, const char *folder, const char *durability,
                        RedisAddress *address, char fault[PRIVATE_REDIS_FAULT_SIZE]);

// Stops the server, waits for its end and frees it. `server` may be NULL.
void private_redis_stop(PrivateRedis *server);

#endif

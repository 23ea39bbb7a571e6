// private_redis: a redis-server that this process starts for itself, on a unix socket.
//
// It dies with its parent, also when that is killed. Without a folder its data is in a temporary
// one, which is removed at the end. With a folder (`weir dev`) the data stays, and the folder has
// one such server at a time.
#ifndef WEIR_PRIVATE_REDIS_H
#define WEIR_PRIVATE_REDIS_H

#include "base/address.h"

typedef struct PrivateRedis PrivateRedis;

enum { PRIVATE_REDIS_FAULT_SIZE = 512 };

// Returns when the server answers: 0 and its address, or a negative libuv code with one sentence in
// `fault` (UV_EBUSY: another process has the folder). `durability` is always, everysec or none.
// Call it from the main thread, before any other starts: the server dies with the thread that
// called.
int private_redis_start(PrivateRedis **embedded, const char *folder, const char *durability,
                        RedisAddress *address, char fault[PRIVATE_REDIS_FAULT_SIZE]);

// Stops the server and waits for its end. May be NULL.
void private_redis_stop(PrivateRedis *embedded);

#endif

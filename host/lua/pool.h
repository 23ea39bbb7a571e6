// pool: the memory of one Lua state. Lua asks for small blocks by the million and tells their size
// when it gives them back; chunks of blocks of one size serve that several times faster than
// malloc.
//
// A chunk without a block in use goes back to the system, but for a few that are kept for the next
// blocks. Large blocks are malloc's. Not for two threads. Never fails: out of memory aborts.
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <stddef.h>

enum { POOL_STEP = 16, POOL_CLASSES = 33 }; // blocks of up to 512 bytes

typedef struct Chunk Chunk;

typedef struct {
    Chunk *open[POOL_CLASSES]; // of that size, with room; the first is taken from
    Chunk *full;
    Chunk *spare;
    size_t spares;
} Pool;

void *pool_take(Pool *pool, size_t size);
void pool_give(Pool *pool, void *block, size_t size);
void *pool_resize(Pool *pool, void *block, size_t old_size, size_t new_size);

// Frees all small blocks; large ones have to be given back before.
void pool_close(Pool *pool);

#endif

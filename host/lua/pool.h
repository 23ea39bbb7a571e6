// pool: the memory of one Lua state. Lua asks for millions of small blocks and names their size
// when it frees them; chunks of blocks of one size are several times faster than malloc.
//
// A chunk without a used block goes back to the system, except for a few that are kept for the next
// blocks. malloc serves large blocks. One thread at a time. Never fails: out of memory aborts.
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

// Frees all small blocks; the caller must have given back the large ones.
void pool_close(Pool *pool);

#endif

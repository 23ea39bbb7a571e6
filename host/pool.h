// pool: the memory of one Lua state. Lua asks for small blocks by the million and tells their size
// when it gives them back; lists of free blocks by size serve that several times faster than
// malloc.
//
// What a small block once was stays for small blocks until the pool is closed; large ones are
// malloc's. Not for two threads. Never fails: out of memory aborts.
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <stddef.h>

enum { POOL_STEP = 16, POOL_CLASSES = 33 }; // blocks of up to 512 bytes

typedef struct {
    void *free[POOL_CLASSES]; // each block begins with the address of the next
    char *next, *end;         // of the chunk that new blocks are cut from
    void *chunks;             // each begins with the address of the one before
} Pool;

void *pool_take(Pool *pool, size_t size);
void pool_give(Pool *pool, void *block, size_t size);
void *pool_resize(Pool *pool, void *block, size_t old_size, size_t new_size);

// Frees all small blocks; large ones have to be given back before.
void pool_close(Pool *pool);

#endif

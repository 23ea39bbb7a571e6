// pool: chunks begin at a multiple of their size, so that a block's address tells its chunk.
#include "lua/pool.h"

#include "base/xmalloc.h"

#include <stdint.h>
#include <sys/mman.h>
#include <utlist.h>

enum {
    CHUNK = 64 * 1024,
    SPARES = 32 // 2 MiB: what a worker takes and gives back all the time
};

// Sanitizers are to see each block's bounds and its end.
#if defined(__SANITIZE_ADDRESS__)
enum { LARGEST = 0 };
#else
enum { LARGEST = (POOL_CLASSES - 1) * POOL_STEP };
#endif

struct Chunk {
    void *free; // each block that was given back begins with the address of the next
    char *next; // from here on no block was ever taken
    size_t used, capacity;
    Chunk *prev, *after; // in a list of the pool
};

enum { HEADER = (sizeof(Chunk) + POOL_STEP - 1) / POOL_STEP * POOL_STEP };

static size_t class_of(size_t size) {
    return (size + POOL_STEP - 1) / POOL_STEP;
}

static Chunk *chunk_of(void *block) {
    return (Chunk *)((uintptr_t)block & ~(uintptr_t)(CHUNK - 1));
}

// ---- chunks -------------------------------------------------------------------------------------

static char *map(size_t size) {
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

// The kernel puts it right below the one before, if that is free: then it begins where it has to.
static Chunk *map_chunk(void) {
    char *memory = map(CHUNK);
    if ((uintptr_t)memory % CHUNK == 0) return (Chunk *)memory;
    munmap(memory, CHUNK);
    memory = map(2 * CHUNK);
    size_t before = CHUNK - (uintptr_t)memory % CHUNK;
    munmap(memory, before);
    if (before < CHUNK) munmap(memory + before + CHUNK, CHUNK - before);
    return (Chunk *)(memory + before);
}

static Chunk *open_chunk(Pool *pool, size_t class) {
    Chunk *chunk = pool->spare;
    if (chunk) {
        DL_DELETE2(pool->spare, chunk, prev, after);
        pool->spares--;
    } else {
        chunk = map_chunk();
    }
    chunk->free = NULL;
    chunk->next = (char *)chunk + HEADER;
    chunk->used = 0;
    chunk->capacity = (CHUNK - HEADER) / (class * POOL_STEP);
    DL_PREPEND2(pool->open[class], chunk, prev, after);
    return chunk;
}

static void fill(Pool *pool, Chunk *chunk, size_t class) {
    DL_DELETE2(pool->open[class], chunk, prev, after);
    DL_PREPEND2(pool->full, chunk, prev, after);
}

static void reopen(Pool *pool, Chunk *chunk, size_t class) {
    DL_DELETE2(pool->full, chunk, prev, after);
    DL_PREPEND2(pool->open[class], chunk, prev, after);
}

static void empty(Pool *pool, Chunk *chunk, size_t class) {
    if (chunk->prev == chunk) return; // the only one with room
    DL_DELETE2(pool->open[class], chunk, prev, after);
    if (pool->spares == SPARES) {
        munmap(chunk, CHUNK);
        return;
    }
    DL_PREPEND2(pool->spare, chunk, prev, after);
    pool->spares++;
}

// ---- blocks -------------------------------------------------------------------------------------

void *pool_take(Pool *pool, size_t size) {
    if (size > LARGEST) return xmalloc(size);
    size_t class = class_of(size);
    Chunk *chunk = pool->open[class];
    if (!chunk) chunk = open_chunk(pool, class);
    void *block = chunk->free;
    if (block) {
        chunk->free = *(void **)block;
    } else {
        block = chunk->next;
        chunk->next += class * POOL_STEP;
    }
    if (++chunk->used == chunk->capacity) fill(pool, chunk, class);
    return block;
}

void pool_give(Pool *pool, void *block, size_t size) {
    if (size > LARGEST) {
        free(block);
        return;
    }
    Chunk *chunk = chunk_of(block);
    *(void **)block = chunk->free;
    chunk->free = block;
    if (chunk->used-- == chunk->capacity) reopen(pool, chunk, class_of(size));
    if (chunk->used == 0) empty(pool, chunk, class_of(size));
}

void *pool_resize(Pool *pool, void *block, size_t old_size, size_t new_size) {
    if (old_size > LARGEST && new_size > LARGEST) return xrealloc(block, new_size);
    if (old_size <= LARGEST && class_of(old_size) == class_of(new_size)) return block;
    void *moved = pool_take(pool, new_size);
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    pool_give(pool, block, old_size);
    return moved;
}

static void unmap_all(Chunk *chunk) {
    for (Chunk *after; chunk; chunk = after) {
        after = chunk->after;
        munmap(chunk, CHUNK);
    }
}

void pool_close(Pool *pool) {
    for (size_t class = 0; class < POOL_CLASSES; class ++) unmap_all(pool->open[class]);
    unmap_all(pool->full);
    unmap_all(pool->spare);
    *pool = (Pool){0};
}

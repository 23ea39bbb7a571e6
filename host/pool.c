#include "pool.h"

#include "xmalloc.h"

enum { CHUNK = 64 * 1024 };

// Sanitizers are to see each block's bounds and its end.
#if defined(__SANITIZE_ADDRESS__)
enum { LARGEST = 0 };
#else
enum { LARGEST = (POOL_CLASSES - 1) * POOL_STEP };
#endif

static size_t class_of(size_t size) {
    return (size + POOL_STEP - 1) / POOL_STEP;
}

static void *cut(Pool *pool, size_t size) {
    if ((size_t)(pool->end - pool->next) < size) {
        char *chunk = xmalloc(CHUNK); // what is left of the last one is less than one block
        *(void **)chunk = pool->chunks;
        pool->chunks = chunk;
        pool->next = chunk + POOL_STEP;
        pool->end = chunk + CHUNK;
    }
    void *block = pool->next;
    pool->next += size;
    return block;
}

void *pool_take(Pool *pool, size_t size) {
    if (size > LARGEST) return xmalloc(size);
    size_t class = class_of(size);
    void *block = pool->free[class];
    if (!block) return cut(pool, class * POOL_STEP);
    pool->free[class] = *(void **)block;
    return block;
}

void pool_give(Pool *pool, void *block, size_t size) {
    if (size > LARGEST) {
        free(block);
        return;
    }
    size_t class = class_of(size);
    *(void **)block = pool->free[class];
    pool->free[class] = block;
}

void *pool_resize(Pool *pool, void *block, size_t old_size, size_t new_size) {
    if (old_size > LARGEST && new_size > LARGEST) return xrealloc(block, new_size);
    if (old_size <= LARGEST && class_of(old_size) == class_of(new_size)) return block;
    void *moved = pool_take(pool, new_size);
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    pool_give(pool, block, old_size);
    return moved;
}

void pool_close(Pool *pool) {
    for (void *chunk = pool->chunks, *before; chunk; chunk = before) {
        before = *(void **)chunk;
        free(chunk);
    }
    *pool = (Pool){0};
}

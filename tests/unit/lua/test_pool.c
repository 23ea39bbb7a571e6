// Blocks do not overlap, come back, and keep their bytes when they change size.
#include "lua/pool.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 3000 };

static void test_random_blocks_keep_their_bytes(void **state) {
    (void)state;
    Pool pool = {0};
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    memset(sizes, 0, sizeof sizes);
    srand(7);
    for (int step = 0; step < 100000; step++) {
        int i = rand() % BLOCKS;
        size_t size = 1 + (size_t)rand() % (rand() % 8 ? 100 : 2000);
        if (!sizes[i]) {
            blocks[i] = pool_take(&pool, size);
        } else {
            assert_int_equal(blocks[i][0], i & 0xff);
            assert_int_equal(blocks[i][sizes[i] - 1], i & 0xff);
            if (rand() % 2) {
                pool_give(&pool, blocks[i], sizes[i]);
                sizes[i] = 0;
                continue;
            }
            blocks[i] = pool_resize(&pool, blocks[i], sizes[i], size);
            assert_int_equal(blocks[i][0], i & 0xff);
        }
        memset(blocks[i], i & 0xff, size);
        sizes[i] = size;
    }
    for (int i = 0; i < BLOCKS; i++)
        if (sizes[i]) pool_give(&pool, blocks[i], sizes[i]);
    pool_close(&pool);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true // sanitizers keep the memory that was freed
#else
#define IS_SANITIZED false
#endif

static long resident_kib(void) {
    long kib = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    fclose(status);
    return kib;
}

static void test_memory_of_small_blocks_comes_back(void **state) {
    (void)state;
    if (IS_SANITIZED) skip();
    enum { COUNT = 400000, SIZES = 32 };
    Pool pool = {0};
    void **blocks = calloc(COUNT, sizeof *blocks);
    memset(blocks, 1, COUNT * sizeof *blocks);
    long before = resident_kib();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = pool_take(&pool, (size_t)(1 + i % SIZES) * POOL_STEP);
            memset(blocks[i], 1, (size_t)(1 + i % SIZES) * POOL_STEP);
        }
        assert_true(resident_kib() - before > 90 * 1024);
        for (int i = 0; i < COUNT; i++)
            pool_give(&pool, blocks[i], (size_t)(1 + i % SIZES) * POOL_STEP);
        assert_true(resident_kib() - before < 10 * 1024);
    }
    pool_close(&pool);
    free(blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_blocks_keep_their_bytes),
        cmocka_unit_test(test_memory_of_small_blocks_comes_back),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}

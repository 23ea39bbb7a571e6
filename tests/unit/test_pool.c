// Blocks do not overlap, come back, and keep their bytes when they change size.
#include "pool.h"

#include "unit.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_blocks_keep_their_bytes)};
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}

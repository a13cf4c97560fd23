/* SPDX-License-Identifier: MIT */
#include "common/pure/bucket.h"
#include "common/pure/pool.h"
#include "common/pure/rng.h"
#include "tests/support/cunit_main.h"

/* GOAL    a pool gives as many items as it has, zeroed, at stable positions, and no more. */
static void
pool_fills_refuses_and_is_reused(void)
{
    struct pool pool;
    ASSERT_I64_EQ(pool_init(&pool, 24, 3), ERR_OK);
    uint8_t *items[3];
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            items[i] = pool_take(&pool);
            CU_ASSERT_PTR_NOT_NULL_FATAL(items[i]);
            for (uint32_t b = 0; b < 24; b++) {
                ASSERT_I64_EQ(items[i][b], 0);
            }
            memset(items[i], 0xee, 24);
            CU_ASSERT_PTR_EQUAL(pool_at(&pool, pool_index(&pool, items[i])), items[i]);
        }
        CU_ASSERT_PTR_NULL(pool_take(&pool));
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t index = pool_index(&pool, items[i]);
            pool_give(&pool, items[i]);
            CU_ASSERT_PTR_NULL(pool_at(&pool, index));
        }
    }
    pool_fini(&pool);
}

/* GOAL    B1: in every prefix, taken - refunded <= burst + ratio * deposits. */
static void
bucket_never_gives_more_than_was_earned(void)
{
    struct rng rng;
    rng_init(&rng, 5);
    for (uint32_t burst = 0; burst < 12; burst += 3) {
        struct bucket bucket;
        bucket_init(&bucket, burst, 0.05);
        int64_t taken = 0;
        int64_t deposits = 0;
        for (int i = 0; i < 20000; i++) {
            if (rng_chance(&rng, 0.9)) {
                bucket_deposit(&bucket);
                deposits++;
            } else if (bucket_take(&bucket)) {
                taken++;
            }
            if (taken > 0 && rng_chance(&rng, 0.01)) {
                bucket_refund(&bucket);
                taken--;
            }
            CU_ASSERT_FATAL(taken * 20 <= (int64_t) burst * 20 + deposits);
        }
        CU_ASSERT_TRUE(taken > 300);
    }
}

static const struct test tests[] = {
    TEST(pool_fills_refuses_and_is_reused),
    TEST(bucket_never_gives_more_than_was_earned),
};
TEST_MAIN("pool", tests)

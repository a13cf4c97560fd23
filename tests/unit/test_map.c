/* SPDX-License-Identifier: MIT */
#include "common/pure/map.h"

#include "common/pure/rng.h"
#include "tests/support/cunit_main.h"

#define KEYS_COUNT 500

/* GOAL    what was put is found, what was removed is not, through any history.
 * METHOD  random operations beside a plain array, at full load. */
static void
map_agrees_with_an_array(void)
{
    struct rng rng;
    rng_init(&rng, 3);
    struct map map;
    ASSERT_I64_EQ(map_init(&map, KEYS_COUNT / 2, 9), ERR_OK);
    bool is_in[KEYS_COUNT] = { false };
    uint32_t values[KEYS_COUNT] = { 0 };
    uint32_t count = 0;
    for (int round = 0; round < 200000; round++) {
        uint32_t at = rng_below(&rng, KEYS_COUNT);
        id_t128 key = map_key_u64(at * 0x100000001u);
        uint32_t value = (uint32_t) rng_u64(&rng);
        uint32_t found = 0;
        CU_ASSERT_EQUAL_FATAL(map_get(&map, key, &found), is_in[at]);
        CU_ASSERT_FATAL(!is_in[at] || found == values[at]);
        if (rng_chance(&rng, 0.55)) {
            bool fits = !is_in[at] && count < KEYS_COUNT / 2;
            CU_ASSERT_EQUAL_FATAL(map_put(&map, key, value), fits);
            if (fits) {
                is_in[at] = true;
                values[at] = value;
                count++;
            }
        } else {
            CU_ASSERT_EQUAL_FATAL(map_remove(&map, key), is_in[at]);
            count -= is_in[at];
            is_in[at] = false;
        }
        CU_ASSERT_EQUAL_FATAL(map.count, count);
    }
    map_fini(&map);
}

static void
map_full_refuses(void)
{
    struct map map;
    ASSERT_I64_EQ(map_init(&map, 2, 0), ERR_OK);
    CU_ASSERT_TRUE(map_put(&map, map_key_u64(1), 1));
    CU_ASSERT_FALSE(map_put(&map, map_key_u64(1), 2));
    CU_ASSERT_TRUE(map_put(&map, map_key_u64(2), 2));
    CU_ASSERT_FALSE(map_put(&map, map_key_u64(3), 3));
    CU_ASSERT_TRUE(map_remove(&map, map_key_u64(1)));
    CU_ASSERT_TRUE(map_put(&map, map_key_u64(3), 3));
    map_fini(&map);
}

static const struct test tests[] = {
    TEST(map_agrees_with_an_array),
    TEST(map_full_refuses),
};
TEST_MAIN("map", tests)

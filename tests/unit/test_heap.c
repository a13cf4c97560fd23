/* SPDX-License-Identifier: MIT */
#include "common/pure/heap.h"

#include "common/pure/rng.h"
#include "tests/support/cunit_main.h"

#define NODES_COUNT 200

/* GOAL    pops come by key, and by order of pushing where keys are equal.
 * METHOD  random pushes, pops and removals beside a plain array; few different keys. */
static void
heap_agrees_with_an_array(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    struct heap heap;
    heap_init(&heap);
    static struct heap_node nodes[NODES_COUNT];
    uint32_t order[NODES_COUNT] = { 0 }; /* of the push; 0: out */
    uint32_t pushed = 0;
    for (int round = 0; round < 100000; round++) {
        uint32_t at = rng_below(&rng, NODES_COUNT);
        if (order[at] == 0) {
            heap_push(&heap, &nodes[at], (int64_t) rng_below(&rng, 20));
            order[at] = ++pushed;
        } else if (rng_chance(&rng, 0.5)) {
            heap_remove(&heap, &nodes[at]);
            order[at] = 0;
        } else {
            uint32_t best = at;
            for (uint32_t i = 0; i < NODES_COUNT; i++) {
                if (order[i] != 0 &&
                    (nodes[i].key < nodes[best].key ||
                        (nodes[i].key == nodes[best].key && order[i] < order[best]))) {
                    best = i;
                }
            }
            CU_ASSERT_PTR_EQUAL_FATAL(heap_pop(&heap), &nodes[best]);
            order[best] = 0;
        }
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < NODES_COUNT; i++) {
        left += order[i] != 0;
        CU_ASSERT_EQUAL(heap_node_is_in(&nodes[i]), order[i] != 0);
    }
    ASSERT_I64_EQ(heap.count, left);
}

static void
heap_empty_gives_nothing(void)
{
    struct heap heap;
    heap_init(&heap);
    CU_ASSERT_PTR_NULL(heap_first(&heap));
    CU_ASSERT_PTR_NULL(heap_pop(&heap));
}

static void
heap_move_changes_the_key(void)
{
    struct heap heap;
    heap_init(&heap);
    struct heap_node a = { 0 };
    struct heap_node b = { 0 };
    heap_move(&heap, &a, 1);
    heap_move(&heap, &b, 2);
    heap_move(&heap, &a, 3);
    CU_ASSERT_PTR_EQUAL(heap_pop(&heap), &b);
    CU_ASSERT_PTR_EQUAL(heap_pop(&heap), &a);
}

static const struct test tests[] = {
    TEST(heap_agrees_with_an_array),
    TEST(heap_empty_gives_nothing),
    TEST(heap_move_changes_the_key),
};
TEST_MAIN("heap", tests)

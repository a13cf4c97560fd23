/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/stress.h"
#include "worker/sched/runq.h"

#include <pthread.h>
#include <stdlib.h>

/* GOAL    RQ2: what goes into a ring or a deque comes out once, whoever takes it.
 * METHOD  one owner pushes and takes, two thieves steal; every item counts its takers. */
enum {
    TESTS_COUNT = 2,
    ITEMS_COUNT = 200000,
    THIEVES_COUNT = 2
};

static struct hr_fiber items[ITEMS_COUNT];
static _Atomic uint8_t takers[ITEMS_COUNT];
static _Atomic uint32_t taken_count;

static void
take(struct hr_fiber *item)
{
    if (item != NULL) {
        atomic_fetch_add_explicit(&takers[item - items], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&taken_count, 1, memory_order_relaxed);
    }
}

static void
setup(void)
{
    for (int i = 0; i < ITEMS_COUNT; i++) {
        atomic_store(&takers[i], 0);
    }
    atomic_store(&taken_count, 0);
}

static uint32_t
wrong_count(void)
{
    uint32_t wrong = 0;
    for (int i = 0; i < ITEMS_COUNT; i++) {
        wrong += atomic_load(&takers[i]) != 1;
    }
    return wrong;
}

static struct runq_ring ring;
static struct runq_deque deque;

static void *
ring_thief(void *arg)
{
    struct runq_ring *own = arg;
    while (atomic_load_explicit(&taken_count, memory_order_relaxed) < ITEMS_COUNT) {
        take(runq_ring_steal(&ring, own));
        struct hr_fiber *item;
        while ((item = runq_ring_take(own)) != NULL) {
            take(item);
        }
    }
    return NULL;
}

static void *
deque_thief(void *arg)
{
    (void) arg;
    while (atomic_load_explicit(&taken_count, memory_order_relaxed) < ITEMS_COUNT) {
        take(runq_deque_steal(&deque));
    }
    return NULL;
}

static void
run_owner(void *(*thief)(void *), bool is_ring)
{
    static struct runq_ring own[THIEVES_COUNT];
    pthread_t thieves[THIEVES_COUNT];
    for (int i = 0; i < THIEVES_COUNT; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thieves[i], NULL, thief, &own[i]), 0);
    }
    int pushed = 0;
    uint32_t dice = 1;
    while (atomic_load_explicit(&taken_count, memory_order_relaxed) < ITEMS_COUNT) {
        dice = dice * 1664525 + 1013904223;
        if (dice >> 31 == 0 && pushed < ITEMS_COUNT) {
            pushed += is_ring ? runq_ring_push(&ring, &items[pushed])
                              : runq_deque_push(&deque, &items[pushed], RUNQ_DEQUE_COUNT);
        } else {
            take(is_ring ? runq_ring_take(&ring) : runq_deque_take(&deque));
        }
    }
    for (int i = 0; i < THIEVES_COUNT; i++) {
        pthread_join(thieves[i], NULL);
    }
}

static void
runq_ring_gives_each_once(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    do {
        setup();
        run_owner(ring_thief, true);
        ASSERT_I64_EQ(taken_count, ITEMS_COUNT);
        ASSERT_I64_EQ(wrong_count(), 0);
    } while (stress_goes_on(&stress));
}

static void
runq_deque_gives_each_once(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    do {
        setup();
        run_owner(deque_thief, false);
        ASSERT_I64_EQ(taken_count, ITEMS_COUNT);
        ASSERT_I64_EQ(wrong_count(), 0);
    } while (stress_goes_on(&stress));
}

static const struct test tests[] = {
    TEST(runq_ring_gives_each_once),
    TEST(runq_deque_gives_each_once),
};
TEST_MAIN("stress_sched_runq", tests)

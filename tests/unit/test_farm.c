/* SPDX-License-Identifier: MIT
 *
 * GOAL    modelled workers run as many tasks as they have slots, in order, at their speed.
 * METHOD  a few tasks by hand, at invented times.
 */
#include "coordinator/sim/farm.h"
#include "tests/support/cunit_main.h"

static instant_t
at_ms(int64_t ms)
{
    return (instant_t){ .ns = ms * 1000000 };
}

static void
farm_second_task_of_a_slot_starts_when_the_first_ends(void)
{
    struct farm farm;
    CU_ASSERT_EQUAL_FATAL(farm_init(&farm, 2, 1, 8), ERR_OK);
    struct farm_task *first = farm_put(&farm, at_ms(0), 0, duration_ms(10));
    struct farm_task *second = farm_put(&farm, at_ms(1), 0, duration_ms(5));
    CU_ASSERT_TRUE(first->is_running);
    CU_ASSERT_FALSE(second->is_running);
    CU_ASSERT_EQUAL(farm_load_count(&farm, 0), 2);
    CU_ASSERT_EQUAL(farm_load_count(&farm, 1), 0);
    CU_ASSERT_PTR_EQUAL(farm_first(&farm), first);
    farm_take(&farm, at_ms(10), first, false);
    CU_ASSERT_TRUE(second->is_running);
    CU_ASSERT_EQUAL(farm_first(&farm)->end.key, at_ms(15).ns);
    farm_take(&farm, at_ms(12), second, true);
    CU_ASSERT_DOUBLE_EQUAL(farm.busy_ms, 12, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(farm.wasted_ms, 2, 1e-9);
    CU_ASSERT_PTR_NULL(farm_first(&farm));
    farm_fini(&farm);
}

static void
farm_slow_and_stopped_workers_are(void)
{
    struct farm farm;
    CU_ASSERT_EQUAL_FATAL(farm_init(&farm, 2, 1, 8), ERR_OK);
    farm.workers[0].slowness = 10;
    struct farm_task *slow = farm_put(&farm, at_ms(0), 0, duration_ms(10));
    CU_ASSERT_EQUAL(slow->end.key, at_ms(100).ns);
    struct farm_task *never = farm_put(&farm, at_ms(0), 1, duration_ms(10));
    farm_stop(&farm, 1);
    CU_ASSERT_PTR_EQUAL(farm_first(&farm), slow);
    farm_take(&farm, at_ms(100), slow, false);
    CU_ASSERT_PTR_NULL(farm_first(&farm));
    farm_take(&farm, at_ms(200), never, false);
    CU_ASSERT_DOUBLE_EQUAL(farm.busy_ms, 100, 1e-9); /* it burned nothing */
    farm_fini(&farm);
}

static uint32_t starts_count;

static void
count_start(void *user, struct farm_task *task)
{
    (void) user;
    CU_ASSERT_TRUE(task->is_running);
    starts_count++;
}

static void
farm_task_behind_others_starts_after_its_wait(void)
{
    struct farm farm;
    CU_ASSERT_EQUAL_FATAL(farm_init(&farm, 1, 1, 8), ERR_OK);
    farm.on_start = count_start;
    starts_count = 0;
    struct farm_task *task =
        farm_put_behind(&farm, at_ms(0), 0, duration_ms(3), duration_ms(20));
    CU_ASSERT_EQUAL(farm_first(&farm)->end.key, at_ms(20).ns);
    CU_ASSERT_TRUE(farm_goes_on(&farm, at_ms(20), task));
    CU_ASSERT_EQUAL(starts_count, 1);
    CU_ASSERT_EQUAL(farm_first(&farm)->end.key, at_ms(23).ns);
    CU_ASSERT_FALSE(farm_goes_on(&farm, at_ms(23), task));
    farm_take(&farm, at_ms(23), task, false);
    struct farm_task *gone =
        farm_put_behind(&farm, at_ms(30), 0, duration_ms(3), duration_ms(20));
    farm_take(&farm, at_ms(31), gone, true);
    CU_ASSERT_PTR_NULL(farm_first(&farm));
    CU_ASSERT_DOUBLE_EQUAL(farm.wasted_ms, 0, 1e-9);
    farm_fini(&farm);
}

static const struct test tests[] = {
    TEST(farm_second_task_of_a_slot_starts_when_the_first_ends),
    TEST(farm_slow_and_stopped_workers_are),
    TEST(farm_task_behind_others_starts_after_its_wait),
};
TEST_MAIN("farm", tests)

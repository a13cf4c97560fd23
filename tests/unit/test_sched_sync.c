/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <errno.h>
#include <stdatomic.h>

enum {
    FIBERS_COUNT = 8,
    TURNS_COUNT = 2000
};

struct world {
    struct hr_mutex mutex;
    struct hr_rwlock rwlock;
    struct hr_cond cond;
    struct hr_sem sem;
    struct hr_once once;
    struct hr_wg wg;
    struct hr_flight flight;
    struct hr_ctx *ctx;
    uint64_t counter; /* guard: the lock under test */
    uint64_t shadow;
    _Atomic int inside;
    _Atomic int calls;
    _Atomic int shared;
};

static void
go_all(struct world *world, hr_fn *fn)
{
    hr_wg_add(&world->wg, FIBERS_COUNT);
    for (int i = 0; i < FIBERS_COUNT; i++) {
        MUST(hr_go(fn, world, "worker") == 0);
    }
    MUST(hr_wg_wait(&world->wg) == 0);
}

/* GOAL    a mutex lets one in at a time, with and without waiting. */
static void
add_under_mutex(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < TURNS_COUNT; i++) {
        if (i % 5 == 0) {
            MUST(hr_mutex_lock_ctx(&world->mutex) == 0);
        } else if (i % 7 != 0 || !hr_mutex_try_lock(&world->mutex)) {
            hr_mutex_lock(&world->mutex);
        }
        world->counter++;
        if (i % 16 == 0) {
            hr_yield(); /* a holder may park */
        }
        world->shadow = world->counter;
        hr_mutex_unlock(&world->mutex);
    }
    hr_wg_done(&world->wg);
}

static void
use_mutex(void *arg)
{
    go_all(arg, add_under_mutex);
}

static void
sync_mutex_lets_one_in(void)
{
    for (uint32_t procs = 1; procs <= 3; procs++) {
        struct world world = { .counter = 0 };
        sched_run(procs, use_mutex, &world);
        ASSERT_I64_EQ(world.counter, FIBERS_COUNT * TURNS_COUNT);
        ASSERT_I64_EQ(world.shadow, world.counter);
    }
}

/* GOAL    a fiber that waits for a mutex gives up when its ctx ends, and only then. */
static void
lock_in_vain(void *arg)
{
    struct world *world = arg;
    MUST(hr_mutex_lock_ctx(&world->mutex) == -ETIMEDOUT);
    atomic_fetch_add(&world->calls, 1);
}

static void
hold_on(void *arg)
{
    struct world *world = arg;
    hr_mutex_lock(&world->mutex);
    struct hr_ctx *ctx = hr_ctx_new(NULL, hr_now() + 1000000);
    MUST(hr_go_ctx(ctx, lock_in_vain, world, "vain") == 0);
    MUST(hr_go_ctx(ctx, lock_in_vain, world, "vain") == 0);
    while (world->calls < 2) {
        hr_sleep(100000);
    }
    hr_mutex_unlock(&world->mutex);
    MUST(hr_mutex_try_lock(&world->mutex));
    hr_mutex_unlock(&world->mutex);
    hr_ctx_rele(ctx);
}

static void
sync_mutex_wait_ends_with_ctx(void)
{
    struct world world = { .counter = 0 };
    sched_run(2, hold_on, &world);
    ASSERT_I64_EQ(world.calls, 2);
}

/* GOAL    readers share, writers do not, and neither starves the other. */
static void
read_and_write(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < TURNS_COUNT; i++) {
        if (i % 4 == 0) {
            hr_rwlock_lock(&world->rwlock);
            MUST(atomic_fetch_add(&world->inside, 1) == 0);
            world->counter++;
            if (i % 64 == 0) {
                hr_yield();
            }
            world->shadow++;
            MUST(atomic_fetch_sub(&world->inside, 1) == 1);
            hr_rwlock_unlock(&world->rwlock);
        } else {
            hr_rwlock_lock_shared(&world->rwlock);
            uint64_t seen = world->counter;
            if (i % 32 == 1) {
                hr_yield();
            }
            MUST(seen == world->shadow);
            hr_rwlock_unlock_shared(&world->rwlock);
        }
    }
    hr_wg_done(&world->wg);
}

static void
use_rwlock(void *arg)
{
    go_all(arg, read_and_write);
}

static void
sync_rwlock_keeps_writers_alone(void)
{
    for (uint32_t procs = 1; procs <= 3; procs++) {
        struct world world = { .counter = 0 };
        sched_run(procs, use_rwlock, &world);
        ASSERT_I64_EQ(world.counter, FIBERS_COUNT * TURNS_COUNT / 4);
    }
}

/* GOAL    waiters on a condition are woken by signal and broadcast. */
static void
wait_for_counter(void *arg)
{
    struct world *world = arg;
    hr_mutex_lock(&world->mutex);
    while (world->counter == 0) {
        MUST(hr_cond_wait(&world->cond, &world->mutex) == 0);
    }
    world->counter--;
    hr_mutex_unlock(&world->mutex);
    hr_wg_done(&world->wg);
}

static void
give_counts(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < FIBERS_COUNT / 2; i++) {
        hr_mutex_lock(&world->mutex);
        world->counter++;
        hr_mutex_unlock(&world->mutex);
        hr_cond_signal(&world->cond);
        hr_yield();
    }
    hr_mutex_lock(&world->mutex);
    world->counter += FIBERS_COUNT / 2;
    hr_cond_broadcast(&world->cond);
    hr_mutex_unlock(&world->mutex);
}

static void
use_cond(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 50; i++) {
        MUST(hr_go(give_counts, world, "giver") == 0);
        go_all(world, wait_for_counter);
        MUST(world->counter == 0);
    }
}

static void
sync_cond_wakes_its_waiters(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        struct world world = { .counter = 0 };
        sched_run(procs, use_cond, &world);
    }
    CU_PASS("no MUST has failed");
}

/* GOAL    a semaphore admits as many as it has units; a big taker is not starved. */
static void
take_units(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 200; i++) {
        uint32_t units = i % 10 == 0 ? 3 : 1;
        MUST(hr_sem_take(&world->sem, units) == 0);
        int inside = atomic_fetch_add(&world->inside, (int) units) + (int) units;
        MUST(inside <= 3);
        hr_yield();
        atomic_fetch_sub(&world->inside, (int) units);
        hr_sem_give(&world->sem, units);
    }
    hr_wg_done(&world->wg);
}

static void
use_sem(void *arg)
{
    struct world *world = arg;
    hr_sem_init(&world->sem, 3);
    go_all(world, take_units);
    MUST(hr_sem_try_take(&world->sem, 3));
    MUST(!hr_sem_try_take(&world->sem, 1));
    hr_sem_give(&world->sem, 3);
}

static void
sync_sem_admits_its_units(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        struct world world = { .counter = 0 };
        sched_run(procs, use_sem, &world);
        ASSERT_I64_EQ(world.inside, 0);
    }
}

/* GOAL    once is once, and nobody returns from it before it is done. */
static void
be_slow_once(void *arg)
{
    struct world *world = arg;
    hr_sleep(1000000);
    world->counter++;
}

static void
do_once(void *arg)
{
    struct world *world = arg;
    hr_once_do(&world->once, be_slow_once, world);
    MUST(world->counter == 1);
    hr_wg_done(&world->wg);
}

static void
use_once(void *arg)
{
    go_all(arg, do_once);
    go_all(arg, do_once);
}

static void
sync_once_is_once(void)
{
    struct world world = { .counter = 0 };
    sched_run(2, use_once, &world);
    ASSERT_I64_EQ(world.counter, 1);
}

/* GOAL    the first error of a group cancels the others and comes out of the wait. */
static int
fail_soon(void *arg)
{
    (void) arg;
    return -ENOENT;
}

static int
sleep_long(void *arg)
{
    struct world *world = arg;
    int err = hr_sleep(INT64_MAX);
    MUST(err == -ECANCELED);
    MUST(hr_ctx_cause(hr_ctx_self()) == HR_CAUSE_GROUP);
    atomic_fetch_add(&world->calls, 1);
    return err;
}

static int
succeed(void *arg)
{
    (void) arg;
    return 0;
}

static void
use_group(void *arg)
{
    struct world *world = arg;
    struct hr_group group;
    MUST(hr_group_init(&group, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        MUST(hr_group_go(&group, sleep_long, world, "sleeper") == 0);
    }
    MUST(hr_group_go(&group, succeed, world, "fine") == 0);
    MUST(hr_group_go(&group, fail_soon, world, "failing") == 0);
    MUST(hr_group_wait(&group) == -ENOENT);
    MUST(hr_group_init(&group, NULL) == 0);
    MUST(hr_group_go(&group, succeed, world, "fine") == 0);
    MUST(hr_group_wait(&group) == 0);
}

static void
sync_group_fails_together(void)
{
    struct world world = { .counter = 0 };
    sched_run(2, use_group, &world);
    ASSERT_I64_EQ(world.calls, 5);
}

/* GOAL    callers of one key while it runs share one call and its result. */
static int
look_up(void *arg)
{
    struct world *world = arg;
    atomic_fetch_add(&world->calls, 1);
    hr_sleep(2000000);
    world->counter = 77;
    return -EEXIST;
}

static void
fly(void *arg)
{
    struct world *world = arg;
    uint64_t result = 0;
    bool shared = false;
    struct hr_flight_call call = {
        .key = "k", .fn = look_up, .arg = world, .result = &result, .result_size = 8
    };
    call.result = &world->counter;
    if (atomic_fetch_add(&world->inside, 1) > 0) {
        call.result = &result;
    }
    MUST(hr_flight_do(&world->flight, &call, &shared) == -EEXIST);
    MUST(*(uint64_t *) call.result == 77);
    atomic_fetch_add(&world->shared, shared);
    hr_wg_done(&world->wg);
}

static void
use_flight(void *arg)
{
    go_all(arg, fly);
}

static void
sync_flight_shares_a_call(void)
{
    struct world world = { .counter = 0 };
    sched_run(1, use_flight, &world);
    ASSERT_I64_EQ(world.calls, 1);
    ASSERT_I64_EQ(world.shared, FIBERS_COUNT - 1);
}

static const struct test tests[] = {
    TEST(sync_mutex_lets_one_in),
    TEST(sync_mutex_wait_ends_with_ctx),
    TEST(sync_rwlock_keeps_writers_alone),
    TEST(sync_cond_wakes_its_waiters),
    TEST(sync_sem_admits_its_units),
    TEST(sync_once_is_once),
    TEST(sync_group_fails_together),
    TEST(sync_flight_shares_a_call),
};
TEST_MAIN("sched_sync", tests)

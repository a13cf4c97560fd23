/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"
#include "worker/sched/runtime.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* GOAL    a fiber that blocks its thread, or burns it, without a word to the runtime does
 *         not stop the others, even on one proc.
 * METHOD  what it waits for is done by a fiber that waits behind it; if its proc stayed with
 *         the thread, the test would hang. */
enum {
    TESTS_COUNT = 4,
    FIBERS_COUNT = 6
};

struct world {
    int pipes[FIBERS_COUNT][2];
    pthread_mutex_t mutex;
    _Atomic int waiting;
    _Atomic int done;
    _Atomic bool is_over;
    struct stress stress;
};

static void
read_blocking(void *arg)
{
    char byte = 0;
    struct world *world = arg;
    int index = atomic_fetch_add(&world->waiting, 1);
    MUST(read(world->pipes[index][0], &byte, 1) == 1); /* the kernel's own, not hr_read */
    MUST(byte == 'x');
    hr_yield();
    atomic_fetch_add(&world->done, 1);
}

static void
write_all(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < FIBERS_COUNT; i++) {
        MUST(write(world->pipes[i][1], "x", 1) == 1);
        hr_yield();
    }
}

static void
block_and_write(void *arg)
{
    struct world *world = arg;
    while (stress_goes_on(&world->stress)) {
        world->waiting = 0;
        world->done = 0;
        for (int i = 0; i < FIBERS_COUNT; i++) {
            MUST(hr_go(read_blocking, world, "blocked reader") == 0);
        }
        MUST(hr_go(write_all, world, "writer") == 0);
        while (world->done < FIBERS_COUNT) {
            hr_sleep(50000);
        }
    }
}

static void
handoff_blocked_read_stops_nobody(void)
{
    struct world world = { .done = 0 };
    for (int i = 0; i < FIBERS_COUNT; i++) {
        CU_ASSERT_EQUAL_FATAL(pipe(world.pipes[i]), 0);
    }
    for (uint32_t procs = 1; procs <= 2; procs++) {
        world.stress = stress_begin(2 * TESTS_COUNT);
        sched_run(procs, block_and_write, &world);
        ASSERT_I64_EQ(world.done, FIBERS_COUNT);
    }
    for (int i = 0; i < FIBERS_COUNT; i++) {
        close(world.pipes[i][0]);
        close(world.pipes[i][1]);
    }
}

/* The same for a pthread mutex that another fiber holds while it waits. */
static void
lock_blocking(void *arg)
{
    struct world *world = arg;
    atomic_fetch_add(&world->waiting, 1);
    pthread_mutex_lock(&world->mutex);
    pthread_mutex_unlock(&world->mutex);
    atomic_fetch_add(&world->done, 1);
}

static void
hold_thread_mutex(void *arg)
{
    struct world *world = arg;
    pthread_mutex_lock(&world->mutex);
    for (int i = 0; i < FIBERS_COUNT; i++) {
        MUST(hr_go(lock_blocking, world, "blocked locker") == 0);
    }
    while (world->waiting == 0) {
        hr_yield(); /* against the rules, with the mutex held; it must not hang */
    }
    pthread_mutex_unlock(&world->mutex);
    while (world->done < FIBERS_COUNT) {
        hr_sleep(50000);
    }
}

static void
handoff_thread_mutex_stops_nobody(void)
{
#if !defined(__SANITIZE_THREAD__) /* TSan rightly objects to the unlock from another thread */
    bool is_allowed = true;
#else
    bool is_allowed = false;
#endif
    struct world world = { .mutex = PTHREAD_MUTEX_INITIALIZER };
    if (is_allowed) {
        sched_run(1, hold_thread_mutex, &world);
        ASSERT_I64_EQ(world.done, FIBERS_COUNT);
    }
}

/* And for a loop that never calls in. */
static void
hog_on(void *arg)
{
    struct world *world = arg;
    atomic_fetch_add(&world->waiting, 1);
    while (!atomic_load_explicit(&world->is_over, memory_order_relaxed)) {
    }
    atomic_fetch_add(&world->done, 1);
}

static void
stop_hogs(void *arg)
{
    struct world *world = arg;
    while (stress_goes_on(&world->stress)) {
        world->waiting = 0;
        world->done = 0;
        world->is_over = false;
        MUST(hr_go(hog_on, world, "hog") == 0);
        while (world->waiting == 0) {
            hr_sleep(50000);
        }
        hr_sleep(50000);
        world->is_over = true;
        while (world->done == 0) {
            hr_yield();
        }
    }
}

static void
handoff_hog_stops_nobody(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        struct world world = { .stress = stress_begin(2 * TESTS_COUNT) };
        sched_run(procs, stop_hogs, &world);
        ASSERT_I64_EQ(world.done, 1);
    }
}

/* More hogs than procs: they shall be set aside more slowly, but they must be. */
enum {
    HOGS_COUNT = 6
};

static void
stop_many_hogs(void *arg)
{
    struct world *world = arg;
    while (stress_goes_on(&world->stress)) {
        world->waiting = 0;
        world->done = 0;
        world->is_over = false;
        for (int i = 0; i < HOGS_COUNT; i++) {
            MUST(hr_go(hog_on, world, "hog") == 0);
        }
        while (world->waiting < HOGS_COUNT) {
            hr_sleep(50000);
        }
        hr_sleep(50000);
        world->is_over = true;
        while (world->done < HOGS_COUNT) {
            hr_sleep(50000);
        }
    }
}

static void
handoff_many_hogs_stop_nobody(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        struct world world = { .stress = stress_begin(2 * TESTS_COUNT) };
        sched_run(procs, stop_many_hogs, &world);
        ASSERT_I64_EQ(world.done, HOGS_COUNT);
    }
}

/* GOAL    a thread that the kernel has not let run yet counts as inside of the runtime: its
 *         proc must not be taken from it as if it sat in user code (it would not know).
 * METHOD  start some and look at once; most are not running by then. */
static void
handoff_leaves_unborn_threads_alone(void)
{
    enum {
        BIRTHS_COUNT = 50
    };
    struct hr_options options = { .procs_count = 2 };
    MUST(hr_start(&options) == 0);
    uint32_t outside_count = 0;
    for (int i = 0; i < BIRTHS_COUNT; i++) {
        struct thread *thread = runtime_thread_start();
        MUST(thread != NULL);
        outside_count += atomic_load(&thread->in_rt) == 0;
    }
    MUST(hr_stop() == 0);
    ASSERT_I64_EQ(outside_count, 0);
}

static const struct test tests[] = {
    TEST(handoff_blocked_read_stops_nobody),
    TEST(handoff_thread_mutex_stops_nobody),
    TEST(handoff_hog_stops_nobody),
    TEST(handoff_many_hogs_stop_nobody),
    TEST(handoff_leaves_unborn_threads_alone),
};
TEST_MAIN("stress_sched_handoff", tests)

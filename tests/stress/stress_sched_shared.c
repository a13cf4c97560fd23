/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* GOAL    what plain threads start runs once each, also while thieves take it from the proc
 *         that moves it from the shared queue to its ring, and run it to its end before that
 *         move is over; what they set or send wakes its fiber, also on a proc that is just
 *         falling asleep.
 * METHOD  threads start bursts of fibers that end at once (so that their descriptors are
 *         used again at once, links and all); each counts. */
enum {
    TESTS_COUNT = 3,
    PROCS_COUNT = 2, /* two: each one's batch is the other's prey */
    CROWDED_PROCS_COUNT = 6,
    THREADS_COUNT = 2,
    BURST_COUNT = 40,
    BACKLOG_COUNT = 20000 /* well below the bound of fibers: none must leak */
};

struct crowd {
    struct stress *stress;
    _Atomic uint64_t started;
    _Atomic uint64_t ran;
};

static void
tick(void *arg)
{
    struct crowd *crowd = arg;
    for (volatile uint32_t i = (uint32_t) (hr_now() / 8 % 300); i > 0; i--) {
    }
    atomic_fetch_add(&crowd->ran, 1);
}

static void *
start_bursts(void *arg)
{
    struct crowd *crowd = arg;
    struct stress stress = *crowd->stress;
    while (stress_goes_on(&stress)) {
        uint32_t count = 1 + dice_below(&stress.dice, BURST_COUNT);
        for (uint32_t i = 0; i < count; i++) {
            MUST(hr_go(tick, crowd, "tick") == 0);
        }
        uint64_t started = atomic_fetch_add(&crowd->started, count) + count;
        while (atomic_load(&crowd->ran) + BACKLOG_COUNT < started) {
            sched_yield();
        }
        /* Now and then let them all go to sleep, else let the queue run dry or not. */
        while (dice_below(&stress.dice, 8) != 0 && atomic_load(&crowd->ran) < started) {
            sched_yield();
        }
    }
    return NULL;
}

static void
shared_each_runs_once(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    struct crowd crowd = { .stress = &stress };
    struct hr_options options = { .procs_count = PROCS_COUNT };
    pthread_t threads[THREADS_COUNT];
    MUST(hr_start(&options) == 0);
    for (int i = 0; i < THREADS_COUNT; i++) {
        MUST(pthread_create(&threads[i], NULL, start_bursts, &crowd) == 0);
    }
    for (int i = 0; i < THREADS_COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(crowd.ran, crowd.started);
}

/* The same by fibers: rings and deques overflow into the shared queue, thieves empty it. */
static void
branch(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < 4; i++) {
        MUST(hr_go(tick, crowd, "leaf") == 0);
        hr_yield();
    }
    atomic_fetch_add(&crowd->ran, 1);
}

static void
start_branches(void *arg)
{
    struct crowd *crowd = arg;
    while (stress_goes_on(crowd->stress)) {
        uint32_t count = 1 + dice_below(&crowd->stress->dice, 20 * BURST_COUNT);
        for (uint32_t i = 0; i < count; i++) {
            MUST(hr_go(branch, crowd, "branch") == 0);
        }
        crowd->started += 5 * count;
        while (atomic_load(&crowd->ran) < crowd->started) {
            hr_yield();
        }
    }
}

static void
shared_overflow_loses_nobody(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    struct crowd crowd = { .stress = &stress };
    sched_run(CROWDED_PROCS_COUNT, start_branches, &crowd);
    ASSERT_I64_EQ(crowd.ran, crowd.started);
}

/* ---- threads that send to and are answered by fibers ---- */

struct desk {
    struct hr_chan *questions;
    struct hr_event answered;
    _Atomic uint64_t *answers;
};

static void
answer(void *arg)
{
    struct desk *desk = arg;
    uint64_t question;
    while (hr_chan_recv(desk->questions, &question) == 0) {
        atomic_store(desk->answers, question);
    }
    hr_event_set(&desk->answered);
}

static void *
ask(void *arg)
{
    struct stress stress = *(struct stress *) arg;
    while (stress_goes_on(&stress)) {
        _Atomic uint64_t answers = 0;
        struct desk desk = { .questions = hr_chan_new(sizeof(uint64_t), 2),
            .answers = &answers };
        hr_event_init(&desk.answered);
        MUST(hr_go(answer, &desk, "desk") == 0);
        for (uint64_t i = 1; i <= 50; i++) {
            while (hr_chan_try_send(desk.questions, &i) == -EAGAIN) {
                sched_yield();
            }
            while (dice_below(&stress.dice, 4) == 0 && atomic_load(&answers) < i) {
                sched_yield(); /* without a lost wake-up, never for long */
            }
        }
        MUST(hr_chan_close(desk.questions) == 0);
        MUST(hr_event_wait(&desk.answered) == 0);
        MUST(atomic_load(&answers) == 50);
        hr_chan_free(desk.questions);
    }
    return NULL;
}

static void
shared_threads_are_answered(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    struct hr_options options = { .procs_count = CROWDED_PROCS_COUNT };
    pthread_t threads[THREADS_COUNT];
    MUST(hr_start(&options) == 0);
    for (int i = 0; i < THREADS_COUNT; i++) {
        MUST(pthread_create(&threads[i], NULL, ask, &stress) == 0);
    }
    for (int i = 0; i < THREADS_COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
}

static const struct test tests[] = {
    TEST(shared_each_runs_once),
    TEST(shared_overflow_loses_nobody),
    TEST(shared_threads_are_answered),
};
TEST_MAIN("stress_sched_shared", tests)

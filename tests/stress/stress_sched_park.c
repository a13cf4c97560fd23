/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

/* GOAL    no wake-up is lost or doubled while channels, timers and cancels compete for it.
 * METHOD  more procs than cores; crowds of fibers under one ctx wait on channels and sleep;
 *         the ctx is cancelled at a random moment; everyone must come home, and what was
 *         sent must be what was received. */
enum {
    TESTS_COUNT = 3,
    PAIRS_COUNT = 20
};

struct round {
    struct hr_ctx *ctx;
    _Atomic uint64_t sent;
    _Atomic uint64_t received;
    _Atomic int home;
};

struct pair {
    struct round *round;
    struct hr_chan *chan;
    uint32_t seed;
};

static uint32_t
dice(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void
sender(void *arg)
{
    struct pair *pair = arg;
    uint32_t seed = pair->seed;
    for (uint64_t i = 1;; i++) {
        if (hr_chan_send(pair->chan, &i) != 0) {
            break;
        }
        atomic_fetch_add(&pair->round->sent, i);
        if (dice(&seed) % 64 == 0 && hr_sleep(dice(&seed) % 300000) != 0) {
            break;
        }
    }
    atomic_fetch_add(&pair->round->home, 1);
}

static void
receiver(void *arg)
{
    struct pair *pair = arg;
    uint32_t seed = pair->seed * 7;
    for (;;) {
        uint64_t value;
        if (hr_chan_recv(pair->chan, &value) != 0) {
            break;
        }
        atomic_fetch_add(&pair->round->received, value);
        if (dice(&seed) % 64 == 0) {
            hr_yield();
        }
        if (dice(&seed) % 256 == 0 && hr_sleep(dice(&seed) % 300000) != 0) {
            break;
        }
    }
    atomic_fetch_add(&pair->round->home, 1);
}

static void
run_round(uint32_t seed)
{
    struct round round = { .ctx = hr_ctx_new(NULL, HR_NEVER) };
    struct pair pairs[PAIRS_COUNT];
    for (int i = 0; i < PAIRS_COUNT; i++) {
        pairs[i] = (struct pair){ .round = &round,
            .chan = hr_chan_new(sizeof(uint64_t), (uint32_t) i % 3),
            .seed = seed + (uint32_t) i };
        MUST(hr_go_ctx(round.ctx, sender, &pairs[i], "sender") == 0);
        MUST(hr_go_ctx(round.ctx, receiver, &pairs[i], "receiver") == 0);
    }
    hr_sleep(dice(&seed) % 4000000);
    MUST(hr_ctx_cancel(round.ctx, HR_CAUSE_USER));
    while (atomic_load(&round.home) < 2 * PAIRS_COUNT) {
        hr_sleep(50000);
    }
    uint64_t left = 0; /* what was sent and not received lies in the rings */
    for (int i = 0; i < PAIRS_COUNT; i++) {
        uint64_t value;
        while (hr_chan_try_recv(pairs[i].chan, &value) == 0) {
            left += value;
        }
        hr_chan_free(pairs[i].chan);
    }
    MUST(atomic_load(&round.sent) == atomic_load(&round.received) + left);
    hr_ctx_rele(round.ctx);
}

static void
run_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        run_round(dice_below(&stress->dice, UINT32_MAX));
    }
}

static void
park_no_wake_is_lost_under_cancel(void)
{
    for (uint32_t procs = 1; procs <= 4; procs += 3) {
        struct stress stress = stress_begin(2 * TESTS_COUNT);
        sched_run(procs, run_rounds, &stress);
    }
    CU_PASS("every fiber came home");
}

/* GOAL    fibers that plain threads start, and events that they set, are never forgotten,
 *         also when all procs are just going to sleep. */
struct knock {
    struct hr_event event;
    _Atomic uint64_t *done;
};

static void
wait_knock(void *arg)
{
    struct knock *knock = arg;
    MUST(hr_event_wait(&knock->event) == 0);
    atomic_fetch_add(knock->done, 1);
}

static void
park_threads_wake_sleeping_procs(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    struct hr_options options = { .procs_count = 3 };
    CU_ASSERT_EQUAL_FATAL(hr_start(&options), 0);
    _Atomic uint64_t done = 0;
    while (stress_goes_on(&stress)) {
        struct knock knock = { .done = &done };
        struct hr_fiber *fiber;
        hr_event_init(&knock.event);
        CU_ASSERT_EQUAL_FATAL(hr_spawn(wait_knock, &knock, "waiter", &fiber), 0);
        for (volatile uint32_t spin = dice_below(&stress.dice, 50000); spin > 0; spin--) {
        }
        hr_event_set(&knock.event);
        hr_join(fiber);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(done, stress.rounds_count - 1);
}

/* GOAL    timers set and cleared from many procs fire once or never, and none too early. */
static void
sleep_random(void *arg)
{
    uint32_t seed = (uint32_t) (uintptr_t) arg;
    for (int i = 0; i < 30; i++) {
        int64_t ns = dice(&seed) % 2000000;
        struct hr_ctx *ctx = hr_ctx_new(NULL, hr_now() + (int64_t) dice(&seed) % 2000000);
        int64_t start = hr_now();
        MUST(hr_sleep(ns) == 0);
        MUST(hr_now() - start >= ns);
        hr_ctx_rele(ctx); /* its timer is set, fired, or firing */
    }
}

static void
spawn_sleepers(void *arg)
{
    enum {
        SLEEPERS_COUNT = 500
    };
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        static struct hr_fiber *sleepers[SLEEPERS_COUNT];
        for (int i = 0; i < SLEEPERS_COUNT; i++) {
            uintptr_t seed = dice_below(&stress->dice, UINT32_MAX);
            MUST(hr_spawn(sleep_random, (void *) seed, "sleeper", &sleepers[i]) == 0);
        }
        for (int i = 0; i < SLEEPERS_COUNT; i++) {
            hr_join(sleepers[i]);
        }
    }
}

static void
park_timers_fire_once(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(4, spawn_sleepers, &stress);
    CU_PASS("every sleeper came home");
}

static const struct test tests[] = {
    TEST(park_no_wake_is_lost_under_cancel),
    TEST(park_threads_wake_sleeping_procs),
    TEST(park_timers_fire_once),
};
TEST_MAIN("stress_sched_park", tests)

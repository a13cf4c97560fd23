/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

/* GOAL    no wake-up is lost or doubled while channels, timers and cancels compete for it.
 * METHOD  more procs than cores; crowds of fibers under one ctx wait on channels and sleep;
 *         the ctx is cancelled at a random moment; everyone must come home, and what was
 *         sent must be what was received. */
enum {
    ROUNDS_COUNT = 60,
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
    for (uint32_t i = 0; i < ROUNDS_COUNT; i++) {
        run_round(i * 1000 + *(uint32_t *) arg);
    }
}

static void
park_no_wake_is_lost_under_cancel(void)
{
    for (uint32_t procs = 1; procs <= 4; procs += 3) {
        sched_run(procs, run_rounds, &procs);
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
    enum {
        KNOCKS_COUNT = 2000
    };
    struct hr_options options = { .procs_count = 3 };
    CU_ASSERT_EQUAL_FATAL(hr_start(&options), 0);
    _Atomic uint64_t done = 0;
    for (int i = 0; i < KNOCKS_COUNT; i++) {
        struct knock knock = { .done = &done };
        struct hr_fiber *fiber;
        hr_event_init(&knock.event);
        CU_ASSERT_EQUAL_FATAL(hr_spawn(wait_knock, &knock, "waiter", &fiber), 0);
        for (volatile int spin = 0; spin < i % 50 * 1000; spin++) {
        }
        hr_event_set(&knock.event);
        hr_join(fiber);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(done, KNOCKS_COUNT);
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
    (void) arg;
    for (uintptr_t i = 0; i < 500; i++) {
        MUST(hr_go(sleep_random, (void *) (i * 7919 + 1), "sleeper") == 0);
    }
}

static void
park_timers_fire_once(void)
{
    sched_run(4, spawn_sleepers, NULL);
    CU_PASS("every sleeper came home");
}

static const struct test tests[] = {
    TEST(park_no_wake_is_lost_under_cancel),
    TEST(park_threads_wake_sleeping_procs),
    TEST(park_timers_fire_once),
};
TEST_MAIN("stress_sched_park", tests)

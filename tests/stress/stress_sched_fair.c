/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <stdatomic.h>

/* GOAL    no fiber starves beside 10^6 turns of its neighbours, whatever queue it waits on.
 * METHOD  one proc, so that a turn of one is a wait of all others; each fiber notes the most
 *         turns that others had between two of its own.  The bound is in turns.  A thread
 *         that the machine stops for long loses its proc, and its fiber waits meanwhile, not
 *         for want of fairness: so the best of some attempts counts. */
enum {
    TURNS_COUNT = 1000000,
    ATTEMPTS_COUNT = 5,
    FAIR_TURNS = 64, /* proc.h: then the one who waited longest comes first */
    RING_COUNT = 256
};

struct crowd {
    uint32_t fibers_count;
    uint32_t gap_max; /* the bound */
    _Atomic uint32_t turns;
    _Atomic uint32_t gap; /* the longest seen */
    struct hr_chan *there;
    struct hr_chan *back;
    struct hr_wg all;
};

static void
note_gap(struct crowd *crowd, uint32_t gap)
{
    uint32_t seen = atomic_load(&crowd->gap);
    while (gap > seen && !atomic_compare_exchange_weak(&crowd->gap, &seen, gap)) {
    }
}

static void
bystander(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t last = 0; /* the first wait counts too */
    while (last < TURNS_COUNT) {
        uint32_t turn = atomic_fetch_add(&crowd->turns, 1);
        note_gap(crowd, turn - last);
        last = turn;
        hr_yield();
    }
    hr_wg_done(&crowd->all);
}

/* Two that ready each other: the next slot would keep all others out. */
static void
echo(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t ball;
    while (hr_chan_recv(crowd->there, &ball) == 0) {
        atomic_fetch_add(&crowd->turns, 1);
        MUST(hr_chan_send(crowd->back, &ball) == 0);
    }
    hr_wg_done(&crowd->all);
}

static void
ping(struct crowd *crowd)
{
    uint32_t ball = 0;
    while (atomic_load(&crowd->turns) < TURNS_COUNT) {
        atomic_fetch_add(&crowd->turns, 1);
        MUST(hr_chan_send(crowd->there, &ball) == 0);
        MUST(hr_chan_recv(crowd->back, &ball) == 0);
    }
    MUST(hr_chan_close(crowd->there) == 0);
}

static void
gather(void *arg)
{
    struct crowd *crowd = arg;
    hr_wg_add(&crowd->all, crowd->fibers_count + (crowd->there != NULL));
    for (uint32_t i = 0; i < crowd->fibers_count; i++) {
        MUST(hr_go(bystander, crowd, "bystander") == 0);
    }
    if (crowd->there != NULL) {
        MUST(hr_go(echo, crowd, "echo") == 0);
        hr_yield();
        ping(crowd);
    }
    MUST(hr_wg_wait(&crowd->all) == 0);
}

static void
assert_nobody_starves(const char *name, uint32_t fibers_count, bool has_pair, uint32_t gap_max)
{
    uint32_t best = UINT32_MAX;
    for (int i = 0; i < ATTEMPTS_COUNT && best > gap_max; i++) {
        struct crowd crowd = { .fibers_count = fibers_count };
        if (has_pair) {
            crowd.there = hr_chan_new(sizeof(uint32_t), 0);
            crowd.back = hr_chan_new(sizeof(uint32_t), 0);
        }
        sched_run(1, gather, &crowd);
        CU_ASSERT_TRUE(crowd.turns >= TURNS_COUNT);
        best = crowd.gap < best ? crowd.gap : best;
        if (has_pair) {
            hr_chan_free(crowd.there);
            hr_chan_free(crowd.back);
        }
    }
    printf("# %s: %u turns without one of its own at most, bound %u\n", name, best, gap_max);
    CU_ASSERT_TRUE(best <= gap_max);
}

static void
fair_yielders_take_turns(void)
{
    enum {
        COUNT = 16
    };
    assert_nobody_starves("a ring of 16", COUNT, false, 2 * COUNT);
}

static void
fair_pair_keeps_nobody_out(void)
{
    enum {
        COUNT = 8
    };
    assert_nobody_starves("8 beside a pair", COUNT, true, 2 * FAIR_TURNS * (COUNT + 1));
}

/* The ring stays full: who is in the shared queue comes only in fair turns. */
static void
fair_shared_queue_comes_too(void)
{
    enum {
        SHARED_COUNT = 64
    };
    assert_nobody_starves("64 behind a full ring", RING_COUNT + SHARED_COUNT, false,
        RING_COUNT + 2 * FAIR_TURNS * (SHARED_COUNT + 1));
}

static const struct test tests[] = {
    TEST(fair_yielders_take_turns),
    TEST(fair_pair_keeps_nobody_out),
    TEST(fair_shared_queue_comes_too),
};
TEST_MAIN("stress_sched_fair", tests)

/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"

#include <errno.h>
#include <stdatomic.h>

/* GOAL    a value that was sent is received once, or lies in the ring; one that was not sent
 *         (-ECANCELED, -ETIMEDOUT, -EPIPE, -EAGAIN) is received by nobody; a select does one
 *         of its cases and no other: while peers come and go, deadlines pass, ctxs end, and
 *         channels close.
 * METHOD  a market: a few channels of all kinds, traders who send and receive by every call
 *         there is, sums of what each of them believes to have done. */
enum {
    TESTS_COUNT = 2,
    PROCS_COUNT = 4,
    CHANS_COUNT = 4,
    TRADERS_COUNT = 16,
    CASES_COUNT = 7 /* more than select keeps in its small frame */
};

struct market {
    struct hr_chan *chans[CHANS_COUNT];
    _Atomic uint64_t next;
    _Atomic uint64_t sent, received, sent_count, received_count;
    _Atomic uint32_t home;
    _Atomic uint64_t dice; /* seeds for the traders */
};

static void
note_sent(struct market *market, uint64_t value)
{
    atomic_fetch_add(&market->sent, value);
    atomic_fetch_add(&market->sent_count, 1);
}

static void
note_received(struct market *market, uint64_t value)
{
    MUST(value != 0);
    atomic_fetch_add(&market->received, value);
    atomic_fetch_add(&market->received_count, 1);
}

static int
trade_send(struct market *market, uint64_t *dice)
{
    struct hr_chan *chan = market->chans[dice_below(dice, CHANS_COUNT)];
    uint64_t value = atomic_fetch_add(&market->next, 1) + 1;
    int err =
        dice_below(dice, 2) == 0 ? hr_chan_try_send(chan, &value) : hr_chan_send(chan, &value);
    if (err == 0) {
        note_sent(market, value);
    }
    return err;
}

static int
trade_recv(struct market *market, uint64_t *dice)
{
    struct hr_chan *chan = market->chans[dice_below(dice, CHANS_COUNT)];
    uint64_t value = 0;
    int err =
        dice_below(dice, 2) == 0 ? hr_chan_try_recv(chan, &value) : hr_chan_recv(chan, &value);
    if (err == 0) {
        note_received(market, value);
    }
    MUST(err == 0 || value == 0);
    return err;
}

/* Any cases: a channel twice, both ways, none at all. */
static int
trade_select(struct market *market, uint64_t *dice)
{
    struct hr_case cases[CASES_COUNT];
    uint64_t values[CASES_COUNT];
    uint32_t count = 1 + dice_below(dice, CASES_COUNT);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t chan_index = dice_below(dice, CHANS_COUNT + 1);
        bool is_send = dice_below(dice, 2) == 0;
        values[i] = is_send ? atomic_fetch_add(&market->next, 1) + 1 : 0;
        cases[i] =
            (struct hr_case){ .chan =
                                  chan_index < CHANS_COUNT ? market->chans[chan_index] : NULL,
                .element = &values[i],
                .is_send = is_send };
    }
    int64_t deadline = hr_now() + dice_below(dice, 100000);
    uint32_t which = dice_below(dice, 3);
    int done = hr_select(cases, count, which == 0 ? HR_NOW : which == 1 ? deadline : HR_NEVER);
    for (uint32_t i = 0; i < count; i++) {
        bool is_done = done == (int) i && cases[i].err == 0;
        if (is_done && cases[i].is_send) {
            note_sent(market, values[i]);
        } else if (!cases[i].is_send) {
            MUST((values[i] != 0) == is_done);
            if (is_done) {
                note_received(market, values[i]);
            }
        }
    }
    return done >= 0 ? cases[done].err : done == -ETIMEDOUT ? -EAGAIN : done;
}

static void
trader(void *arg)
{
    struct market *market = arg;
    uint64_t dice = atomic_fetch_add(&market->dice, 0x9e3779b9) | 1;
    for (int i = 0; i < 4; i++) {
        dice_below(&dice, 2);
    }
    while (hr_ctx_err(hr_ctx_self()) == 0) {
        uint32_t which = dice_below(&dice, 4);
        int err = which == 0   ? trade_send(market, &dice)
                  : which == 1 ? trade_recv(market, &dice)
                               : trade_select(market, &dice);
        if (err == -EPIPE && dice_below(&dice, 8) == 0) {
            break;
        }
        if (err == -EAGAIN || err == -EPIPE) {
            hr_yield();
        }
    }
    atomic_fetch_add(&market->home, 1);
}

static void
market_day(struct stress *stress, bool has_closer)
{
    struct market market = { .dice = dice_fork(&stress->dice) };
    for (uint32_t i = 0; i < CHANS_COUNT; i++) {
        static const uint32_t capacities[] = { 0, 0, 1, 5 };
        market.chans[i] = hr_chan_new(sizeof(uint64_t), capacities[i]);
    }
    struct hr_ctx *all = hr_ctx_new(NULL, HR_NEVER);
    struct hr_ctx *ctxs[TRADERS_COUNT];
    for (int i = 0; i < TRADERS_COUNT; i++) {
        int64_t left = dice_below(&stress->dice, 4000000);
        ctxs[i] = hr_ctx_new(all, i % 2 == 0 ? hr_now() + left : HR_NEVER);
        MUST(hr_go_ctx(ctxs[i], trader, &market, "trader") == 0);
    }
    hr_sleep(dice_below(&stress->dice, 3000000));
    for (uint32_t i = 0; has_closer && i < CHANS_COUNT; i++) {
        MUST(hr_chan_close(market.chans[i]) == 0);
        MUST(hr_chan_close(market.chans[i]) == -EINVAL);
        hr_sleep(dice_below(&stress->dice, 200000));
    }
    hr_ctx_cancel(all, HR_CAUSE_USER);
    while (atomic_load(&market.home) < TRADERS_COUNT) {
        hr_sleep(50000);
    }
    for (uint32_t i = 0; i < CHANS_COUNT; i++) {
        uint64_t value;
        while (hr_chan_try_recv(market.chans[i], &value) == 0) {
            note_received(&market, value);
        }
        hr_chan_free(market.chans[i]);
    }
    for (int i = 0; i < TRADERS_COUNT; i++) {
        hr_ctx_rele(ctxs[i]);
    }
    hr_ctx_rele(all);
    MUST(market.sent_count == market.received_count);
    MUST(market.sent == market.received);
}

static void
market_days(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        market_day(stress, dice_below(&stress->dice, 2) == 0);
    }
}

static void
chan_market_adds_up(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, market_days, &stress);
    CU_PASS("all that was sent was received, once");
}

/* GOAL    a channel is first in, first out for each sender, and its memory is its maker's
 *         again once both sides know that it is over, whoever gave its lock back last.
 * METHOD  short lives: a channel, a sender, a receiver who frees it at the end; small ones
 *         come from the pool, big ones from malloc. */
struct lane {
    struct hr_chan *chan;
    uint64_t count;
    _Atomic uint32_t *home;
};

static void
lane_sender(void *arg)
{
    struct lane *lane = arg;
    struct hr_chan *chan = lane->chan;
    uint64_t count = lane->count;
    for (uint64_t i = 1; i <= count; i++) {
        MUST(hr_chan_send(chan, &i) == 0);
    }
}

static void
lane_receiver(void *arg)
{
    struct lane *lane = arg;
    for (uint64_t i = 1; i <= lane->count; i++) {
        uint64_t value = 0;
        MUST(hr_chan_recv(lane->chan, &value) == 0);
        MUST(value == i);
    }
    atomic_fetch_add(lane->home, 1);
}

static void
lane_rounds(void *arg)
{
    enum {
        LANES_COUNT = 16
    };
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        static const uint32_t capacities[] = { 0, 1, 2, 64 };
        struct lane lanes[LANES_COUNT];
        _Atomic uint32_t home = 0;
        struct hr_fiber *senders[LANES_COUNT];
        for (uint32_t i = 0; i < LANES_COUNT; i++) {
            lanes[i] = (struct lane){ .home = &home,
                .count = 1 + dice_below(&stress->dice, 20),
                .chan =
                    hr_chan_new(sizeof(uint64_t), capacities[dice_below(&stress->dice, 4)]) };
            MUST(hr_spawn(lane_sender, &lanes[i], "sender", &senders[i]) == 0);
            MUST(hr_go(lane_receiver, &lanes[i], "receiver") == 0);
        }
        for (uint32_t i = 0; i < LANES_COUNT; i++) {
            hr_join(senders[i]);
        }
        while (atomic_load(&home) < LANES_COUNT) {
            hr_yield();
        }
        for (uint32_t i = 0; i < LANES_COUNT; i++) {
            hr_chan_free(lanes[i].chan);
        }
    }
}

static void
chan_lanes_keep_their_order(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, lane_rounds, &stress);
    CU_PASS("first in, first out");
}

static const struct test tests[] = {
    TEST(chan_market_adds_up),
    TEST(chan_lanes_keep_their_order),
};
TEST_MAIN("stress_sched_chan", tests)

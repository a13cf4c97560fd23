/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <errno.h>
#include <stdatomic.h>

struct world {
    struct hr_chan *chan;
    struct hr_chan *done;
    uint64_t sum;
    int results[8];
};

/* GOAL    what is sent is received, once each and in order, for capacities 0, 1, 128. */

enum {
    ELEMENTS_COUNT = 5000
};

static void
send_numbers(void *arg)
{
    for (uint64_t i = 1; i <= ELEMENTS_COUNT; i++) {
        MUST(hr_chan_send(arg, &i) == 0);
    }
    MUST(hr_chan_close(arg) == 0);
}

static void
receive_in_order(void *arg)
{
    struct world *world = arg;
    MUST(hr_go(send_numbers, world->chan, "sender") == 0);
    uint64_t expected = 1;
    uint64_t got;
    while (hr_chan_recv(world->chan, &got) == 0) {
        MUST(got == expected);
        expected++;
        world->sum += got;
    }
    MUST(got == 0); /* zeroed by the close */
}

static void
chan_elements_arrive_in_order(void)
{
    static const uint32_t capacities[] = { 0, 1, 128 };
    for (uint32_t procs = 1; procs <= 2; procs++) {
        for (int i = 0; i < 3; i++) {
            struct world world = { .chan = NULL };
            struct hr_options options = { .procs_count = procs };
            ASSERT_I64_EQ(hr_start(&options), 0);
            world.chan = hr_chan_new(sizeof(uint64_t), capacities[i]);
            ASSERT_I64_EQ(hr_go(receive_in_order, &world, "receiver"), 0);
            ASSERT_I64_EQ(hr_stop(), 0);
            ASSERT_I64_EQ(world.sum, (uint64_t) ELEMENTS_COUNT * (ELEMENTS_COUNT + 1) / 2);
            hr_chan_free(world.chan);
        }
    }
}

/* GOAL    try never waits, from a plain thread; full, empty and closed are told apart. */

static void
chan_try_tells_full_empty_closed(void)
{
    ASSERT_I64_EQ(hr_start(NULL), 0);
    struct hr_chan *chan = hr_chan_new(sizeof(uint32_t), 2);
    uint32_t value = 7;
    ASSERT_I64_EQ(hr_chan_try_recv(chan, &value), -EAGAIN);
    ASSERT_I64_EQ(hr_chan_try_send(chan, &value), 0);
    ASSERT_I64_EQ(hr_chan_try_send(chan, &value), 0);
    ASSERT_I64_EQ(hr_chan_try_send(chan, &value), -EAGAIN);
    ASSERT_I64_EQ(hr_chan_try_send(NULL, &value), -EAGAIN);
    ASSERT_I64_EQ(hr_chan_close(chan), 0);
    ASSERT_I64_EQ(hr_chan_close(chan), -EINVAL);
    ASSERT_I64_EQ(hr_chan_try_send(chan, &value), -EPIPE);
    value = 0;
    ASSERT_I64_EQ(hr_chan_try_recv(chan, &value), 0);
    ASSERT_I64_EQ(value, 7);
    ASSERT_I64_EQ(hr_chan_try_recv(chan, NULL), 0);
    ASSERT_I64_EQ(hr_chan_try_recv(chan, &value), -EPIPE);
    ASSERT_I64_EQ(value, 0);
    hr_chan_free(chan);
    hr_chan_free(NULL);

    struct hr_chan *meeting = hr_chan_new(sizeof(uint32_t), 0);
    ASSERT_I64_EQ(hr_chan_try_send(meeting, &value), -EAGAIN);
    ASSERT_I64_EQ(hr_chan_try_recv(meeting, &value), -EAGAIN);
    hr_chan_free(meeting);
    ASSERT_I64_EQ(hr_stop(), 0);
}

/* GOAL    elements of odd and large sizes are whole. */

struct large {
    uint8_t bytes[777];
};

static void
send_large(void *arg)
{
    for (int i = 0; i < 50; i++) {
        struct large large;
        memset(&large, i, sizeof large);
        MUST(hr_chan_send(arg, &large) == 0);
    }
}

static void
receive_large(void *arg)
{
    struct world *world = arg;
    MUST(hr_go(send_large, world->chan, "sender") == 0);
    for (int i = 0; i < 50; i++) {
        struct large large;
        MUST(hr_chan_recv(world->chan, &large) == 0);
        MUST(large.bytes[0] == i);
        MUST(large.bytes[776] == i);
    }
}

static void
chan_large_elements_are_whole(void)
{
    for (uint32_t capacity = 0; capacity < 4; capacity += 3) {
        struct world world = { .chan = hr_chan_new(sizeof(struct large), capacity) };
        sched_run(2, receive_large, &world);
        hr_chan_free(world.chan);
    }
}

/* GOAL    a close wakes all who wait, senders and receivers, with -EPIPE. */

static void
receive_one(void *arg)
{
    struct world *world = arg;
    uint64_t value = 1;
    int err = hr_chan_recv(world->chan, &value);
    MUST(err == -EPIPE);
    MUST(value == 0);
    MUST(hr_chan_send(world->done, &value) == 0);
}

static void
send_one(void *arg)
{
    struct world *world = arg;
    uint64_t value = 1;
    MUST(hr_chan_send(world->chan, &value) == -EPIPE);
    MUST(hr_chan_send(world->done, &value) == 0);
}

static void
close_on_waiters(void *arg)
{
    hr_fn *const kinds[] = { receive_one, send_one };
    for (int kind = 0; kind < 2; kind++) {
        struct world world = { .chan = hr_chan_new(sizeof(uint64_t), 0),
            .done = hr_chan_new(sizeof(uint64_t), 0) };
        for (int i = 0; i < 300; i++) {
            MUST(hr_go(kinds[kind], &world, "waiter") == 0);
        }
        hr_yield();
        MUST(hr_chan_close(world.chan) == 0);
        for (int i = 0; i < 300; i++) {
            MUST(hr_chan_recv(world.done, NULL) == 0);
        }
        hr_chan_free(world.chan);
        hr_chan_free(world.done);
    }
    *(int *) arg = 1;
}

static void
chan_close_wakes_all_waiters(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        int done = 0;
        sched_run(procs, close_on_waiters, &done);
        ASSERT_I64_EQ(done, 1);
    }
}

static const struct test tests[] = {
    TEST(chan_elements_arrive_in_order),
    TEST(chan_try_tells_full_empty_closed),
    TEST(chan_large_elements_are_whole),
    TEST(chan_close_wakes_all_waiters),
};
TEST_MAIN("sched_chan", tests)

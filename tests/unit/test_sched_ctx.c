/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

/* GOAL    the tree: deadlines shrink, cancel reaches descendants, the first cause stays. */

static void
ctx_cancel_reaches_descendants(void)
{
    ASSERT_I64_EQ(hr_start(NULL), 0);
    struct hr_ctx *root = hr_ctx_new(NULL, HR_NEVER);
    int64_t later = hr_now() + 3600000000000;
    struct hr_ctx *child = hr_ctx_new(root, later);
    struct hr_ctx *leaf = hr_ctx_new(child, HR_NEVER);
    struct hr_ctx *gone = hr_ctx_new(child, HR_NEVER);
    hr_ctx_rele(gone);
    ASSERT_I64_EQ(hr_ctx_deadline(root), HR_NEVER);
    ASSERT_I64_EQ(hr_ctx_deadline(leaf), later);
    ASSERT_I64_EQ(hr_ctx_err(leaf), 0);

    CU_ASSERT_TRUE(hr_ctx_cancel(child, HR_CAUSE_USER + 3));
    CU_ASSERT_FALSE(hr_ctx_cancel(child, HR_CAUSE_USER + 4));
    ASSERT_I64_EQ(hr_ctx_err(root), 0);
    ASSERT_I64_EQ(hr_ctx_err(child), -ECANCELED);
    ASSERT_I64_EQ(hr_ctx_cause(leaf), HR_CAUSE_USER + 3);
    struct hr_ctx *late = hr_ctx_new(leaf, HR_NEVER);
    ASSERT_I64_EQ(hr_ctx_cause(late), HR_CAUSE_USER + 3);
    CU_ASSERT_TRUE(hr_ctx_cancel(root, HR_CAUSE_USER));
    ASSERT_I64_EQ(hr_ctx_cause(leaf), HR_CAUSE_USER + 3);

    hr_ctx_rele(root);
    hr_ctx_rele(child);
    hr_ctx_rele(leaf);
    hr_ctx_rele(late);
    ASSERT_I64_EQ(hr_stop(), 0);
}

/* GOAL    a cancel wakes every kind of wait; the ctx's error comes back. */

struct waits {
    struct hr_chan *chan;
    int fd;
    _Atomic int waiting;
    _Atomic int ended;
    int expected;
};

static void
wait_end(struct waits *waits, int64_t err)
{
    MUST(err == waits->expected);
    MUST(hr_cancelled());
    MUST(hr_sleep(1) == waits->expected); /* and at once from now on */
    atomic_fetch_add(&waits->ended, 1);
}

static void
wait_recv(void *arg)
{
    struct waits *waits = arg;
    atomic_fetch_add(&waits->waiting, 1);
    wait_end(waits, hr_chan_recv(waits->chan, NULL));
}

static void
wait_nil(void *arg)
{
    struct waits *waits = arg;
    atomic_fetch_add(&waits->waiting, 1);
    wait_end(waits, hr_chan_send(NULL, NULL));
}

static void
wait_sleep(void *arg)
{
    struct waits *waits = arg;
    atomic_fetch_add(&waits->waiting, 1);
    wait_end(waits, hr_sleep(INT64_MAX));
}

static void
wait_event(void *arg)
{
    struct waits *waits = arg;
    struct hr_event event;
    hr_event_init(&event);
    atomic_fetch_add(&waits->waiting, 1);
    wait_end(waits, hr_event_wait(&event));
}

static void
wait_read(void *arg)
{
    struct waits *waits = arg;
    char byte;
    atomic_fetch_add(&waits->waiting, 1);
    wait_end(waits, hr_read(waits->fd, &byte, 1, HR_NEVER));
}

static void
wait_burning(void *arg)
{
    struct waits *waits = arg;
    atomic_fetch_add(&waits->waiting, 1);
    while (!hr_cancelled()) {
    }
    wait_end(waits, waits->expected);
}

static hr_fn *const all_waits[] = { wait_recv, wait_nil, wait_sleep, wait_event, wait_read,
    wait_burning };

enum {
    WAITS_COUNT = sizeof all_waits / sizeof all_waits[0]
};

struct cancel_case {
    bool by_deadline;
};

static void
cancel_all_waits(void *arg)
{
    const struct cancel_case *each = arg;
    int fds[2];
    MUST(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    struct waits waits = { .chan = hr_chan_new(4, 0),
        .fd = fds[0],
        .expected = each->by_deadline ? -ETIMEDOUT : -ECANCELED };
    int64_t deadline = each->by_deadline ? hr_now() + 30000000 : HR_NEVER;
    struct hr_ctx *root = hr_ctx_new(NULL, deadline);
    struct hr_ctx *child = hr_ctx_new(root, HR_NEVER);
    for (int i = 0; i < WAITS_COUNT; i++) {
        MUST(hr_go_ctx(i % 2 == 0 ? root : child, all_waits[i], &waits, "waiter") == 0);
    }
    if (!each->by_deadline) {
        while (waits.waiting < WAITS_COUNT) {
            hr_yield();
        }
        hr_ctx_cancel(root, HR_CAUSE_USER);
    }
    while (waits.ended < WAITS_COUNT) {
        hr_sleep(100000);
    }
    MUST(hr_ctx_cause(child) == (each->by_deadline ? HR_CAUSE_DEADLINE : HR_CAUSE_USER));
    hr_ctx_rele(child);
    hr_ctx_rele(root);
    hr_fd_forget(fds[0]);
    close(fds[0]);
    close(fds[1]);
    hr_chan_free(waits.chan);
}

static void
ctx_cancel_wakes_every_wait(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        for (int i = 0; i < 5; i++) {
            struct cancel_case each = { .by_deadline = i % 2 == 1 };
            sched_run(procs, cancel_all_waits, &each);
        }
    }
    CU_PASS("no MUST has failed");
}

/* GOAL    a child fiber inherits its parent's ctx, and what is left of its time. */

static void
look_at_ctx(void *arg)
{
    MUST(hr_ctx_self() == arg);
    MUST(hr_remaining() > 0);
    MUST(hr_remaining() <= 60000000000);
}

static void
spawn_inheriting(void *arg)
{
    struct hr_fiber *fiber;
    MUST(hr_ctx_self() == arg);
    MUST(hr_spawn(look_at_ctx, arg, "child", &fiber) == 0);
    hr_join(fiber);
}

static void
start_under_ctx(void *arg)
{
    (void) arg;
    MUST(hr_remaining() == HR_NEVER);
    struct hr_ctx *ctx = hr_ctx_new(hr_ctx_self(), hr_now() + 60000000000);
    MUST(hr_go_ctx(ctx, spawn_inheriting, ctx, "parent") == 0);
    hr_ctx_rele(ctx);
}

static void
ctx_is_inherited(void)
{
    sched_run(2, start_under_ctx, NULL);
    CU_PASS("no MUST has failed");
}

/* GOAL    hooks run once, in any way of ending; unhook is final; a late hook is refused. */

static void
count_call(void *arg)
{
    atomic_fetch_add((_Atomic int *) arg, 1);
}

static void
ctx_hooks_run_once(void)
{
    ASSERT_I64_EQ(hr_start(NULL), 0);
    _Atomic int calls = 0;
    struct hr_ctx *ctx = hr_ctx_new(NULL, HR_NEVER);
    struct hr_ctx_hook hooks[3] = { { count_call, (void *) &calls, { 0 } },
        { count_call, (void *) &calls, { 0 } }, { count_call, (void *) &calls, { 0 } } };
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(hr_ctx_hook(ctx, &hooks[i]));
    }
    hr_ctx_unhook(ctx, &hooks[1]);
    hr_ctx_cancel(ctx, HR_CAUSE_USER);
    hr_ctx_cancel(ctx, HR_CAUSE_USER);
    ASSERT_I64_EQ(calls, 2);
    hr_ctx_unhook(ctx, &hooks[0]);
    hr_ctx_unhook(ctx, &hooks[2]);
    CU_ASSERT_FALSE(hr_ctx_hook(ctx, &hooks[1]));
    hr_ctx_unhook(ctx, &hooks[1]);
    ASSERT_I64_EQ(calls, 2);
    hr_ctx_rele(ctx);
    ASSERT_I64_EQ(hr_stop(), 0);
}

static void
set_event(void *arg)
{
    hr_event_set(arg);
}

static void
wait_for_hook(void *arg)
{
    struct hr_event event;
    struct hr_ctx_hook hook = { set_event, &event, { 0 } };
    (void) arg;
    hr_event_init(&event);
    struct hr_ctx *ctx = hr_ctx_new(NULL, hr_now() + 2000000);
    /* On a busy machine the deadline may pass before there is a hook to run. */
    if (hr_ctx_hook(ctx, &hook)) {
        MUST(hr_event_wait(&event) == 0);
    }
    hr_ctx_unhook(ctx, &hook);
    MUST(hr_ctx_cause(ctx) == HR_CAUSE_DEADLINE);
    hr_ctx_rele(ctx);
}

static void
ctx_deadline_runs_hooks(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        sched_run(procs, wait_for_hook, NULL);
    }
    CU_PASS("no MUST has failed");
}

/* GOAL    a ctx whose deadline a plain thread set ends in time though all procs sleep. */

static void
ctx_deadline_of_a_thread_is_kept(void)
{
    ASSERT_I64_EQ(hr_start(NULL), 0);
    for (int i = 0; i < 20; i++) {
        struct hr_event event;
        hr_event_init(&event);
        struct hr_ctx_hook hook = { set_event, &event, { 0 } };
        struct hr_ctx *ctx = hr_ctx_new(NULL, hr_now() + 1000000);
        if (hr_ctx_hook(ctx, &hook)) {               /* else it has ended already */
            ASSERT_I64_EQ(hr_event_wait(&event), 0); /* this thread waits, no fiber does */
        }
        hr_ctx_unhook(ctx, &hook);
        ASSERT_I64_EQ(hr_ctx_cause(ctx), HR_CAUSE_DEADLINE);
        hr_ctx_rele(ctx);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
}

static const struct test tests[] = {
    TEST(ctx_cancel_reaches_descendants),
    TEST(ctx_cancel_wakes_every_wait),
    TEST(ctx_is_inherited),
    TEST(ctx_hooks_run_once),
    TEST(ctx_deadline_runs_hooks),
    TEST(ctx_deadline_of_a_thread_is_kept),
};
TEST_MAIN("sched_ctx", tests)

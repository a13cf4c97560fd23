/* SPDX-License-Identifier: MIT */
#include "worker/sched/sched.h"

#include "tests/support/cunit_main.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Run fn(arg) on a fiber of a runtime of that many procs, to its end. */
static void
run_on(uint32_t procs_count, hr_fn *fn, void *arg)
{
    struct hr_options options = { .procs_count = procs_count };
    ASSERT_I64_EQ(hr_start(&options), 0);
    struct hr_fiber *fiber;
    ASSERT_I64_EQ(hr_spawn(fn, arg, "main", &fiber), 0);
    hr_join(fiber);
    ASSERT_I64_EQ(hr_stop(), 0);
}

static void
count_up(void *arg)
{
    atomic_fetch_add((_Atomic uint32_t *) arg, 1);
}

/* GOAL    every fiber that is started runs once and ends, from a plain thread and a fiber. */
struct tree {
    _Atomic uint32_t count;
};

static void
spawn_many(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        if (hr_go(count_up, arg, "counter") != 0) {
            abort();
        }
    }
}

static void
sched_spawned_fibers_all_run(void)
{
    for (uint32_t procs = 1; procs <= 3; procs++) {
        struct tree tree = { 0 };
        struct hr_options options = { .procs_count = procs };
        ASSERT_I64_EQ(hr_start(&options), 0);
        ASSERT_I64_EQ(hr_start(&options), -EALREADY);
        ASSERT_I64_EQ(hr_procs_count(), procs);
        for (int i = 0; i < 3; i++) {
            ASSERT_I64_EQ(hr_go(spawn_many, &tree, "spawner"), 0);
        }
        for (int i = 0; i < 100; i++) {
            ASSERT_I64_EQ(hr_go(count_up, &tree, "counter"), 0);
        }
        ASSERT_I64_EQ(hr_stop(), 0);
        ASSERT_I64_EQ(hr_stop(), -EALREADY);
        ASSERT_I64_EQ(tree.count, 30100);
    }
}

/* GOAL    a runtime without anything to do starts and stops, again and again. */
static void
sched_start_and_stop_repeat(void)
{
    for (int i = 0; i < 20; i++) {
        ASSERT_I64_EQ(hr_start(NULL), 0);
        ASSERT_I64_EQ(hr_stop(), 0);
    }
}

static void
sched_bad_options_are_refused(void)
{
    struct hr_options options = { .procs_count = 100000 };
    ASSERT_I64_EQ(hr_start(&options), -EINVAL);
    options = (struct hr_options){ .stack_size = 1u << 30 };
    ASSERT_I64_EQ(hr_start(&options), -EINVAL);
    ASSERT_I64_EQ(hr_go(count_up, NULL, "early"), -EAGAIN);
    CU_ASSERT_FALSE(hr_on_fiber());
}

/* GOAL    the bound on fibers is a refusal, and ends when fibers end. */
struct bound {
    struct hr_chan *gate;
    int refused;
    int started;
};

static void
wait_at_gate(void *arg)
{
    hr_chan_recv(arg, NULL);
}

static void
fill_to_bound(void *arg)
{
    struct bound *bound = arg;
    bound->gate = hr_chan_new(0, 0);
    while (hr_go(wait_at_gate, bound->gate, "waiter") == 0) {
        bound->started++;
    }
    bound->refused = hr_go(wait_at_gate, bound->gate, "waiter");
    hr_chan_close(bound->gate);
}

static void
sched_fibers_at_bound_are_refused(void)
{
    struct bound bound = { 0 };
    _Atomic uint32_t late_count = 0;
    struct hr_options options = { .procs_count = 2, .fibers_count_max = 50 };
    ASSERT_I64_EQ(hr_start(&options), 0);
    struct hr_fiber *fiber;
    ASSERT_I64_EQ(hr_spawn(fill_to_bound, &bound, "filler", &fiber), 0);
    hr_join(fiber);
    ASSERT_I64_EQ(bound.refused, -EAGAIN);
    ASSERT_I64_EQ(bound.started, 49);
    while (hr_spawn(count_up, (void *) &late_count, "late", &fiber) != 0) {
        /* the released ones are still on their way out */
    }
    hr_join(fiber);
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(late_count, 1);
    hr_chan_free(bound.gate);
}

/* GOAL    a join returns after the end, on a fiber and on a thread. */
static void
join_children(void *arg)
{
    struct hr_fiber *fibers[100];
    for (int i = 0; i < 100; i++) {
        if (hr_spawn(count_up, arg, "child", &fibers[i]) != 0) {
            abort();
        }
    }
    for (int i = 0; i < 100; i++) {
        hr_join(fibers[i]);
    }
}

static void
sched_join_waits_for_children(void)
{
    for (uint32_t procs = 1; procs <= 2; procs++) {
        _Atomic uint32_t count = 0;
        run_on(procs, join_children, (void *) &count);
        ASSERT_I64_EQ(count, 100);
    }
}

/* GOAL    two fibers that only yield both get on, also on one proc. */
static void
yield_often(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        hr_yield();
    }
    count_up(arg);
}

static void
sched_yield_lets_others_run(void)
{
    _Atomic uint32_t count = 0;
    struct hr_options options = { .procs_count = 1 };
    ASSERT_I64_EQ(hr_start(&options), 0);
    for (int i = 0; i < 3; i++) {
        ASSERT_I64_EQ(hr_go(yield_often, (void *) &count, "yielder"), 0);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(count, 3);
}

/* GOAL    a sleep is never shorter than asked, and many end in the order of their times. */
struct sleepers {
    _Atomic uint32_t early_count;
    _Atomic uint32_t done_count;
};

struct sleeper {
    struct sleepers *all;
    int64_t ns;
};

static void
sleep_once(void *arg)
{
    struct sleeper *sleeper = arg;
    int64_t start = hr_now();
    if (hr_sleep(sleeper->ns) != 0 || hr_now() - start < sleeper->ns) {
        atomic_fetch_add(&sleeper->all->early_count, 1);
    }
    atomic_fetch_add(&sleeper->all->done_count, 1);
}

static void
sched_sleep_is_never_short(void)
{
    enum {
        COUNT = 500
    };
    static struct sleeper each[COUNT];
    struct sleepers all = { 0 };
    ASSERT_I64_EQ(hr_start(NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        each[i] = (struct sleeper){ .all = &all, .ns = (i * 37 % COUNT) * INT64_C(50000) };
        ASSERT_I64_EQ(hr_go(sleep_once, &each[i], "sleeper"), 0);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(all.early_count, 0);
    ASSERT_I64_EQ(all.done_count, COUNT);
}

/* GOAL    a sleep ends although another thread sleeps in the netpoll already, without an end.
 * METHOD  one fiber that sleeps long enough for the watching thread to doze off. */
static void
sleep_alone(void *arg)
{
    count_up(arg);
    hr_yield();
    if (hr_sleep(250000000) == 0) {
        count_up(arg);
    }
}

static void
sched_lone_sleeper_wakes(void)
{
    _Atomic uint32_t count = 0;
    run_on(3, sleep_alone, (void *) &count);
    ASSERT_I64_EQ(count, 2);
}

/* GOAL    hr_blocking runs on another stack, and the fiber goes on after it. */
static void
note_stack(void *arg)
{
    *(bool *) arg = hr_on_fiber();
}

static void
block_once(void *arg)
{
    bool on_fiber = true;
    for (int i = 0; i < 50; i++) {
        if (hr_blocking(note_stack, &on_fiber) != 0 || on_fiber) {
            abort();
        }
    }
    count_up(arg);
}

static void
sched_blocking_leaves_the_fiber(void)
{
    _Atomic uint32_t count = 0;
    struct hr_options options = { .procs_count = 2, .blocking_threads_count_max = 4 };
    ASSERT_I64_EQ(hr_start(&options), 0);
    for (int i = 0; i < 20; i++) {
        ASSERT_I64_EQ(hr_go(block_once, (void *) &count, "blocker"), 0);
    }
    ASSERT_I64_EQ(hr_stop(), 0);
    ASSERT_I64_EQ(count, 20);
}

/* GOAL    an event that a plain thread sets wakes the fiber, before and after it waits. */
static void *
set_event(void *arg)
{
    hr_event_set(arg);
    hr_event_set(arg);
    return NULL;
}

static void
wait_events(void *arg)
{
    for (int i = 0; i < 200; i++) {
        struct hr_event event;
        hr_event_init(&event);
        pthread_t thread;
        if (pthread_create(&thread, NULL, set_event, &event) != 0) {
            abort();
        }
        if (hr_event_wait(&event) != 0) {
            abort();
        }
        pthread_join(thread, NULL);
        if (hr_event_wait(&event) != 0) {
            abort();
        }
    }
    count_up(arg);
}

static void
sched_event_from_a_thread_wakes(void)
{
    _Atomic uint32_t count = 0;
    run_on(2, wait_events, (void *) &count);
    ASSERT_I64_EQ(count, 1);
}

/* GOAL    bytes through a pipe: the reader parks, wakes, sees the end, and the deadline. */
struct pipe_pair {
    int fds[2];
    int64_t bytes_count;
    int64_t end;
    int64_t late;
};

static void
read_all(void *arg)
{
    struct pipe_pair *pair = arg;
    char bytes[1000];
    pair->late = hr_read(pair->fds[0], bytes, sizeof bytes, hr_now() + 1000000);
    int64_t got;
    while ((got = hr_read(pair->fds[0], bytes, sizeof bytes, HR_NEVER)) > 0) {
        pair->bytes_count += got;
    }
    pair->end = got;
}

static void
write_all(void *arg)
{
    struct pipe_pair *pair = arg;
    static const char bytes[4096];
    while (pair->late == 0) {
        hr_sleep(100000);
    }
    for (int64_t left = 1 << 20; left > 0;) {
        int64_t wrote = hr_write(pair->fds[1], bytes, sizeof bytes, HR_NEVER);
        if (wrote <= 0) {
            abort();
        }
        left -= wrote;
    }
    hr_fd_forget(pair->fds[1]);
    close(pair->fds[1]);
}

static void
pipe_both(void *arg)
{
    struct hr_fiber *reader, *writer;
    if (hr_spawn(read_all, arg, "reader", &reader) != 0 ||
        hr_spawn(write_all, arg, "writer", &writer) != 0) {
        abort();
    }
    hr_join(reader);
    hr_join(writer);
}

static void
sched_pipe_carries_a_megabyte(void)
{
    struct pipe_pair pair = { 0 };
    CU_ASSERT_EQUAL(pipe2(pair.fds, O_NONBLOCK | O_CLOEXEC), 0);
    run_on(1, pipe_both, &pair);
    ASSERT_I64_EQ(pair.late, -ETIMEDOUT);
    ASSERT_I64_EQ(pair.bytes_count, 1 << 20);
    ASSERT_I64_EQ(pair.end, 0);
    close(pair.fds[0]);
}

/* GOAL    hr_fd_forget wakes a reader with -EBADF. */
static void
read_once(void *arg)
{
    struct pipe_pair *pair = arg;
    char byte;
    pair->end = hr_read(pair->fds[0], &byte, 1, HR_NEVER);
}

static void
forget_reader(void *arg)
{
    struct pipe_pair *pair = arg;
    struct hr_fiber *reader;
    if (hr_spawn(read_once, arg, "reader", &reader) != 0) {
        abort();
    }
    hr_yield();
    while (pair->end == 1) {
        hr_fd_forget(pair->fds[0]);
        hr_sleep(100000);
    }
    hr_join(reader);
}

static void
sched_forgotten_fd_wakes_its_reader(void)
{
    struct pipe_pair pair = { .end = 1 };
    CU_ASSERT_EQUAL(pipe2(pair.fds, O_NONBLOCK | O_CLOEXEC), 0);
    run_on(1, forget_reader, &pair);
    ASSERT_I64_EQ(pair.end, -EBADF);
    close(pair.fds[0]);
    close(pair.fds[1]);
}

static const struct test tests[] = {
    TEST(sched_spawned_fibers_all_run),
    TEST(sched_start_and_stop_repeat),
    TEST(sched_bad_options_are_refused),
    TEST(sched_fibers_at_bound_are_refused),
    TEST(sched_join_waits_for_children),
    TEST(sched_yield_lets_others_run),
    TEST(sched_sleep_is_never_short),
    TEST(sched_lone_sleeper_wakes),
    TEST(sched_blocking_leaves_the_fiber),
    TEST(sched_event_from_a_thread_wakes),
    TEST(sched_pipe_carries_a_megabyte),
    TEST(sched_forgotten_fd_wakes_its_reader),
};
TEST_MAIN("sched_basic", tests)

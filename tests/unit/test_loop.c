/* SPDX-License-Identifier: MIT */
#include "common/edge/loop.h"

#include "common/sys/clock.h"
#include "tests/support/cunit_main.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_wake *wake;
    instant_t when;
    unsigned timers_count;
    unsigned wakes_count;
    unsigned signals_count;
    unsigned reads_count;
    int fds[2];
    bool was_early;
    atomic_uint posted_count;
};

static void
on_timer(void *user)
{
    struct fixture *fx = user;
    fx->was_early = !instant_reached(clock_now(), fx->when);
    if (++fx->timers_count < 20) {
        fx->when = instant_add(clock_now(), duration_us(137));
        loop_timer_arm(fx->timer, fx->when);
    } else {
        loop_stop(fx->loop);
    }
}

/* GOAL    a timer never fires early, and can be armed from its own callback. */
static void
loop_timer_is_never_early(void)
{
    struct fixture fx = { 0 };
    ASSERT_I64_EQ(loop_new(&fx.loop), ERR_OK);
    ASSERT_I64_EQ(loop_timer_new(fx.loop, on_timer, &fx, &fx.timer), ERR_OK);
    fx.when = instant_add(clock_now(), duration_us(300));
    loop_timer_arm(fx.timer, instant_add(clock_now(), duration_s(1000)));
    loop_timer_arm(fx.timer, fx.when); /* moves it */
    loop_run(fx.loop);
    ASSERT_I64_EQ(fx.timers_count, 20);
    CU_ASSERT_FALSE(fx.was_early);
    loop_timer_free(fx.timer);
    loop_free(fx.loop);
}

static void
on_never(void *user)
{
    struct fixture *fx = user;
    fx->timers_count++;
}

static void
stop(void *user)
{
    loop_stop(user);
}

/* GOAL    a disarmed timer stays silent; one that is due already fires. */
static void
loop_timer_disarmed_is_silent(void)
{
    struct fixture fx = { 0 };
    struct loop_timer *due;
    ASSERT_I64_EQ(loop_new(&fx.loop), ERR_OK);
    ASSERT_I64_EQ(loop_timer_new(fx.loop, on_never, &fx, &fx.timer), ERR_OK);
    ASSERT_I64_EQ(loop_timer_new(fx.loop, stop, fx.loop, &due), ERR_OK);
    loop_timer_arm(fx.timer, clock_now());
    loop_timer_arm(fx.timer, INSTANT_NEVER);
    loop_timer_arm(due, (instant_t){ .ns = 1 });
    loop_run(fx.loop);
    ASSERT_I64_EQ(fx.timers_count, 0);
    loop_timer_free(due);
    loop_timer_free(fx.timer);
    loop_free(fx.loop);
}

#define POSTS_COUNT 20000

static void *
post_from_outside(void *user)
{
    struct fixture *fx = user;
    for (unsigned i = 0; i < POSTS_COUNT; i++) {
        atomic_fetch_add_explicit(&fx->posted_count, 1, memory_order_relaxed);
        loop_wake_post(fx->wake);
    }
    return NULL;
}

static void
on_wake(void *user)
{
    struct fixture *fx = user;
    fx->wakes_count++;
    if (atomic_load_explicit(&fx->posted_count, memory_order_relaxed) == POSTS_COUNT) {
        loop_stop(fx->loop);
    }
}

/* GOAL    no post is lost: the loop sees the last one. */
static void
loop_wake_sees_every_post(void)
{
    struct fixture fx = { 0 };
    ASSERT_I64_EQ(loop_new(&fx.loop), ERR_OK);
    ASSERT_I64_EQ(loop_wake_new(fx.loop, on_wake, &fx, &fx.wake), ERR_OK);
    pthread_t thread;
    ASSERT_I64_EQ(pthread_create(&thread, NULL, post_from_outside, &fx), 0);
    loop_run(fx.loop);
    pthread_join(thread, NULL);
    CU_ASSERT(fx.wakes_count >= 1);
    CU_ASSERT(fx.wakes_count <= POSTS_COUNT);
    loop_wake_free(fx.wake);
    loop_free(fx.loop);
}

static void
on_signal(void *user, int signal_number)
{
    struct fixture *fx = user;
    fx->signals_count += signal_number == SIGUSR1;
    loop_stop(fx->loop);
}

static void
on_ready(void *user)
{
    struct fixture *fx = user;
    char byte;
    fx->reads_count += read(fx->fds[0], &byte, 1) == 1;
    raise(SIGUSR1);
}

/* GOAL    a readable descriptor and a signal each call back. */
static void
loop_sees_descriptors_and_signals(void)
{
    struct fixture fx = { 0 };
    struct loop_watch *watch;
    ASSERT_I64_EQ(pipe(fx.fds), 0);
    ASSERT_I64_EQ(loop_new(&fx.loop), ERR_OK);
    ASSERT_I64_EQ(loop_on_signal(fx.loop, SIGUSR1, on_signal, &fx), ERR_OK);
    ASSERT_I64_EQ(loop_watch_new(fx.loop, fx.fds[0], on_ready, &fx, &watch), ERR_OK);
    ASSERT_I64_EQ(write(fx.fds[1], "x", 1), 1);
    loop_run(fx.loop);
    ASSERT_I64_EQ(fx.reads_count, 1);
    ASSERT_I64_EQ(fx.signals_count, 1);
    loop_watch_free(watch);
    loop_free(fx.loop);
    close(fx.fds[0]);
    close(fx.fds[1]);
}

struct turns {
    struct loop *loop;
    struct loop_timer *timers[3];
    unsigned callbacks_count;
    unsigned ends_count;
    unsigned callbacks_at_end[3];
    bool was_turning;
};

static void
on_turns_timer(void *user)
{
    struct turns *turns = user;
    turns->callbacks_count++;
    turns->was_turning = loop_is_turning(turns->loop);
    if (turns->callbacks_count == 3) {
        loop_stop(turns->loop);
    }
}

static void
on_turns_end(void *user)
{
    struct turns *turns = user;
    CU_ASSERT_FALSE(loop_is_turning(turns->loop));
    if (turns->ends_count < 3) {
        turns->callbacks_at_end[turns->ends_count++] = turns->callbacks_count;
    }
}

/* GOAL    the end of a turn comes after all of its callbacks, also of the last turn.
 * METHOD  three timers that are due at once make one turn. */
static void
loop_turn_ends_after_its_callbacks(void)
{
    struct turns turns = { 0 };
    ASSERT_I64_EQ(loop_new(&turns.loop), ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_I64_EQ(
            loop_timer_new(turns.loop, on_turns_timer, &turns, &turns.timers[i]), ERR_OK);
        loop_timer_arm(turns.timers[i], (instant_t){ 0 });
    }
    for (unsigned i = 0; i < LOOP_TURN_ENDS_MAX; i++) {
        ASSERT_I64_EQ(loop_on_turn_end(turns.loop, on_turns_end, &turns), ERR_OK);
    }
    ASSERT_I64_EQ(loop_on_turn_end(turns.loop, on_turns_end, &turns), ERR_FULL);
    for (unsigned i = 1; i < LOOP_TURN_ENDS_MAX; i++) {
        loop_no_turn_end(turns.loop, &turns);
    }
    loop_run(turns.loop);
    CU_ASSERT_TRUE(turns.was_turning);
    CU_ASSERT(turns.ends_count >= 1);
    ASSERT_I64_EQ(turns.callbacks_at_end[turns.ends_count - 1], 3);
    for (unsigned i = 0; i < 3; i++) {
        loop_timer_free(turns.timers[i]);
    }
    loop_free(turns.loop);
}

static const struct test tests[] = {
    TEST(loop_turn_ends_after_its_callbacks),
    TEST(loop_timer_is_never_early),
    TEST(loop_timer_disarmed_is_silent),
    TEST(loop_wake_sees_every_post),
    TEST(loop_sees_descriptors_and_signals),
};
TEST_MAIN("loop", tests)

/* SPDX-License-Identifier: MIT
 *
 * common/edge/loop.h - one thread's event loop: timers, signals, wake-ups from others.
 *
 * The only file that knows event2/event.h is loop.c (precise timers; libevent's default
 * ones are 3 to 4 ms late).
 *
 * THREADS  all calls on the loop's own thread, but for loop_wake_post() and loop_stop():
 *          any.
 */
#ifndef COMMON_EDGE_LOOP_H
#define COMMON_EDGE_LOOP_H

#include "common/pure/err.h"
#include "common/pure/units.h"

struct loop;
struct loop_timer;
struct loop_wake;
struct loop_watch;

err_t loop_new(struct loop **ret_loop) MUST_USE;
void loop_free(struct loop *loop);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* A turn of the loop is one look at sockets and timers, and all callbacks that it brings.
 * on_turn_end runs after each: what they left to write leaves together.  At most
 * LOOP_TURN_ENDS_MAX.  Errors: FULL. */
#define LOOP_TURN_ENDS_MAX 4
err_t loop_on_turn_end(struct loop *loop, void (*on_turn_end)(void *user), void *user) MUST_USE;
void loop_no_turn_end(struct loop *loop, const void *user);
/* A turn's callbacks are running: its end will come. */
bool loop_is_turning(const struct loop *loop);
/* libevent's struct event_base, for common/edge/net.c. */
void *loop_base(struct loop *loop);

/* One-shot; arming again moves it; NEVER disarms. */
err_t loop_timer_new(struct loop *loop, void (*on_timer)(void *user), void *user,
    struct loop_timer **ret_timer) MUST_USE;
void loop_timer_free(struct loop_timer *timer);
void loop_timer_arm(struct loop_timer *timer, instant_t when);

/* on_wake runs on the loop thread once for any number of posts before it (an eventfd,
 * written only on the first). */
err_t loop_wake_new(struct loop *loop, void (*on_wake)(void *user), void *user,
    struct loop_wake **ret_wake) MUST_USE;
void loop_wake_free(struct loop_wake *wake);
void loop_wake_post(struct loop_wake *wake);

/* signal_number is caught for good: one loop of the process at most. */
err_t loop_on_signal(struct loop *loop, int signal_number,
    void (*on_signal)(void *user, int signal_number), void *user) MUST_USE;

/* Call on_ready while fd is readable.  free before close(2). */
err_t loop_watch_new(struct loop *loop, int fd, void (*on_ready)(void *user), void *user,
    struct loop_watch **ret_watch) MUST_USE;
void loop_watch_free(struct loop_watch *watch);

#endif

/* SPDX-License-Identifier: MIT */
#include "common/edge/loop.h"

#include "common/sys/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SIGNALS_MAX 8

struct signal_watch {
    struct event *event;
    void (*on_signal)(void *user, int signal_number);
    void *user;
};

struct turn_end {
    void (*on_turn_end)(void *user);
    void *user;
};

struct loop {
    struct event_base *base;
    struct turn_end turn_ends[LOOP_TURN_ENDS_MAX];
    unsigned turn_ends_count;
    bool is_turning;
    struct loop_wake *stop;
    struct signal_watch signals[SIGNALS_MAX];
    unsigned signals_count;
};

struct loop_timer {
    struct event *event;
    void (*on_timer)(void *user);
    void *user;
    instant_t when; /* NEVER: not armed */
};

struct loop_wake {
    struct event *event;
    int fd;
    void (*on_wake)(void *user);
    void *user;
    /* Pairs poster and loop: who turns it true writes the eventfd; the loop turns it false
     * before it looks at what was posted, so a post that finds it true is still seen. */
    atomic_bool posted;
};

struct loop_watch {
    struct event *event;
    void (*on_ready)(void *user);
    void *user;
};

static void
on_stop(void *user)
{
    event_base_loopbreak(user);
}

err_t
loop_new(struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    struct event_config *config = event_config_new();
    if (loop == NULL || config == NULL) {
        goto fail;
    }
    /* One thread owns the base, so it needs no lock.  Without the time cache a timer counts
     * from now, and not from when this round of callbacks began. */
    event_config_set_flag(config,
        EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
    loop->base = event_base_new_with_config(config);
    if (loop->base == NULL || loop_wake_new(loop, on_stop, loop->base, &loop->stop) != ERR_OK) {
        goto fail;
    }
    event_config_free(config);
    *ret_loop = loop;
    return ERR_OK;

fail:
    if (config != NULL) {
        event_config_free(config);
    }
    loop_free(loop);
    return ERR_NO_MEMORY;
}

void
loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    for (unsigned i = 0; i < loop->signals_count; i++) {
        event_free(loop->signals[i].event);
    }
    loop_wake_free(loop->stop);
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    free(loop);
}

void
loop_run(struct loop *loop)
{
    do {
        loop->is_turning = true;
        CHECK(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) >= 0);
        loop->is_turning = false;
        for (unsigned i = 0; i < loop->turn_ends_count; i++) {
            loop->turn_ends[i].on_turn_end(loop->turn_ends[i].user);
        }
    } while (!event_base_got_break(loop->base));
}

err_t
loop_on_turn_end(struct loop *loop, void (*on_turn_end)(void *user), void *user)
{
    if (loop->turn_ends_count == LOOP_TURN_ENDS_MAX) {
        return ERR_FULL;
    }
    loop->turn_ends[loop->turn_ends_count++] =
        (struct turn_end){ .on_turn_end = on_turn_end, .user = user };
    return ERR_OK;
}

void
loop_no_turn_end(struct loop *loop, const void *user)
{
    for (unsigned i = 0; i < loop->turn_ends_count; i++) {
        if (loop->turn_ends[i].user == user) {
            loop->turn_ends[i] = loop->turn_ends[--loop->turn_ends_count];
            return;
        }
    }
}

bool
loop_is_turning(const struct loop *loop)
{
    return loop->is_turning;
}

void
loop_stop(struct loop *loop)
{
    loop_wake_post(loop->stop);
}

void *
loop_base(struct loop *loop)
{
    return loop->base;
}

static void
on_timeout(evutil_socket_t fd, short what, void *user)
{
    struct loop_timer *timer = user;
    (void) fd;
    (void) what;
    instant_t when = timer->when;
    timer->when = INSTANT_NEVER;
    if (!instant_reached(clock_now(), when)) {
        loop_timer_arm(timer, when); /* libevent counts whole microseconds */
        return;
    }
    timer->on_timer(timer->user);
}

err_t
loop_timer_new(
    struct loop *loop, void (*on_timer)(void *user), void *user, struct loop_timer **ret_timer)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL) {
        return ERR_NO_MEMORY;
    }
    *timer = (struct loop_timer){ .on_timer = on_timer, .user = user, .when = INSTANT_NEVER };
    timer->event = event_new(loop->base, -1, 0, on_timeout, timer);
    if (timer->event == NULL) {
        free(timer);
        return ERR_NO_MEMORY;
    }
    *ret_timer = timer;
    return ERR_OK;
}

void
loop_timer_free(struct loop_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    event_free(timer->event);
    free(timer);
}

void
loop_timer_arm(struct loop_timer *timer, instant_t when)
{
    if (timer->when.ns == when.ns) {
        return;
    }
    timer->when = when;
    if (instant_is_never(when)) {
        CHECK(event_del(timer->event) == 0);
        return;
    }
    /* Longer than a year is never: whoever waits that long arms again. */
    const duration_t longest = duration_s(365 * 86400);
    duration_t wait = duration_min(instant_until(clock_now(), when), longest);
    int64_t us = (wait.ns + 999) / 1000;
    struct timeval timeout = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
    CHECK(event_add(timer->event, &timeout) == 0);
}

static void
on_posted(evutil_socket_t fd, short what, void *user)
{
    struct loop_wake *wake = user;
    (void) what;
    uint64_t count;
    ssize_t size = read(fd, &count, sizeof count);
    CHECK(size == (ssize_t) sizeof count || size < 0);
    atomic_exchange_explicit(&wake->posted, false, memory_order_acq_rel);
    wake->on_wake(wake->user);
}

err_t
loop_wake_new(
    struct loop *loop, void (*on_wake)(void *user), void *user, struct loop_wake **ret_wake)
{
    struct loop_wake *wake = calloc(1, sizeof *wake);
    if (wake == NULL) {
        return ERR_NO_MEMORY;
    }
    wake->on_wake = on_wake;
    wake->user = user;
    atomic_init(&wake->posted, false);
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake->fd >= 0) {
        wake->event = event_new(loop->base, wake->fd, EV_READ | EV_PERSIST, on_posted, wake);
    }
    if (wake->event == NULL || event_add(wake->event, NULL) != 0) {
        loop_wake_free(wake);
        return ERR_NO_MEMORY;
    }
    *ret_wake = wake;
    return ERR_OK;
}

void
loop_wake_free(struct loop_wake *wake)
{
    if (wake == NULL) {
        return;
    }
    if (wake->event != NULL) {
        event_free(wake->event);
    }
    if (wake->fd >= 0) {
        close(wake->fd);
    }
    free(wake);
}

void
loop_wake_post(struct loop_wake *wake)
{
    if (atomic_exchange_explicit(&wake->posted, true, memory_order_acq_rel)) {
        return;
    }
    uint64_t one = 1;
    /* Cannot be full: the counter is read back to zero after each first post. */
    CHECK(write(wake->fd, &one, sizeof one) == (ssize_t) sizeof one);
}

static void
on_caught(evutil_socket_t number, short what, void *user)
{
    const struct signal_watch *watch = user;
    (void) what;
    watch->on_signal(watch->user, (int) number);
}

err_t
loop_on_signal(struct loop *loop, int signal_number,
    void (*on_signal)(void *user, int signal_number), void *user)
{
    if (loop->signals_count == SIGNALS_MAX) {
        return ERR_FULL;
    }
    struct signal_watch *watch = &loop->signals[loop->signals_count];
    *watch = (struct signal_watch){ .on_signal = on_signal, .user = user };
    watch->event =
        event_new(loop->base, signal_number, EV_SIGNAL | EV_PERSIST, on_caught, watch);
    if (watch->event == NULL) {
        return ERR_NO_MEMORY;
    }
    if (event_add(watch->event, NULL) != 0) {
        event_free(watch->event);
        return ERR_INVALID;
    }
    loop->signals_count++;
    return ERR_OK;
}

static void
on_readable(evutil_socket_t fd, short what, void *user)
{
    const struct loop_watch *watch = user;
    (void) fd;
    (void) what;
    watch->on_ready(watch->user);
}

err_t
loop_watch_new(struct loop *loop, int fd, void (*on_ready)(void *user), void *user,
    struct loop_watch **ret_watch)
{
    struct loop_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return ERR_NO_MEMORY;
    }
    watch->on_ready = on_ready;
    watch->user = user;
    watch->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_readable, watch);
    if (watch->event == NULL || event_add(watch->event, NULL) != 0) {
        loop_watch_free(watch);
        return ERR_NO_MEMORY;
    }
    *ret_watch = watch;
    return ERR_OK;
}

void
loop_watch_free(struct loop_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->event != NULL) {
        event_free(watch->event);
    }
    free(watch);
}

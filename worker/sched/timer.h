/* SPDX-License-Identifier: MIT
 *
 * worker/sched/timer.h - a wheel of timers for each proc: set and cleared in O(1).
 *
 * Eight levels of 64 slots; a tick is 2^16 ns.  A timer lies on the level of the highest
 * 6-bit digit in which its tick differs from the wheel's, and moves down as the wheel comes
 * near.  So slots later in a level are later in time, and the first occupied slot of the
 * lowest occupied level holds the earliest timer.  Exact nanoseconds are kept: a timer never
 * fires early, nor waits for the end of its tick.
 *
 *      level 0  | | |x| | |   65 us each      4.2 ms in all
 *      level 1  | |x| | | |   4.2 ms each   268 ms in all    ...   level 7: 9 years each
 *
 * INVARIANTS  TI1  every timer of a slot has its tick inside of the slot's span.
 *             TI2  no occupied slot starts before the wheel's tick (level 0: at it).
 *             TI3  min of a slot <= the earliest in it (it may be stale after a removal).
 * UNITS       ns on CLOCK_MONOTONIC; ticks of 2^16 ns.
 * OWNERSHIP   nodes are the caller's memory until they fired or timer_clear() returned.
 * THREADS     any.  LOCKS  the wheel's own; under it only fibers are claimed.
 * REJECTED    one heap for all procs (a contended lock); a heap for each (a million sleepers
 *             are ten cache misses deep).
 * SOURCE      Varghese and Lauck, Hashed and Hierarchical Timing Wheels, 1987.
 */
#ifndef WORKER_SCHED_TIMER_H
#define WORKER_SCHED_TIMER_H

#include "worker/sched/lock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TIMER_LEVELS_COUNT = 8,
    TIMER_SLOTS_COUNT = 64
};

struct timer_wheel;

struct timer {
    struct timer *next; /* guard of the links: the wheel's lock; free for who owns it after */
    struct timer **link;
    int64_t when;
    struct timer_wheel *wheel; /* NULL: never set */
    /* Called under the wheel's lock, must be short.  true: the timer goes on the caller's
     * list of fired ones. */
    bool (*on_fire)(struct timer *timer, void *batch);
    uint8_t level;
    uint8_t slot;
    bool is_set;
};

struct timer_wheel {
    struct lock lock;
    _Atomic int64_t next; /* earliest, at most too early; read by anyone */
    uint64_t tick;
    uint64_t occupied[TIMER_LEVELS_COUNT];
    struct timer *slots[TIMER_LEVELS_COUNT][TIMER_SLOTS_COUNT];
    int64_t mins[TIMER_LEVELS_COUNT][TIMER_SLOTS_COUNT];
};

void timer_wheel_init(struct timer_wheel *wheel, int64_t now);
/* Fire what is due: calls on_fire(timer, batch) for each; returns the list (by next) of
 * those for which it said true. */
struct timer *timer_wheel_run(struct timer_wheel *wheel, int64_t now, void *batch);
/* Forget all timers. */
void timer_wheel_fini(struct timer_wheel *wheel);
/* Is any timer set?  (timer_wheel_next may still name one that was cleared.) */
bool timer_wheel_is_empty(struct timer_wheel *wheel);
void timer_wheel_check(struct timer_wheel *wheel);

/* timer->on_fire is set by the caller. */
void timer_set(struct timer_wheel *wheel, struct timer *timer, int64_t when);
/* After it returns the timer has fired or never will.  true: it was still set. */
bool timer_clear(struct timer *timer);

static inline int64_t
timer_wheel_next(const struct timer_wheel *wheel)
{
    return atomic_load_explicit(&wheel->next, memory_order_relaxed);
}

#endif

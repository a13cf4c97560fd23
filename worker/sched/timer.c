/* SPDX-License-Identifier: MIT */
#include "worker/sched/timer.h"

#include "common/pure/check.h"

#include <stddef.h>
#include <string.h>

enum {
    TICK_BITS = 16,
    DIGIT_BITS = 6
};

static uint64_t
tick_of(int64_t ns)
{
    return ns <= 0 ? 0 : (uint64_t) ns >> TICK_BITS;
}

void
timer_wheel_init(struct timer_wheel *wheel, int64_t now)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = tick_of(now);
    atomic_store_explicit(&wheel->next, INT64_MAX, memory_order_relaxed);
}

static void
timer_link(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_of(timer->when);
    if (tick < wheel->tick) {
        tick = wheel->tick; /* overdue: fires in the next run */
    }
    uint64_t differs = (tick ^ wheel->tick) | (TIMER_SLOTS_COUNT - 1);
    uint32_t level = (uint32_t) (63 - __builtin_clzll(differs)) / DIGIT_BITS;
    CHECK(level < TIMER_LEVELS_COUNT);
    uint32_t slot = (uint32_t) (tick >> (level * DIGIT_BITS)) & (TIMER_SLOTS_COUNT - 1);

    struct timer **head = &wheel->slots[level][slot];
    timer->level = (uint8_t) level;
    timer->slot = (uint8_t) slot;
    timer->is_set = true;
    timer->next = *head;
    timer->link = head;
    if (*head != NULL) {
        (*head)->link = &timer->next;
    }
    *head = timer;
    if ((wheel->occupied[level] >> slot & 1) == 0 || timer->when < wheel->mins[level][slot]) {
        wheel->mins[level][slot] = timer->when;
    }
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

static void
timer_unlink(struct timer_wheel *wheel, struct timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL) {
        timer->next->link = timer->link;
    }
    if (wheel->slots[timer->level][timer->slot] == NULL) {
        wheel->occupied[timer->level] &= ~(UINT64_C(1) << timer->slot);
    }
    timer->is_set = false;
}

/* The earliest occupied slot; false: the wheel is empty. */
static bool
wheel_first(const struct timer_wheel *wheel, uint32_t *ret_level, uint32_t *ret_slot)
{
    for (uint32_t level = 0; level < TIMER_LEVELS_COUNT; level++) {
        if (wheel->occupied[level] != 0) {
            *ret_level = level;
            *ret_slot = (uint32_t) __builtin_ctzll(wheel->occupied[level]);
            return true;
        }
    }
    return false;
}

static void
wheel_publish_next(struct timer_wheel *wheel)
{
    uint32_t level, slot;
    int64_t next = wheel_first(wheel, &level, &slot) ? wheel->mins[level][slot] : INT64_MAX;
    atomic_store_explicit(&wheel->next, next, memory_order_relaxed);
}

static uint64_t
slot_start(const struct timer_wheel *wheel, uint32_t level, uint32_t slot)
{
    uint32_t shift = level * DIGIT_BITS;
    uint64_t above = wheel->tick >> shift >> DIGIT_BITS << DIGIT_BITS;
    return (above | slot) << shift;
}

/* Fire the due timers of a slot of level 0. */
static void
slot_fire(struct timer_wheel *wheel, uint32_t slot, int64_t now, void *batch,
    struct timer **ret_fired)
{
    int64_t left_min = INT64_MAX;
    struct timer *next = NULL;
    for (struct timer *timer = wheel->slots[0][slot]; timer != NULL; timer = next) {
        next = timer->next;
        if (timer->when > now) {
            left_min = timer->when < left_min ? timer->when : left_min;
            continue;
        }
        timer_unlink(wheel, timer);
        if (timer->on_fire(timer, batch)) {
            timer->next = *ret_fired;
            *ret_fired = timer;
        }
    }
    wheel->mins[0][slot] = left_min;
}

/* Spread a slot of a higher level over those below it. */
static void
slot_lower(struct timer_wheel *wheel, uint32_t level, uint32_t slot)
{
    struct timer *next = wheel->slots[level][slot];
    wheel->slots[level][slot] = NULL;
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    while (next != NULL) {
        struct timer *timer = next;
        next = timer->next;
        timer_link(wheel, timer);
        CHECK(timer->level < level);
    }
}

struct timer *
timer_wheel_run(struct timer_wheel *wheel, int64_t now, void *batch)
{
    struct timer *fired = NULL;
    uint64_t target = tick_of(now);

    lock_take(&wheel->lock);
    uint32_t level, slot;
    while (wheel_first(wheel, &level, &slot)) {
        uint64_t start = slot_start(wheel, level, slot);
        if (start > target) {
            break;
        }
        if (start > wheel->tick) {
            wheel->tick = start;
        }
        if (level > 0) {
            slot_lower(wheel, level, slot);
            continue;
        }
        slot_fire(wheel, slot, now, batch, &fired);
        if (wheel->slots[0][slot] != NULL) {
            break; /* the tick that we are in */
        }
    }
    if (target > wheel->tick) {
        wheel->tick = target;
    }
    wheel_publish_next(wheel);
    lock_give(&wheel->lock);
    return fired;
}

void
timer_wheel_fini(struct timer_wheel *wheel)
{
    lock_take(&wheel->lock);
    for (uint32_t level = 0; level < TIMER_LEVELS_COUNT; level++) {
        for (uint32_t slot = 0; slot < TIMER_SLOTS_COUNT; slot++) {
            while (wheel->slots[level][slot] != NULL) {
                timer_unlink(wheel, wheel->slots[level][slot]);
            }
        }
    }
    wheel_publish_next(wheel);
    lock_give(&wheel->lock);
}

bool
timer_wheel_is_empty(struct timer_wheel *wheel)
{
    uint32_t level, slot;
    lock_take(&wheel->lock);
    bool is_empty = !wheel_first(wheel, &level, &slot);
    lock_give(&wheel->lock);
    return is_empty;
}

void
timer_wheel_check(struct timer_wheel *wheel)
{
    lock_take(&wheel->lock);
    for (uint32_t level = 0; level < TIMER_LEVELS_COUNT; level++) {
        for (uint32_t slot = 0; slot < TIMER_SLOTS_COUNT; slot++) {
            bool is_occupied = (wheel->occupied[level] >> slot & 1) != 0;
            CHECK(is_occupied == (wheel->slots[level][slot] != NULL));
            if (!is_occupied) {
                continue;
            }
            uint64_t start = slot_start(wheel, level, slot);
            uint64_t end = start + (UINT64_C(1) << (level * DIGIT_BITS));
            CHECK(level == 0 ? start >= wheel->tick : start > wheel->tick); /* TI2 */
            for (struct timer *t = wheel->slots[level][slot]; t != NULL; t = t->next) {
                CHECK(t->is_set);
                CHECK(t->when >= wheel->mins[level][slot]); /* TI3 */
                CHECK(tick_of(t->when) < end);              /* TI1 */
            }
        }
    }
    lock_give(&wheel->lock);
}

void
timer_set(struct timer_wheel *wheel, struct timer *timer, int64_t when)
{
    lock_take(&wheel->lock);
    timer->wheel = wheel;
    timer->when = when;
    timer_link(wheel, timer);
    if (when < timer_wheel_next(wheel)) {
        atomic_store_explicit(&wheel->next, when, memory_order_relaxed);
    }
    lock_give(&wheel->lock);
}

bool
timer_clear(struct timer *timer)
{
    struct timer_wheel *wheel = timer->wheel;
    if (wheel == NULL) {
        return false;
    }
    lock_take(&wheel->lock);
    bool was_set = timer->is_set;
    if (was_set) {
        timer_unlink(wheel, timer);
    }
    lock_give(&wheel->lock);
    return was_set;
}

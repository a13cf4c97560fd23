/* SPDX-License-Identifier: MIT
 *
 * worker/sched/runq.h - where fibers wait to run: a ring, a deque, and the shared queue.
 *
 *   next   one slot: who was readied last runs next on this proc (its data is hot, and a
 *          ping-pong never wakes a second core).  Plain memory of the owner.
 *   ring   fibers that were readied, first in, first out: fair to those who waited.
 *   deque  fibers that never ran, last in, first out for the owner: depth first, so a tree
 *          of a million needs the stacks of one path.  Thieves take the oldest, which is
 *          the biggest subtree.
 *   shared what does not fit, and what plain threads start.  Looked at every 64th turn.
 *
 * INVARIANTS  RQ1  only the owner adds to next, ring and deque: a proc that finds them empty
 *                  has no work until it makes some, so a sleeping proc cannot lose any.
 *             RQ2  ring and deque never lose or double a fiber (proofs in runq.c).
 * THREADS     owner proc, except *_steal (any).   LOCKS  shared: sched_lock.
 */
#ifndef WORKER_SCHED_RUNQ_H
#define WORKER_SCHED_RUNQ_H

#include "worker/sched/fiber.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    RUNQ_RING_COUNT = 256,
    RUNQ_DEQUE_COUNT = 4096
};

struct runq_ring {
    alignas(64) _Atomic uint32_t head; /* owner and thieves: CAS */
    alignas(64) _Atomic uint32_t tail; /* owner */
    struct hr_fiber *_Atomic slots[RUNQ_RING_COUNT];
};

struct runq_deque {
    alignas(64) _Atomic int64_t top;    /* owner (last one) and thieves: CAS */
    alignas(64) _Atomic int64_t bottom; /* owner */
    struct hr_fiber *_Atomic slots[RUNQ_DEQUE_COUNT];
};

struct runq_list {
    struct hr_fiber *head;
    struct hr_fiber *tail;
    uint32_t count;
};

/* false: full. */
bool runq_ring_push(struct runq_ring *ring, struct hr_fiber *fiber);
struct hr_fiber *runq_ring_take(struct runq_ring *ring);
/* Move half (at least one) from a victim's ring to the thief's empty one, return one of
 * them to run.  NULL: there was nothing. */
struct hr_fiber *runq_ring_steal(struct runq_ring *victim, struct runq_ring *thief);

/* false: it holds count_max already. */
bool runq_deque_push(struct runq_deque *deque, struct hr_fiber *fiber, uint32_t count_max);
struct hr_fiber *runq_deque_take(struct runq_deque *deque);
/* The oldest; NULL when empty, or when someone else was faster. */
struct hr_fiber *runq_deque_steal(struct runq_deque *deque);

static inline uint32_t
runq_ring_count(const struct runq_ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    return tail - head <= RUNQ_RING_COUNT ? tail - head : 0;
}

static inline uint32_t
runq_deque_count(const struct runq_deque *deque)
{
    int64_t top = atomic_load_explicit(&deque->top, memory_order_relaxed);
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    return bottom > top ? (uint32_t) (bottom - top) : 0;
}

static inline void
runq_list_push(struct runq_list *list, struct hr_fiber *fiber)
{
    fiber->next = NULL;
    if (list->head == NULL) {
        list->head = fiber;
    } else {
        list->tail->next = fiber;
    }
    list->tail = fiber;
    list->count++;
}

static inline struct hr_fiber *
runq_list_take(struct runq_list *list)
{
    struct hr_fiber *fiber = list->head;
    if (fiber != NULL) {
        list->head = fiber->next;
        list->count--;
    }
    return fiber;
}

static inline void
runq_list_append(struct runq_list *list, const struct runq_list *more)
{
    if (more->head == NULL) {
        return;
    }
    if (list->head == NULL) {
        *list = *more;
        return;
    }
    list->tail->next = more->head;
    list->tail = more->tail;
    list->count += more->count;
}

#endif

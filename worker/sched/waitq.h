/* SPDX-License-Identifier: MIT
 *
 * worker/sched/waitq.h - a queue of fibers that wait for a lock, a count, a condition.
 *
 * Lies inside of the public structs (sync.h there: zero is ready to use).  Waiters lie on
 * their fibers' stacks, first come first served.
 *
 * INVARIANTS  WQ1  a waiter that was taken has been claimed: it must be readied.
 * LOCKS       the queue's own, a leaf (under it only wake words are claimed).
 */
#ifndef WORKER_SCHED_WAITQ_H
#define WORKER_SCHED_WAITQ_H

#include "worker/sched/lock.h"
#include "worker/sched/park.h"

struct waitq_waiter {
    struct waitq_waiter *next;
    struct waitq_waiter *prev;
    struct hr_fiber *fiber;
    uint64_t handle;
    int64_t since_ns; /* for who cares */
    uint32_t wanted;  /* what it waits for; the primitive's business */
    bool is_queued;
    bool goes_first; /* has waited before: to the head */
};

struct waitq {
    struct lock lock;
    uint32_t count; /* the primitive's business, guard: lock */
    struct waitq_waiter *head;
    struct waitq_waiter *tail;
};

/* Enter with queue->lock held; it is given back.  WOKEN_OK: someone took us. */
enum woken waitq_wait(
    struct waitq *queue, struct waitq_waiter *waiter, bool is_cancellable, const char *reason);
/* Under the lock: take the first one off; NULL: it has given up meanwhile. */
struct hr_fiber *waitq_take_first(struct waitq *queue);
/* Under the lock: the first one that has not given up; NULL if none. */
struct hr_fiber *waitq_take(struct waitq *queue);
/* Under the lock: claim all onto woken. */
void waitq_take_all(struct waitq *queue, struct runq_list *woken);

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/chan.h - inside a channel: a lock, a ring of elements, two queues of waiters.
 *
 * A waiter lies on its fiber's stack.  A sender that finds a waiting receiver copies the
 * element straight to where the receiver wants it, and the other way round.
 *
 * INVARIANTS  CH1  senders wait only when the ring is full, receivers only when it is empty;
 *                  never both on one channel, except one fiber's two cases of a select.
 *             CH2  a waiter is claimed (park.h) before anyone touches its element; it is
 *                  off its stack by then, because the lock is given back by the commit.
 *             CH3  a closed channel has no waiters.
 * LOCKS       the channel's; under it only wake words and nothing that takes a lock, except
 *             several channels' in a select, by address.
 * MEMORY      small ones pooled, others from malloc in hr_chan_new.
 */
#ifndef WORKER_SCHED_CHAN_H
#define WORKER_SCHED_CHAN_H

#include "worker/sched/lock.h"
#include "worker/sched/park.h"

struct chan_waiter {
    struct chan_waiter *next; /* guard of all: the channel's lock */
    struct chan_waiter *prev;
    struct hr_fiber *fiber;
    uint64_t handle;             /* 0: an exclusive wait */
    void *element;               /* where to, or where from */
    struct chan_waiter **winner; /* of a select: who was served; NULL otherwise */
    bool is_queued;
    bool is_served; /* an element was moved; false: the channel was closed */
};

struct chan_queue {
    struct chan_waiter *head;
    struct chan_waiter *tail;
};

struct hr_chan {
    struct hr_chan *free_next; /* while free; must stand first (PO2) */
    struct lock lock;
    bool is_closed;
    bool is_pooled;
    uint32_t element_size;
    uint32_t capacity;
    uint32_t count; /* elements in the ring */
    uint32_t first; /* index of the oldest */
    struct chan_queue receivers;
    struct chan_queue senders;
    _Alignas(8) uint8_t ring[];
};

/* Under the lock: do it now.  -EAGAIN: it would have to wait.  *ret_ready: a fiber to ready
 * after the lock is given back, or NULL. */
int chan_send_locked(struct hr_chan *chan, const void *element, struct hr_fiber **ret_ready);
int chan_recv_locked(struct hr_chan *chan, void *element, struct hr_fiber **ret_ready);
void chan_enqueue(struct chan_queue *queue, struct chan_waiter *waiter);
void chan_dequeue(struct chan_queue *queue, struct chan_waiter *waiter);

#endif

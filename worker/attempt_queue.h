/* SPDX-License-Identifier: MIT
 *
 * worker/attempt_queue.h - the copies of one lane that wait, first come first.
 *
 * Linked by index through the table of all copies.  Private to attempts.c.
 */
#ifndef WORKER_ATTEMPT_QUEUE_H
#define WORKER_ATTEMPT_QUEUE_H

#include "worker/attempts.h"

#define ATTEMPT_QUEUE_NONE UINT32_MAX

struct attempt_queue {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

static inline void
attempt_queue_push(struct attempt_queue *queue, struct attempt *all, struct attempt *attempt)
{
    uint32_t index = (uint32_t) (attempt - all);
    attempt->queue_next = ATTEMPT_QUEUE_NONE;
    if (queue->tail == ATTEMPT_QUEUE_NONE) {
        queue->head = index;
    } else {
        all[queue->tail].queue_next = index;
    }
    queue->tail = index;
    queue->count++;
}

/* O(queue) but for the first: one that leaves from the middle is rare beside one that
 * starts. */
static inline void
attempt_queue_remove(struct attempt_queue *queue, struct attempt *all, struct attempt *attempt)
{
    uint32_t index = (uint32_t) (attempt - all);
    uint32_t before = ATTEMPT_QUEUE_NONE;
    for (uint32_t at = queue->head; at != index; at = all[at].queue_next) {
        CHECK(at != ATTEMPT_QUEUE_NONE);
        before = at;
    }
    if (before == ATTEMPT_QUEUE_NONE) {
        queue->head = attempt->queue_next;
    } else {
        all[before].queue_next = attempt->queue_next;
    }
    if (queue->tail == index) {
        queue->tail = before;
    }
    queue->count--;
}

#endif

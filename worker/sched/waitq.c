/* SPDX-License-Identifier: MIT */
#include "worker/sched/waitq.h"

#include "common/pure/check.h"

static void
enqueue(struct waitq *queue, struct waitq_waiter *waiter)
{
    waiter->is_queued = true;
    if (waiter->goes_first) {
        waiter->prev = NULL;
        waiter->next = queue->head;
        if (queue->head != NULL) {
            queue->head->prev = waiter;
        } else {
            queue->tail = waiter;
        }
        queue->head = waiter;
        return;
    }
    waiter->next = NULL;
    waiter->prev = queue->tail;
    if (queue->tail != NULL) {
        queue->tail->next = waiter;
    } else {
        queue->head = waiter;
    }
    queue->tail = waiter;
}

static void
dequeue(struct waitq *queue, struct waitq_waiter *waiter)
{
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else {
        queue->head = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else {
        queue->tail = waiter->prev;
    }
    waiter->is_queued = false;
}

enum woken
waitq_wait(
    struct waitq *queue, struct waitq_waiter *waiter, bool is_cancellable, const char *reason)
{
    struct hr_fiber *self = fiber_self();
    if (!park_begin(self, is_cancellable)) {
        lock_give(&queue->lock);
        return WOKEN_ENDED;
    }
    waiter->fiber = self;
    waiter->handle = park_handle(self);
    enqueue(queue, waiter);
    enum woken how = park_wait(self, &queue->lock, reason);
    if (how != WOKEN_OK) {
        lock_take(&queue->lock);
        if (waiter->is_queued) {
            dequeue(queue, waiter);
        }
        lock_give(&queue->lock);
    }
    return how;
}

struct hr_fiber *
waitq_take_first(struct waitq *queue)
{
    struct waitq_waiter *waiter = queue->head;
    dequeue(queue, waiter);
    enum claim claim = park_claim(waiter->handle, WOKEN_OK);
    if (claim == CLAIM_LOST) {
        return NULL;
    }
    CHECK(claim == CLAIM_READY); /* the lock is held until it is off its stack */
    return waiter->fiber;
}

struct hr_fiber *
waitq_take(struct waitq *queue)
{
    while (queue->head != NULL) {
        struct hr_fiber *fiber = waitq_take_first(queue);
        if (fiber != NULL) {
            return fiber;
        }
    }
    return NULL;
}

void
waitq_take_all(struct waitq *queue, struct runq_list *woken)
{
    struct hr_fiber *fiber;
    while ((fiber = waitq_take(queue)) != NULL) {
        runq_list_push(woken, fiber);
    }
}

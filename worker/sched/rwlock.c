/* SPDX-License-Identifier: MIT
 *
 * worker/sched/rwlock.c - many readers or one writer, in the order of their coming.
 *
 * All state is under the queue's lock; count holds the readers inside, WRITER for a writer.
 * Who unlocks admits from the head: one writer, or all readers up to the next writer.
 */
#include "common/pure/check.h"
#include "worker/sched/waitq.h"

#include <stdio.h>

enum {
    WANTS_READ,
    WANTS_WRITE
};
#define WRITER UINT32_MAX

_Static_assert(sizeof(struct waitq) <= sizeof(struct hr_rwlock), "fits");

static struct waitq *
queue_of(struct hr_rwlock *lock)
{
    return (struct waitq *) (void *) lock;
}

static bool
can_enter(const struct waitq *queue, uint32_t wanted)
{
    return wanted == WANTS_WRITE ? queue->count == 0 : queue->count != WRITER;
}

static void
enter(struct waitq *queue, uint32_t wanted)
{
    queue->count = wanted == WANTS_WRITE ? WRITER : queue->count + 1;
}

static void
lock_as(struct hr_rwlock *public, uint32_t wanted, const char *reason)
{
    struct waitq *queue = queue_of(public);
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    proc_enter(self);
    lock_take(&queue->lock);
    if (queue->head == NULL && can_enter(queue, wanted)) {
        enter(queue, wanted);
        lock_give(&queue->lock);
    } else {
        struct waitq_waiter waiter = { .wanted = wanted };
        /* Whoever takes us off the queue has entered for us. */
        CHECK(waitq_wait(queue, &waiter, /* is_cancellable= */ false, reason) == WOKEN_OK);
    }
    proc_leave_parks(self);
}

static void
unlock_as(struct hr_rwlock *public, uint32_t wanted)
{
    struct waitq *queue = queue_of(public);
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    struct thread *thread = proc_enter_any(self);
    struct runq_list woken = { 0 };
    lock_take(&queue->lock);
    bool is_held =
        wanted == WANTS_WRITE ? queue->count == WRITER : queue->count - 1 < WRITER - 1;
    if (!is_held) {
        fprintf(stderr, "hedgerow: unlock of an rwlock that is not held so\n");
        check_failed("hr_rwlock_unlock of a held lock", __FILE__, __LINE__);
    }
    queue->count = wanted == WANTS_WRITE ? 0 : queue->count - 1;
    while (queue->head != NULL && can_enter(queue, queue->head->wanted)) {
        enter(queue, queue->head->wanted);
        runq_list_push(&woken, waitq_take_first(queue));
    }
    lock_give(&queue->lock);
    proc_ready_list(thread, &woken);
    proc_leave(self);
}

void
hr_rwlock_lock(struct hr_rwlock *lock)
{
    lock_as(lock, WANTS_WRITE, "rwlock write");
}

void
hr_rwlock_unlock(struct hr_rwlock *lock)
{
    unlock_as(lock, WANTS_WRITE);
}

void
hr_rwlock_lock_shared(struct hr_rwlock *lock)
{
    lock_as(lock, WANTS_READ, "rwlock read");
}

void
hr_rwlock_unlock_shared(struct hr_rwlock *lock)
{
    unlock_as(lock, WANTS_READ);
}

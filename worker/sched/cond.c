/* SPDX-License-Identifier: MIT
 *
 * worker/sched/cond.c - conditions, semaphores and "once": a queue each, nothing else.
 */
#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/waitq.h"

_Static_assert(sizeof(struct waitq) <= sizeof(struct hr_cond), "fits");

/* ---- condition ---- */

static struct waitq *
cond_queue(struct hr_cond *cond)
{
    return (struct waitq *) (void *) cond;
}

int
hr_cond_wait(struct hr_cond *cond, struct hr_mutex *mutex)
{
    struct waitq *queue = cond_queue(cond);
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    /* The queue's lock is taken before the mutex is given: a signal in between finds us. */
    proc_enter_any(self);
    lock_take(&queue->lock);
    uint32_t ticket = queue->count;
    lock_give(&queue->lock);
    proc_leave(self);
    hr_mutex_unlock(mutex);

    proc_enter(self);
    int err = 0;
    lock_take(&queue->lock);
    if (queue->count != ticket) {
        lock_give(&queue->lock); /* signalled between the two */
    } else {
        struct waitq_waiter waiter = { .wanted = 0 };
        if (waitq_wait(queue, &waiter, /* is_cancellable= */ true, "cond") != WOKEN_OK) {
            err = hr_ctx_err(self->ctx);
        }
    }
    proc_leave_parks(self);
    hr_mutex_lock(mutex);
    return err;
}

static void
cond_wake(struct hr_cond *cond, bool is_all)
{
    struct waitq *queue = cond_queue(cond);
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct runq_list woken = { 0 };
    lock_take(&queue->lock);
    queue->count++; /* who is between unlock and wait sees it */
    if (is_all) {
        waitq_take_all(queue, &woken);
    } else {
        struct hr_fiber *fiber = waitq_take(queue);
        if (fiber != NULL) {
            runq_list_push(&woken, fiber);
        }
    }
    lock_give(&queue->lock);
    proc_ready_list(thread, &woken);
    if (self != NULL) {
        proc_leave(self);
    }
}

void
hr_cond_signal(struct hr_cond *cond)
{
    cond_wake(cond, false);
}

void
hr_cond_broadcast(struct hr_cond *cond)
{
    cond_wake(cond, true);
}

/* ---- semaphore: count holds the free units ---- */

_Static_assert(sizeof(struct waitq) <= sizeof(struct hr_sem), "fits");

static struct waitq *
sem_queue(struct hr_sem *sem)
{
    return (struct waitq *) (void *) sem;
}

void
hr_sem_init(struct hr_sem *sem, uint32_t units_count)
{
    *sem = (struct hr_sem){ 0 };
    sem_queue(sem)->count = units_count;
}

static bool
sem_take_locked(struct waitq *queue, uint32_t units_count)
{
    if (queue->head != NULL || queue->count < units_count) {
        return false;
    }
    queue->count -= units_count;
    return true;
}

/* Serve from the head as far as the units reach. */
static void
sem_serve_locked(struct waitq *queue, struct runq_list *woken)
{
    while (queue->head != NULL && queue->head->wanted <= queue->count) {
        uint32_t wanted = queue->head->wanted;
        struct hr_fiber *fiber = waitq_take_first(queue);
        if (fiber != NULL) {
            queue->count -= wanted;
            runq_list_push(woken, fiber);
        }
    }
}

bool
hr_sem_try_take(struct hr_sem *sem, uint32_t units_count)
{
    struct hr_fiber *self = fiber_self();
    proc_enter_any(self);
    lock_take(&sem_queue(sem)->lock);
    bool is_taken = sem_take_locked(sem_queue(sem), units_count);
    lock_give(&sem_queue(sem)->lock);
    if (self != NULL) {
        proc_leave(self);
    }
    return is_taken;
}

int
hr_sem_take(struct hr_sem *sem, uint32_t units_count)
{
    struct waitq *queue = sem_queue(sem);
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    struct thread *thread = proc_enter(self);
    int err = hr_ctx_err(self->ctx);
    if (err == 0) {
        lock_take(&queue->lock);
        if (sem_take_locked(queue, units_count)) {
            lock_give(&queue->lock);
        } else {
            struct waitq_waiter waiter = { .wanted = units_count };
            if (waitq_wait(queue, &waiter, /* is_cancellable= */ true, "sem") != WOKEN_OK) {
                err = hr_ctx_err(self->ctx);
                /* We may have stood before smaller ones that can go on now. */
                struct runq_list woken = { 0 };
                thread = self->thread;
                lock_take(&queue->lock);
                sem_serve_locked(queue, &woken);
                lock_give(&queue->lock);
                proc_ready_list(thread, &woken);
            }
        }
    }
    proc_leave_parks(self);
    return err;
}

void
hr_sem_give(struct hr_sem *sem, uint32_t units_count)
{
    struct waitq *queue = sem_queue(sem);
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct runq_list woken = { 0 };
    lock_take(&queue->lock);
    CHECK(queue->count <= UINT32_MAX - units_count);
    queue->count += units_count;
    sem_serve_locked(queue, &woken);
    lock_give(&queue->lock);
    proc_ready_list(thread, &woken);
    if (self != NULL) {
        proc_leave(self);
    }
}

/* ---- once ---- */

struct once {
    _Atomic uint32_t is_done;
    uint32_t is_begun; /* guard: the queue's lock */
    struct waitq queue;
};
_Static_assert(sizeof(struct once) <= sizeof(struct hr_once), "fits");

static void
once_finish(struct once *once, struct hr_fiber *self)
{
    struct runq_list woken = { 0 };
    struct thread *thread = proc_enter_any(self);
    lock_take(&once->queue.lock);
    atomic_store_explicit(&once->is_done, 1, memory_order_release);
    waitq_take_all(&once->queue, &woken);
    lock_give(&once->queue.lock);
    proc_ready_list(thread, &woken);
    proc_leave(self);
}

void
hr_once_do(struct hr_once *public, hr_fn *fn, void *arg)
{
    struct once *once = (struct once *) (void *) public;
    if (atomic_load_explicit(&once->is_done, memory_order_acquire) != 0) {
        return;
    }
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    proc_enter(self);
    lock_take(&once->queue.lock);
    bool is_mine = once->is_begun == 0;
    once->is_begun = 1;
    if (is_mine || atomic_load_explicit(&once->is_done, memory_order_relaxed) != 0) {
        lock_give(&once->queue.lock);
    } else {
        struct waitq_waiter waiter = { .wanted = 0 };
        CHECK(
            waitq_wait(&once->queue, &waiter, /* is_cancellable= */ false, "once") == WOKEN_OK);
    }
    proc_leave_parks(self);
    if (is_mine) {
        fn(arg);
        once_finish(once, self);
    }
}

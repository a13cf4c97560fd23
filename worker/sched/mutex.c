/* SPDX-License-Identifier: MIT
 *
 * worker/sched/mutex.c - the mutex: one word, and a queue behind it.
 *
 *   word   LOCKED     someone holds it
 *          WAITERS    the queue may not be empty: unlock must look
 *
 *   locker that waits                   unlocker
 *   L1  queue lock                      U1  word: LOCKED -> 0; done if there was no WAITERS
 *   L2  word |= WAITERS, and take it    U2  queue lock
 *       if it is free just now          U3  take the first waiter; WAITERS off if none left;
 *   L3  enqueue; the commit gives           give the queue lock back
 *       the queue lock back             U4  LOCKED off, or handed on; ready it
 *
 * L2 before U1: U1 fails, since WAITERS is set, and U2 waits for L3.  U1 before L2: L2 finds
 * it free.  L2 between U3 and U4: the waiter of U3 runs, and its unlock finds WAITERS; if
 * there was none, U4 fails and begins again.  A woken fiber that finds the mutex taken again
 * waits with its first time stamp, so that after a millisecond it is handed over (Go's
 * starvation rule).
 *
 * U4 is the last touch of the mutex: whoever takes it then may free it.
 *
 * REJECTED  hand-over at every unlock: a switch, or a cache line to another core, for each
 *           critical section; 10 to 50 times the cost under contention.
 */
#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/waitq.h"

#include <stdio.h>

enum {
    LOCKED = 1,
    WAITERS = 2
};

#define STARVED_NS 1000000

struct mutex {
    _Atomic uint32_t word;
    struct waitq queue;
};
_Static_assert(sizeof(struct mutex) <= sizeof(struct hr_mutex), "fits in the public struct");

static struct mutex *
mutex_of(struct hr_mutex *mutex)
{
    return (struct mutex *) (void *) mutex;
}

/* Under the queue's lock: set WAITERS, or take it.  true: taken. */
static bool
take_or_mark(struct mutex *mutex)
{
    uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);
    for (;;) {
        uint32_t next = (word & LOCKED) != 0 ? word | WAITERS : word | LOCKED;
        if (atomic_compare_exchange_weak_explicit(
                &mutex->word, &word, next, memory_order_acquire, memory_order_relaxed)) {
            return (word & LOCKED) == 0; /* L2 */
        }
    }
}

static int
lock_slow(struct mutex *mutex, bool is_cancellable)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    proc_enter(self);
    struct waitq_waiter waiter = { .since_ns = 0 };
    int err = 0;
    for (;;) {
        lock_take(&mutex->queue.lock); /* L1 */
        if (take_or_mark(mutex)) {
            lock_give(&mutex->queue.lock);
            break;
        }
        waiter.goes_first = waiter.since_ns != 0;
        if (waiter.since_ns == 0) {
            waiter.since_ns = hr_now();
        }
        waiter.wanted = 0;
        enum woken how = waitq_wait(&mutex->queue, &waiter, is_cancellable, "mutex"); /* L3 */
        if (how != WOKEN_OK) {
            err = hr_ctx_err(self->ctx);
            break;
        }
        if (waiter.wanted != 0) {
            break; /* handed over: LOCKED is ours */
        }
    }
    proc_leave_parks(self);
    return err;
}

static bool
try_lock(struct mutex *mutex)
{
    uint32_t word = 0;
    while (!atomic_compare_exchange_weak_explicit(
        &mutex->word, &word, word | LOCKED, memory_order_acquire, memory_order_relaxed)) {
        if ((word & LOCKED) != 0) {
            return false;
        }
    }
    return true;
}

/* U2 and U3.  NULL: nobody waits any more. */
static struct hr_fiber *
take_waiter(struct mutex *mutex, bool *ret_is_handed_on)
{
    struct hr_fiber *fiber = NULL;
    lock_take(&mutex->queue.lock);
    struct waitq_waiter *first = mutex->queue.head;
    bool is_starved = first != NULL && hr_now() - first->since_ns > STARVED_NS;
    while (fiber == NULL && (first = mutex->queue.head) != NULL) {
        /* Written before it can run: it reads this after it was readied. */
        first->wanted = is_starved;
        fiber = waitq_take_first(&mutex->queue);
    }
    if (mutex->queue.head == NULL) {
        atomic_fetch_and_explicit(&mutex->word, ~(uint32_t) WAITERS, memory_order_relaxed);
    }
    lock_give(&mutex->queue.lock);
    *ret_is_handed_on = is_starved && fiber != NULL;
    return fiber;
}

static void
unlock_slow(struct mutex *mutex)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    struct thread *thread = proc_enter_any(self);
    bool is_handed_on = false;
    struct hr_fiber *fiber;
    uint32_t word;
    do {
        fiber = take_waiter(mutex, &is_handed_on);
        word = LOCKED;
    } while (fiber == NULL && !atomic_compare_exchange_strong_explicit(&mutex->word, &word, 0,
                                  memory_order_release, memory_order_relaxed)); /* U4 */
    if (fiber != NULL) {
        if (!is_handed_on) {
            atomic_fetch_and_explicit(
                &mutex->word, ~(uint32_t) LOCKED, memory_order_release); /* U4 */
        }
        proc_ready(thread, fiber);
    }
    proc_leave(self);
}

static _Noreturn void
unlock_failed(void)
{
    fprintf(stderr, "hedgerow: unlock of an unlocked mutex\n");
    check_failed("hr_mutex_unlock of a locked mutex", __FILE__, __LINE__);
}

void
hr_mutex_lock(struct hr_mutex *mutex)
{
    if (!try_lock(mutex_of(mutex))) {
        lock_slow(mutex_of(mutex), /* is_cancellable= */ false);
    }
}

int
hr_mutex_lock_ctx(struct hr_mutex *mutex)
{
    return try_lock(mutex_of(mutex)) ? 0 : lock_slow(mutex_of(mutex), true);
}

bool
hr_mutex_try_lock(struct hr_mutex *mutex)
{
    return try_lock(mutex_of(mutex));
}

void
hr_mutex_unlock(struct hr_mutex *public)
{
    struct mutex *mutex = mutex_of(public);
    uint32_t word = LOCKED;
    if (__builtin_expect(atomic_compare_exchange_strong_explicit(&mutex->word, &word, 0,
                             memory_order_release, memory_order_relaxed),
            1)) { /* U1 */
        return;
    }
    if ((word & LOCKED) == 0) {
        unlock_failed();
    }
    unlock_slow(mutex);
}

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/select.c - wait for the first of several channels.
 *
 * Cases are tried in random order, one lock at a time.  If none can go on, all channels are
 * locked (by address, so that two selects cannot wait for each other), tried once more, and
 * a waiter is left at each; the locks are given back by the commit, so a peer that finds one
 * of them finds the fiber off its stack (CH2).  The first claim of the fiber's wake word
 * wins; the others' waiters are taken back afterwards.
 *
 * REJECTED  polling with yields (burns a core while idle); trying in the order written (the
 *           first case starves the rest).
 */
#include "common/pure/check.h"
#include "worker/sched/chan.h"
#include "worker/sched/ctx.h"

#include <errno.h>
#include <string.h>

enum {
    FEW_COUNT = 4,
    RANDOM_BITS = 16
};

struct locks_few {
    uint32_t count;
    struct lock *locks[FEW_COUNT];
};

struct locks_many {
    uint32_t count;
    struct lock *locks[HR_CASES_COUNT_MAX];
};

struct select {
    struct hr_fiber *self;
    struct hr_case *cases;
    uint32_t count;
    struct chan_waiter *waiters; /* one for each case */
    struct park_locks *locks;    /* of the distinct channels, by address */
    uint8_t *order;
};

static uint32_t
random_below(struct thread *thread, uint32_t n)
{
    uint64_t x = thread->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    thread->random = x;
    return (uint32_t) (((x >> 32 & UINT16_MAX) * n) >> RANDOM_BITS);
}

static void
shuffle(struct thread *thread, uint8_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = random_below(thread, i + 1);
        order[i] = order[j];
        order[j] = (uint8_t) i;
    }
}

/* A glance without the lock, which may be wrong either way: the locked look decides. */
static inline bool
may_be_ready(const struct hr_case *each)
{
#if ANNOTATE_TSAN
    return each->chan != NULL;
#else
    const struct hr_chan *chan = each->chan;
    if (chan == NULL) {
        return false;
    }
    if (__atomic_load_n(&chan->is_closed, __ATOMIC_RELAXED)) {
        return true;
    }
    uint32_t count = __atomic_load_n(&chan->count, __ATOMIC_RELAXED);
    return each->is_send
               ? count < chan->capacity ||
                     __atomic_load_n(&chan->receivers.head, __ATOMIC_RELAXED) != NULL
               : count > 0 || __atomic_load_n(&chan->senders.head, __ATOMIC_RELAXED) != NULL;
#endif
}

static int
case_locked(struct hr_case *each, struct hr_fiber **ret_ready)
{
    return each->is_send ? chan_send_locked(each->chan, each->element, ret_ready)
                         : chan_recv_locked(each->chan, each->element, ret_ready);
}

/* Index of the case that was done, or -EAGAIN. */
static int
try_all(struct thread *thread, const struct select *select)
{
    for (uint32_t i = 0; i < select->count; i++) {
        struct hr_case *each = &select->cases[select->order[i]];
        if (!may_be_ready(each)) {
            continue;
        }
        struct hr_fiber *ready;
        lock_take(&each->chan->lock);
        int err = case_locked(each, &ready);
        lock_give(&each->chan->lock);
        if (ready != NULL) {
            proc_ready(thread, ready);
        }
        if (err != -EAGAIN) {
            each->err = err;
            return select->order[i];
        }
    }
    return -EAGAIN;
}

/* Insertion sort by address, each channel once: few they are. */
static void
locks_sort(const struct select *select)
{
    struct park_locks *locks = select->locks;
    locks->count = 0;
    for (uint32_t i = 0; i < select->count; i++) {
        struct hr_chan *chan = select->cases[i].chan;
        if (chan == NULL) {
            continue;
        }
        uint32_t at = locks->count;
        while (at > 0 && locks->locks[at - 1] > &chan->lock) {
            at--;
        }
        if (at > 0 && locks->locks[at - 1] == &chan->lock) {
            continue;
        }
        memmove(&locks->locks[at + 1], &locks->locks[at],
            (locks->count - at) * sizeof locks->locks[0]);
        locks->locks[at] = &chan->lock;
        locks->count++;
    }
}

static void
locks_give(const struct park_locks *locks)
{
    for (uint32_t i = locks->count; i-- > 0;) {
        lock_give(locks->locks[i]);
    }
}

/* All locks held: the last look, then a waiter at each channel.  Index, or -EAGAIN. */
static int
enqueue_all(struct thread *thread, const struct select *select, struct chan_waiter **winner)
{
    for (uint32_t i = 0; i < select->count; i++) {
        struct hr_case *each = &select->cases[select->order[i]];
        if (each->chan == NULL) {
            continue;
        }
        struct hr_fiber *ready;
        int err = case_locked(each, &ready);
        if (err != -EAGAIN) {
            locks_give(select->locks);
            if (ready != NULL) {
                proc_ready(thread, ready);
            }
            each->err = err;
            return select->order[i];
        }
    }
    uint64_t handle = park_handle(select->self);
    for (uint32_t i = 0; i < select->count; i++) {
        struct hr_case *each = &select->cases[i];
        struct chan_waiter *waiter = &select->waiters[i];
        waiter->is_queued = false;
        if (each->chan == NULL) {
            continue;
        }
        waiter->fiber = select->self;
        waiter->handle = handle;
        waiter->element = each->element;
        waiter->winner = winner;
        chan_enqueue(each->is_send ? &each->chan->senders : &each->chan->receivers, waiter);
    }
    return -EAGAIN;
}

static void
dequeue_losers(const struct select *select, const struct chan_waiter *winner)
{
    for (uint32_t i = 0; i < select->count; i++) {
        struct hr_case *each = &select->cases[i];
        struct chan_waiter *waiter = &select->waiters[i];
        if (each->chan == NULL || waiter == winner) {
            continue;
        }
        lock_take(&each->chan->lock);
        if (waiter->is_queued) {
            chan_dequeue(each->is_send ? &each->chan->senders : &each->chan->receivers, waiter);
        }
        lock_give(&each->chan->lock);
    }
}

static int
wait_any(struct thread *thread, const struct select *select, int64_t deadline)
{
    struct hr_fiber *self = select->self;
    if (!park_begin(self, /* is_cancellable= */ true)) {
        return hr_ctx_err(self->ctx);
    }
    struct chan_waiter *winner = NULL;
    locks_sort(select);
    for (uint32_t i = 0; i < select->locks->count; i++) {
        lock_take(select->locks->locks[i]);
    }
    int done = enqueue_all(thread, select, &winner);
    if (done >= 0) {
        if (!park_abandon(self)) {
            park_wait(self, NULL, "select"); /* cancelled too; but the case is done */
        }
        return done;
    }
    struct park_timer timer;
    if (deadline != HR_NEVER) {
        park_timer_set(&timer, self, deadline);
    }
    enum woken how = park_wait_locks(self, select->locks, "select");
    if (deadline != HR_NEVER) {
        timer_clear(&timer.timer);
    }
    dequeue_losers(select, winner);
    if (how == WOKEN_TIMER) {
        return -ETIMEDOUT;
    }
    if (how != WOKEN_OK) {
        return hr_ctx_err(self->ctx);
    }
    uint32_t index = (uint32_t) (winner - select->waiters);
    struct hr_case *each = &select->cases[index];
    each->err = winner->is_served ? 0 : -EPIPE;
    if (!winner->is_served && !each->is_send && each->element != NULL) {
        memset(each->element, 0, each->chan->element_size);
    }
    return (int) index;
}

static int
select_inside(struct thread *thread, const struct select *select, int64_t deadline)
{
    int err = ctx_err(select->self->ctx);
    if (err != 0) {
        return err;
    }
    shuffle(thread, select->order, select->count);
    int done = try_all(thread, select);
    if (done != -EAGAIN || deadline == HR_NOW) {
        return done;
    }
    return wait_any(thread, select, deadline);
}

/* Frames for few cases and for many: the big one costs a page of stack. */
static __attribute__((noinline)) int
select_many(struct thread *thread, struct select *select, int64_t deadline)
{
    struct chan_waiter waiters[HR_CASES_COUNT_MAX] __attribute__((uninitialized));
    struct locks_many locks __attribute__((uninitialized));
    uint8_t order[HR_CASES_COUNT_MAX] __attribute__((uninitialized));
    select->waiters = waiters;
    select->locks = (struct park_locks *) (void *) &locks;
    select->order = order;
    return select_inside(thread, select, deadline);
}

static inline int
select_few(struct thread *thread, struct select *select, int64_t deadline)
{
    struct chan_waiter waiters[FEW_COUNT] __attribute__((uninitialized));
    struct locks_few locks __attribute__((uninitialized));
    uint8_t order[FEW_COUNT] __attribute__((uninitialized));
    select->waiters = waiters;
    select->locks = (struct park_locks *) (void *) &locks;
    select->order = order;
    return select_inside(thread, select, deadline);
}

int
hr_select(struct hr_case *cases, uint32_t cases_count, int64_t deadline)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    CHECK(cases_count <= HR_CASES_COUNT_MAX);
    struct select select = { .self = self, .cases = cases, .count = cases_count };
    struct thread *thread = proc_enter(self);
    int done = cases_count <= FEW_COUNT ? select_few(thread, &select, deadline)
                                        : select_many(thread, &select, deadline);
    proc_leave_parks(self);
    return done;
}

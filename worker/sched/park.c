/* SPDX-License-Identifier: MIT */
#include "worker/sched/park.h"

#include "common/pure/check.h"
#include "worker/sched/chaos.h"
#include "worker/sched/ctx.h"
#include "worker/sched/futex.h"

#include <string.h>

/* The wake word: sequence (32) | how (8) | flags and state (8). */
enum {
    STATE_RUNNING = 0,
    STATE_WAITING = 1,
    STATE_PARKED = 2,
    STATE_CLAIMED = 3,
    STATE_MASK = 3,
    IS_CANCELLABLE = 4,
    HOW_SHIFT = 8
};

/* A wait word: 0, WORD_SET, a fiber's handle (tag 2), or a thread's futex (tag 3). */
enum {
    WORD_SET = 1,
    TAG_FIBER = 2,
    TAG_THREAD = 3,
    TAG_MASK = 3,
    HANDLE_SEQ_SHIFT = 2,
    HANDLE_INDEX_SHIFT = 34
};

static uint64_t
word_seq(uint64_t word)
{
    return word >> 32;
}

bool
park_begin(struct hr_fiber *self, bool is_cancellable)
{
    uint64_t word = atomic_load_explicit(&self->wake, memory_order_relaxed);
    uint64_t seq = (word_seq(word) + 1) & UINT32_MAX;
    if (!is_cancellable || self->ctx == &ctx_background) {
        atomic_store_explicit(&self->wake, seq << 32 | STATE_WAITING, memory_order_release);
        return true;
    }
    atomic_store_explicit(
        &self->wake, seq << 32 | STATE_WAITING | IS_CANCELLABLE, memory_order_seq_cst); /* F1 */
    return !ctx_is_over(self->ctx) || !park_abandon(self);                              /* F2 */
}

bool
park_abandon(struct hr_fiber *self)
{
    uint64_t word = atomic_load_explicit(&self->wake, memory_order_relaxed);
    if ((word & STATE_MASK) != STATE_WAITING) {
        return false;
    }
    uint64_t running = word_seq(word) << 32 | STATE_RUNNING;
    return atomic_compare_exchange_strong_explicit(
        &self->wake, &word, running, memory_order_acq_rel, memory_order_acquire);
}

/* WAITING -> PARKED.  false: it has been claimed, and is ours to ready. */
static bool
publish(struct hr_fiber *fiber)
{
    uint64_t word = atomic_load_explicit(&fiber->wake, memory_order_relaxed);
    uint64_t parked = (word & ~(uint64_t) STATE_MASK) | STATE_PARKED;
    return (word & STATE_MASK) == STATE_WAITING &&
           atomic_compare_exchange_strong_explicit(
               &fiber->wake, &word, parked, memory_order_acq_rel, memory_order_acquire);
}

static void
commit_park(struct thread *thread, struct hr_fiber *fiber, void *arg)
{
    struct lock *lock = arg;
    chaos();
    bool is_parked = publish(fiber);
    if (lock != NULL) {
        lock_give(lock);
    }
    if (!is_parked) {
        proc_ready(thread, fiber);
    }
}

static void
commit_locks(struct thread *thread, struct hr_fiber *fiber, void *arg)
{
    /* Copied first: once it is PARKED a timer or a cancel may run the fiber, and arg is on
     * its stack. */
    const struct park_locks *theirs = arg;
    struct lock *locks[HR_CASES_COUNT_MAX] __attribute__((uninitialized));
    uint32_t count = theirs->count;
    memcpy(locks, theirs->locks, count * sizeof locks[0]);
    chaos();
    bool is_parked = publish(fiber);
    for (uint32_t i = 0; i < count; i++) {
        lock_give(locks[i]);
    }
    if (!is_parked) {
        proc_ready(thread, fiber);
    }
}

static enum woken
wait_with(struct hr_fiber *self, commit_fn *commit, void *arg, const char *reason)
{
    park_tell_why(self, reason);
    proc_switch_away(self, commit, arg);
    atomic_store_explicit(&self->reason, NULL, memory_order_relaxed);
    uint64_t word = atomic_load_explicit(&self->wake, memory_order_acquire);
    CHECK((word & STATE_MASK) == STATE_CLAIMED);
    atomic_store_explicit(
        &self->wake, word_seq(word) << 32 | STATE_RUNNING, memory_order_relaxed);
    return (enum woken)(word >> HOW_SHIFT & 0xff);
}

enum woken
park_wait(struct hr_fiber *self, struct lock *lock, const char *reason)
{
    return wait_with(self, commit_park, lock, reason);
}

enum woken
park_wait_locks(struct hr_fiber *self, const struct park_locks *locks, const char *reason)
{
    return wait_with(self, commit_locks, (void *) (uintptr_t) locks, reason);
}

uint64_t
park_handle(const struct hr_fiber *self)
{
    uint64_t seq = word_seq(atomic_load_explicit(&self->wake, memory_order_relaxed));
    return (uint64_t) self->index << HANDLE_INDEX_SHIFT | seq << HANDLE_SEQ_SHIFT | TAG_FIBER;
}

struct hr_fiber *
park_fiber(uint64_t handle)
{
    return slab_at(&fiber_pool, (uint32_t) (handle >> HANDLE_INDEX_SHIFT));
}

static enum claim
claim_word(struct hr_fiber *fiber, uint64_t word, enum woken how)
{
    for (;;) {
        uint64_t state = word & STATE_MASK;
        if (state != STATE_WAITING && state != STATE_PARKED) {
            return CLAIM_LOST;
        }
        uint64_t claimed = word_seq(word) << 32 | (uint64_t) how << HOW_SHIFT | STATE_CLAIMED;
        uint64_t seen = word;
        chaos();
        if (atomic_compare_exchange_strong_explicit(
                &fiber->wake, &seen, claimed, memory_order_acq_rel, memory_order_acquire)) {
            return state == STATE_PARKED ? CLAIM_READY : CLAIM_EARLY;
        }
        if (word_seq(seen) != word_seq(word)) {
            return CLAIM_LOST;
        }
        word = seen;
    }
}

enum claim
park_claim(uint64_t handle, enum woken how)
{
    CHECK((handle & TAG_MASK) == TAG_FIBER);
    struct hr_fiber *fiber = park_fiber(handle);
    uint64_t word = atomic_load_explicit(&fiber->wake, memory_order_acquire);
    if (word_seq(word) != (handle >> HANDLE_SEQ_SHIFT & UINT32_MAX)) {
        return CLAIM_LOST;
    }
    return claim_word(fiber, word, how);
}

enum claim
park_claim_ended(struct hr_fiber *fiber)
{
    uint64_t word = atomic_load_explicit(&fiber->wake, memory_order_seq_cst); /* C2 */
    if ((word & IS_CANCELLABLE) == 0) {
        return CLAIM_LOST;
    }
    return claim_word(fiber, word, WOKEN_ENDED);
}

void
park_wake(struct thread *thread, uint64_t handle, enum woken how)
{
    if (park_claim(handle, how) == CLAIM_READY) {
        proc_ready(thread, park_fiber(handle));
    }
}

/* ---- timers ---- */

/* Under the wheel's lock.  batch is the list of fibers to ready. */
static bool
on_park_timer(struct timer *timer, void *batch)
{
    struct park_timer *park = CONTAINER_OF(timer, struct park_timer, timer);
    uint64_t handle = park->handle;
    if (park_claim(handle, WOKEN_TIMER) == CLAIM_READY) {
        runq_list_push(batch, park_fiber(handle));
    }
    return false;
}

void
park_timer_set(struct park_timer *timer, struct hr_fiber *self, int64_t when)
{
    timer->handle = park_handle(self);
    timer->timer.on_fire = on_park_timer;
    timer_set(&self->thread->proc->wheel, &timer->timer, when);
}

/* ---- wait words ---- */

struct thread_waiter {
    _Atomic uint32_t futex;
};

void
park_word_set(struct thread *thread, _Atomic uint64_t *word)
{
    uint64_t old = atomic_exchange_explicit(word, WORD_SET, memory_order_acq_rel);
    chaos();
    if ((old & TAG_MASK) == TAG_FIBER) {
        park_wake(thread, old, WOKEN_OK);
    } else if ((old & TAG_MASK) == TAG_THREAD) {
        struct thread_waiter *waiter =
            (struct thread_waiter *) (uintptr_t) (old & ~(uint64_t) TAG_MASK);
        atomic_store_explicit(&waiter->futex, 1, memory_order_release);
        /* The waiter may be gone by now: a wake of nobody, or a spurious one, is harmless. */
        futex_wake(&waiter->futex, 1);
    }
}

static void
word_wait_thread(_Atomic uint64_t *word)
{
    struct thread_waiter waiter = { .futex = 0 };
    uint64_t unset = 0;
    if (!atomic_compare_exchange_strong_explicit(word, &unset,
            (uint64_t) (uintptr_t) &waiter | TAG_THREAD, memory_order_acq_rel,
            memory_order_acquire)) {
        CHECK(unset == WORD_SET);
        return;
    }
    while (atomic_load_explicit(&waiter.futex, memory_order_acquire) == 0) {
        futex_wait(&waiter.futex, 0, INT64_MAX);
    }
}

enum woken
park_word_wait(_Atomic uint64_t *word, bool is_cancellable, const char *reason)
{
    if (park_word_is_set(word)) {
        return WOKEN_OK;
    }
    struct hr_fiber *self = fiber_self();
    if (self == NULL) {
        word_wait_thread(word);
        return WOKEN_OK;
    }
    proc_enter(self);
    enum woken how = WOKEN_ENDED;
    if (park_begin(self, is_cancellable)) {
        uint64_t handle = park_handle(self);
        uint64_t unset = 0;
        if (atomic_compare_exchange_strong_explicit(
                word, &unset, handle, memory_order_acq_rel, memory_order_acquire)) {
            how = park_wait(self, NULL, reason);
        } else {
            CHECK(unset == WORD_SET);
            how = park_abandon(self) ? WOKEN_OK : park_wait(self, NULL, reason);
        }
        if (how != WOKEN_OK) {
            /* Take our name back; if the setter has it already, the word is set. */
            uint64_t ours = handle;
            if (!atomic_compare_exchange_strong_explicit(
                    word, &ours, 0, memory_order_acq_rel, memory_order_acquire)) {
                how = WOKEN_OK;
            }
        }
    }
    proc_leave_parks(self);
    return how;
}

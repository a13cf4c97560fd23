/* SPDX-License-Identifier: MIT
 *
 * worker/sched/park.h - take a fiber off its proc, and put it back exactly once.
 *
 * Whoever may wake a fiber (a channel's peer, a timer, a cancel, an event) must first claim
 * it, by one CAS on its wake word; the loser walks away.  The word carries a sequence number,
 * so a claim that is late, for a wait which is over, fails too.
 *
 *              park_begin            off its stack
 *   RUNNING ---------------> WAITING ------------> PARKED
 *      ^                        |                     |
 *      |                        | claim (EARLY)       | claim (READY: the claimer readies it)
 *      `------- resumes --------+------ CLAIMED <-----'
 *
 * A claim in WAITING finds the fiber still on its way out: then the one who completes the
 * park (the next fiber on that thread, see commit below) sees CLAIMED and readies it.
 *
 *   fiber                                  canceller
 *   F1  wake = WAITING  (seq_cst)          C1  ctx.state = ended  (seq_cst)
 *   F2  if ctx ended: do not park          C2  for each fiber of ctx: claim it
 *
 * In the one order of those four, either F2 sees C1 or C2 sees F1: no cancel is missed.
 *
 * Commit: a fiber that parks switches straight to the next one, and what makes it visible to
 * wakers (a channel's unlock, the CAS to PARKED, a push on a queue) runs there, on the next
 * one's stack, because before that its own is still in use.
 *
 * An exclusive wait is one that only a channel's peer can end (no deadline, no ctx): the
 * channel's lock, held until the commit, stands in for the word.
 *
 * TEST  tests/stress/stress_sched_park.c, tests/models/sched_park.pml; the four above, and that
 *       a claim is won once, by tests/stress/stress_sched_litmus.c
 */
#ifndef WORKER_SCHED_PARK_H
#define WORKER_SCHED_PARK_H

#include "worker/sched/dispatch.h"
#include "worker/sched/fiber.h"
#include "worker/sched/proc.h"
#include "worker/sched/timer.h"

/* How a wait ended; travels in the wake word. */
enum woken {
    WOKEN_OK,
    WOKEN_ENDED, /* the ctx did */
    WOKEN_TIMER,
    WOKEN_CLOSED
};

enum claim {
    CLAIM_LOST,
    CLAIM_EARLY, /* ours; the committer readies it */
    CLAIM_READY  /* ours; ready it */
};

/* Begin a wait.  false: the ctx has ended (only if is_cancellable), do not park. */
bool park_begin(struct hr_fiber *self, bool is_cancellable);
/* Between park_begin and the switch: change our mind.  false: someone claimed us, which is
 * as if we had parked; the caller looks at its own state. */
bool park_abandon(struct hr_fiber *self);
/* Switch away, and return how the wait ended.  lock may be NULL: given back when we are off
 * the stack. */
enum woken park_wait(struct hr_fiber *self, struct lock *lock, const char *reason);
static inline void
park_tell_why(struct hr_fiber *self, const char *reason)
{
    atomic_store_explicit(&self->since_ns,
        atomic_load_explicit(&sched.coarse_ns, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&self->reason, reason, memory_order_relaxed);
}

/* The same for an exclusive wait: no park_begin, no word. */
static inline __attribute__((always_inline)) void
park_wait_exclusive(struct hr_fiber *self, struct lock *lock, const char *reason)
{
    struct thread *thread = self->thread;
    park_tell_why(self, reason);
    thread->commit_lock = lock;
    dispatch_away(self, thread);
    atomic_store_explicit(&self->reason, NULL, memory_order_relaxed);
}

/* Several locks, given back when we are off the stack. */
struct park_locks {
    uint32_t count;
    struct lock *locks[];
};
enum woken
park_wait_locks(struct hr_fiber *self, const struct park_locks *locks, const char *reason);

/* The running wait's name for others: fiber and sequence in one word. */
uint64_t park_handle(const struct hr_fiber *self);
enum claim park_claim(uint64_t handle, enum woken how);
/* Claim whatever wait fiber is in, if its ctx may end it. */
enum claim park_claim_ended(struct hr_fiber *fiber);
struct hr_fiber *park_fiber(uint64_t handle);
/* Claim and ready. */
void park_wake(struct thread *thread, uint64_t handle, enum woken how);

/* ---- a timer that ends the running wait ---- */

struct park_timer {
    struct timer timer;
    uint64_t handle;
};
void park_timer_set(struct park_timer *timer, struct hr_fiber *self, int64_t when);

/* ---- wait words: one setter, one waiter (fiber or thread) ---- */

/* Idempotent; thread may be NULL. */
void park_word_set(struct thread *thread, _Atomic uint64_t *word);
/* PARKS.  Without is_cancellable always WOKEN_OK. */
enum woken park_word_wait(_Atomic uint64_t *word, bool is_cancellable, const char *reason);
static inline bool
park_word_is_set(_Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire) == 1;
}

#endif

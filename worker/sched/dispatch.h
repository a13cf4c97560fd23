/* SPDX-License-Identifier: MIT
 *
 * worker/sched/dispatch.h - leave the running fiber for the next one, inline.
 *
 * What a channel does most is to park its caller and run the next slot's fiber.  Each frame
 * between the call and the switch costs a parked fiber cache lines: five hundred of them in
 * a ring no longer fit the first-level cache.  So the way there is one frame, and what is
 * rare is a call (proc.c).
 *
 * THREADS  inside of the runtime, on a fiber.
 */
#ifndef WORKER_SCHED_DISPATCH_H
#define WORKER_SCHED_DISPATCH_H

#include "worker/sched/proc.h"
#include "worker/sched/switch.h"

/* NULL: go to the thread's own stack and look further. */
static inline struct hr_fiber *
dispatch_pick(struct thread *thread)
{
    struct proc *proc = thread->proc;
    uint32_t turns = atomic_load_explicit(&proc->turns, memory_order_relaxed) + 1;
    atomic_store_explicit(&proc->turns, turns, memory_order_relaxed);
    struct hr_fiber *next = atomic_load_explicit(&proc->next, memory_order_relaxed);
    if (__builtin_expect(next == NULL || (turns & atomic_load_explicit(&proc->fair_mask,
                                                      memory_order_relaxed)) == 0,
            0)) {
        return proc_pick_slow(thread, turns);
    }
    atomic_store_explicit(&proc->next, NULL, memory_order_relaxed);
    return next;
}

/* Make ready to run on this thread.  false: it has no stack, and must wait for one. */
static inline bool
dispatch_prepare(struct thread *thread, struct hr_fiber *fiber)
{
    if (__builtin_expect(fiber->stack == NULL, 0) && !fiber_bind(thread, fiber)) {
        proc_push_shared(fiber);
        return false;
    }
    fiber->thread = thread;
    return true;
}

/* to is NULL: to the thread's own stack. */
static inline __attribute__((always_inline)) void
dispatch_switch(struct hr_fiber *self, struct thread *thread, struct hr_fiber *to)
{
    atomic_store_explicit(&thread->running, to, memory_order_relaxed);
    struct annotate *from = &self->stack->annotate;
    if (__builtin_expect(to != NULL, 1)) {
        annotate_leave(from, &to->stack->annotate, /* is_dying= */ false);
        switch_stacks(&self->sp, to->sp);
    } else {
        annotate_leave(from, &thread->annotate, /* is_dying= */ false);
        switch_stacks(&self->sp, thread->sp);
    }
    annotate_enter(from->asan_fake);
    proc_arrived(self->thread); /* another thread, perhaps */
}

/* Pick one and switch; what the thread has to commit is set. */
static inline __attribute__((always_inline)) void
dispatch_away(struct hr_fiber *self, struct thread *thread)
{
    struct hr_fiber *to = dispatch_pick(thread);
    if (__builtin_expect(to != NULL, 1) && !dispatch_prepare(thread, to)) {
        to = NULL;
    }
    dispatch_switch(self, thread, to);
}

#endif

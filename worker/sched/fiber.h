/* SPDX-License-Identifier: MIT
 *
 * worker/sched/fiber.h - the fiber: a descriptor of two cache lines, and a stack once it runs.
 *
 *   hr_go        first run            park                  end
 *   NEW -------> on a queue -> RUNNING ----> PARKED -> on a queue -> ...  -> free
 *   (no stack)               (has a stack)
 *
 * INVARIANTS  FI1  a fiber is on one run queue, or running, or parked, or free.
 *             FI2  `next` belongs to the queue that the fiber is on, or to who claimed it.
 *             FI3  `thread` is right while the fiber runs; nobody else reads it.
 * OWNERSHIP   pooled (slab.h: a stale pointer reads a fiber); freed at the end, or by hr_join.
 */
#ifndef WORKER_SCHED_FIBER_H
#define WORKER_SCHED_FIBER_H

#include "worker/sched/sched.h"
#include "worker/sched/slab.h"
#include "worker/sched/stack.h"

struct thread;

enum {
    FIBER_JOINABLE = 1,
    FIBER_IN_USE = 2,
    FIBER_STAMPED = 4 /* since_ns says when it became ready (trace.h) */
};

struct hr_fiber {
    struct hr_fiber *next; /* FI2; must stand first (PO2) */
    void *sp;              /* while it does not run */
    struct thread *thread; /* FI3 */
    struct stack_top *stack;
    _Atomic uint64_t wake;      /* see park.h; its sequence survives reuse */
    struct hr_ctx *ctx;         /* a reference, except to the background */
    const char *_Atomic reason; /* why it waits; NULL: it runs or could */
    _Atomic int64_t since_ns;   /* when that began, coarsely */

    /* The second line: not touched by a park on a channel. */
    hr_fn *fn;
    void *arg;
    const char *name;
    const void *born;          /* the call of hr_go */
    struct hr_fiber *ctx_next; /* guard: the ctx's lock */
    struct hr_fiber **ctx_link;
    _Atomic uint64_t done; /* a wait word (park.h): set at the end */
    _Atomic uint32_t flags;
    uint32_t index;
};
_Static_assert(sizeof(struct hr_fiber) == 128, "two cache lines: a million idle ones count");

extern struct slab fiber_pool;

/* Give a fiber that never ran its stack.  false: no stack is left. */
bool fiber_bind(struct thread *thread, struct hr_fiber *fiber);
/* Only switch_entry() calls it. */
void fiber_main(void);

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/ctx.h - inside a context: the tree, its fibers, its hooks.
 *
 * A fiber is listed under its ctx from hr_go to its end, once, so that parking under a ctx
 * costs no list work: a cancel walks the fibers and claims those that are parked (park.h).
 *
 * INVARIANTS  CX1  a ctx that is over stays over; cause and err never change again.
 *             CX2  a child is listed under its parent until the parent ends or the child is
 *                  freed; it holds a reference on the parent as long as it lives.
 *             CX3  at most one thread runs the hooks of a ctx: the one that ended it.
 * THREADS     any.   LOCKS  the ctx's; a parent's before a child's is never held together:
 *             cancel walks the tree with a work list, one lock at a time.
 * MEMORY      pooled, for ever (slab.h), because wake words may be claimed late.
 * REJECTED    recursion (a deep tree on a 64 KiB stack); a waiter list for each wait (a lock
 *             and two cache lines at each park).
 * TEST        tests/unit/test_sched_ctx.c, tests/stress/stress_sched_ctx.c, and how long a
 *             thousand leaves take to wake: stress_sched_cancel.c
 */
#ifndef WORKER_SCHED_CTX_H
#define WORKER_SCHED_CTX_H

#include "worker/sched/fiber.h"
#include "worker/sched/lock.h"
#include "worker/sched/proc.h"
#include "worker/sched/timer.h"

struct hr_ctx {
    struct hr_ctx *next; /* the canceller's work list; must stand first (PO2) */
    _Atomic uint32_t refs_count;
    _Atomic int cause; /* 0: alive */
    struct lock lock;  /* guards the lists */
    bool is_listed;    /* guard: the parent's lock */
    struct hr_ctx *parent;
    struct hr_ctx *sibling_next; /* guard: the parent's lock */
    struct hr_ctx **sibling_link;
    struct hr_ctx *children;
    struct hr_fiber *fibers;
    struct hr_ctx_hook *hooks;
    struct hr_ctx_hook *_Atomic running_hook;
    _Atomic uintptr_t running_thread;
    int64_t deadline;
    int64_t ended_ns; /* before cause */
    struct timer timer;
};

extern struct hr_ctx ctx_background;

bool ctx_pool_init(void);
/* List fiber under ctx, or take it off. */
void ctx_join(struct hr_ctx *ctx, struct hr_fiber *fiber);
void ctx_part(struct thread *thread, struct hr_fiber *fiber);
/* End those that a timer wheel gave back as fired (by timer.next). */
void ctx_expire(struct thread *thread, struct timer *fired);

/* hr_ctx_err for the fast paths. */
static inline int
ctx_err(const struct hr_ctx *ctx)
{
    if (__builtin_expect(atomic_load_explicit(&ctx->cause, memory_order_acquire) == 0, 1)) {
        return 0;
    }
    return hr_ctx_err(ctx);
}

static inline bool
ctx_is_over(const struct hr_ctx *ctx)
{
    return atomic_load_explicit(&ctx->cause, memory_order_seq_cst) != 0;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "worker/sched/ctx.h"

#include "common/pure/check.h"
#include "worker/sched/idle.h"
#include "worker/sched/park.h"
#include "worker/sched/trace.h"

#include <errno.h>
#include <sched.h>

enum {
    CTX_COUNT_MAX = 4 << 20
};

struct hr_ctx ctx_background = { .deadline = HR_NEVER };

static struct slab ctx_pool;

bool
ctx_pool_init(void)
{
    return ctx_pool.base != NULL || slab_init(&ctx_pool, sizeof(struct hr_ctx), CTX_COUNT_MAX);
}

/* ---- life ---- */

static bool
on_ctx_timer(struct timer *timer, void *batch)
{
    (void) batch;
    struct hr_ctx *ctx = CONTAINER_OF(timer, struct hr_ctx, timer);
    uint32_t refs = atomic_load_explicit(&ctx->refs_count, memory_order_relaxed);
    do {
        if (refs == 0) {
            return false; /* being freed: whoever does it waits for the wheel's lock */
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &ctx->refs_count, &refs, refs + 1, memory_order_acq_rel, memory_order_relaxed));
    return true;
}

/* false: the parent is over, and ctx with it. */
static bool
list_under_parent(struct hr_ctx *ctx)
{
    struct hr_ctx *parent = ctx->parent;
    if (parent == &ctx_background) {
        return true;
    }
    lock_take(&parent->lock);
    bool is_over = ctx_is_over(parent);
    if (!is_over) {
        ctx->sibling_next = parent->children;
        ctx->sibling_link = &parent->children;
        if (parent->children != NULL) {
            parent->children->sibling_link = &ctx->sibling_next;
        }
        parent->children = ctx;
        ctx->is_listed = true;
    }
    lock_give(&parent->lock);
    return !is_over;
}

static void
unlist_locked(struct hr_ctx *ctx)
{
    *ctx->sibling_link = ctx->sibling_next;
    if (ctx->sibling_next != NULL) {
        ctx->sibling_next->sibling_link = ctx->sibling_link;
    }
    ctx->is_listed = false;
}

static void
ctx_set_timer(struct thread *thread, struct hr_ctx *ctx)
{
    ctx->timer.on_fire = on_ctx_timer;
    if (thread != NULL) {
        timer_set(&thread->proc->wheel, &ctx->timer, ctx->deadline);
        return;
    }
    uint32_t index = slab_index(&ctx_pool, ctx) % sched.procs_count;
    timer_set(&proc_all[index].wheel, &ctx->timer, ctx->deadline);
    idle_poke_poller(ctx->deadline);
}

struct hr_ctx *
hr_ctx_new(struct hr_ctx *parent, int64_t deadline)
{
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) == 0) {
        return NULL;
    }
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct hr_ctx *ctx = slab_take(&ctx_pool, proc_cache(thread, PROC_POOL_CTX));
    if (ctx != NULL) {
        parent = parent != NULL ? parent : &ctx_background;
        if (parent != &ctx_background) {
            hr_ctx_hold(parent);
        }
        atomic_store_explicit(&ctx->cause, 0, memory_order_relaxed);
        ctx->parent = parent;
        ctx->is_listed = false;
        ctx->children = NULL;
        ctx->fibers = NULL;
        ctx->hooks = NULL;
        ctx->timer.wheel = NULL;
        ctx->timer.is_set = false;
        ctx->deadline = deadline < parent->deadline ? deadline : parent->deadline;
        atomic_store_explicit(&ctx->refs_count, 1, memory_order_release);
        if (!list_under_parent(ctx)) {
            atomic_store_explicit(&ctx->cause, hr_ctx_cause(parent), memory_order_release);
        } else if (deadline < parent->deadline) {
            ctx_set_timer(thread, ctx); /* a parent's earlier one reaches us anyway */
        }
    }
    if (self != NULL) {
        proc_leave(self);
    }
    return ctx;
}

void
hr_ctx_hold(struct hr_ctx *ctx)
{
    if (ctx != &ctx_background) {
        uint32_t old = atomic_fetch_add_explicit(&ctx->refs_count, 1, memory_order_relaxed);
        CHECK(old > 0);
    }
}

/* Frees up the chain of parents as far as they have no other holder. */
static void
ctx_rele(struct thread *thread, struct hr_ctx *ctx)
{
    while (ctx != &ctx_background) {
        uint32_t old = atomic_fetch_sub_explicit(&ctx->refs_count, 1, memory_order_acq_rel);
        CHECK(old > 0);
        if (old > 1) {
            return;
        }
        struct hr_ctx *parent = ctx->parent;
        timer_clear(&ctx->timer);
        if (parent != &ctx_background) {
            lock_take(&parent->lock);
            if (ctx->is_listed) {
                unlist_locked(ctx);
            }
            lock_give(&parent->lock);
        }
        CHECK(ctx->fibers == NULL);
        slab_give(&ctx_pool, proc_cache(thread, PROC_POOL_CTX), ctx);
        ctx = parent;
    }
}

void
hr_ctx_rele(struct hr_ctx *ctx)
{
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    ctx_rele(thread, ctx);
    if (self != NULL) {
        proc_leave(self);
    }
}

void
ctx_join(struct hr_ctx *ctx, struct hr_fiber *fiber)
{
    fiber->ctx = ctx;
    if (ctx == &ctx_background) {
        return;
    }
    hr_ctx_hold(ctx);
    lock_take(&ctx->lock);
    fiber->ctx_next = ctx->fibers;
    fiber->ctx_link = &ctx->fibers;
    if (ctx->fibers != NULL) {
        ctx->fibers->ctx_link = &fiber->ctx_next;
    }
    ctx->fibers = fiber;
    lock_give(&ctx->lock);
}

void
ctx_part(struct thread *thread, struct hr_fiber *fiber)
{
    struct hr_ctx *ctx = fiber->ctx;
    if (ctx == &ctx_background) {
        return;
    }
    lock_take(&ctx->lock);
    *fiber->ctx_link = fiber->ctx_next;
    if (fiber->ctx_next != NULL) {
        fiber->ctx_next->ctx_link = fiber->ctx_link;
    }
    lock_give(&ctx->lock);
    if (__builtin_expect(ctx_is_over(ctx), 0)) {
        meter_add(&thread->proc->cancel_meter, hr_now() - ctx->ended_ns);
    }
    fiber->ctx = &ctx_background;
    ctx_rele(thread, ctx);
}

/* ---- ending ---- */

/* Take ctx's children off it onto the work list, each with a reference. */
static void
collect_children_locked(struct hr_ctx *ctx, struct hr_ctx **work)
{
    struct hr_ctx *next = NULL;
    for (struct hr_ctx *child = ctx->children; child != NULL; child = next) {
        next = child->sibling_next;
        uint32_t refs = atomic_load_explicit(&child->refs_count, memory_order_relaxed);
        while (refs != 0 && !atomic_compare_exchange_weak_explicit(&child->refs_count, &refs,
                                refs + 1, memory_order_acq_rel, memory_order_relaxed)) {
        }
        if (refs == 0) {
            continue; /* being freed: its owner waits for our lock to unlist it */
        }
        unlist_locked(child);
        child->next = *work;
        *work = child;
    }
}

/* Call what hooks there are, outside of the lock, one after the other. */
static void
run_hooks(struct hr_ctx *ctx)
{
    for (;;) {
        lock_take(&ctx->lock);
        struct hr_ctx_hook *hook = ctx->hooks;
        if (hook != NULL) {
            ctx->hooks = hook->opaque[0];
            if (ctx->hooks != NULL) {
                ctx->hooks->opaque[1] = &ctx->hooks;
            }
            hook->opaque[2] = NULL;
            atomic_store_explicit(&ctx->running_thread, proc_os_thread(), memory_order_relaxed);
        }
        atomic_store_explicit(&ctx->running_hook, hook, memory_order_release);
        lock_give(&ctx->lock);
        if (hook == NULL) {
            return;
        }
        hook->fn(hook->arg);
    }
}

enum ending {
    ENDED_BEFORE,
    ENDED_NOW,
    ENDED_NOW_WITH_HOOKS
};

struct end {
    int cause;
    int64_t now;
};

/* Consumes no reference. */
static enum ending
end_one(struct thread *thread, struct hr_ctx *ctx, const struct end *end, struct hr_ctx **work)
{
    struct runq_list woken = { 0 };
    lock_take(&ctx->lock);
    if (ctx_is_over(ctx)) {
        lock_give(&ctx->lock);
        return ENDED_BEFORE;
    }
    ctx->ended_ns = end->now;
    atomic_store_explicit(&ctx->cause, end->cause, memory_order_seq_cst); /* C1 */
    for (struct hr_fiber *fiber = ctx->fibers; fiber != NULL; fiber = fiber->ctx_next) {
        if (park_claim_ended(fiber) == CLAIM_READY) {
            runq_list_push(&woken, fiber);
        }
    }
    collect_children_locked(ctx, work);
    bool has_hooks = ctx->hooks != NULL;
    lock_give(&ctx->lock);
    proc_ready_list(thread, &woken);
    return has_hooks ? ENDED_NOW_WITH_HOOKS : ENDED_NOW;
}

/* Cancel ctx and everything below.  self: the calling fiber, inside of the runtime, or NULL
 * on any other stack. */
static bool
end_tree(struct hr_fiber *self, struct thread *thread, struct hr_ctx *root, int cause)
{
    const struct end end = { .cause = cause, .now = hr_now() };
    struct hr_ctx *work = NULL;
    hr_ctx_hold(root);
    enum ending ending = end_one(thread, root, &end, &work);
    struct hr_ctx *ctx = root;
    bool is_first = ending != ENDED_BEFORE;
    if (is_first) {
        atomic_fetch_add_explicit(&sched.cancels_count, 1, memory_order_relaxed);
        trace_put_foreign(TRACE_CANCEL, PROC_COUNT_MAX, NULL, (uint64_t) cause);
    }
    for (;;) {
        if (ending == ENDED_NOW_WITH_HOOKS) {
            /* A hook is user code: on a fiber the runtime is left for it. */
            if (self != NULL) {
                proc_leave(self);
            }
            run_hooks(ctx);
            if (self != NULL) {
                thread = proc_enter_any(self);
            }
        }
        ctx_rele(thread, ctx);
        if (work == NULL) {
            return is_first;
        }
        ctx = work;
        work = ctx->next;
        ending = end_one(thread, ctx, &end, &work);
    }
}

bool
hr_ctx_cancel(struct hr_ctx *ctx, int cause)
{
    CHECK(ctx != &ctx_background);
    CHECK(cause != 0);

    if (ctx_is_over(ctx)) {
        return false;
    }
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    bool is_first = end_tree(self, thread, ctx, cause);
    if (self != NULL) {
        proc_leave(self);
    }
    return is_first;
}

void
ctx_expire(struct thread *thread, struct timer *fired)
{
    while (fired != NULL) {
        struct hr_ctx *ctx = CONTAINER_OF(fired, struct hr_ctx, timer);
        fired = fired->next;
        end_tree(NULL, thread, ctx, HR_CAUSE_DEADLINE);
        ctx_rele(thread, ctx);
    }
}

/* ---- looking ---- */

int
hr_ctx_cause(const struct hr_ctx *ctx)
{
    return atomic_load_explicit(&ctx->cause, memory_order_acquire);
}

int
hr_ctx_err(const struct hr_ctx *ctx)
{
    int cause = hr_ctx_cause(ctx);
    if (__builtin_expect(cause == 0, 1)) {
        return 0;
    }
    return cause == HR_CAUSE_DEADLINE ? -ETIMEDOUT : -ECANCELED;
}

int64_t
hr_ctx_deadline(const struct hr_ctx *ctx)
{
    return ctx->deadline;
}

struct hr_ctx *
hr_ctx_self(void)
{
    struct hr_fiber *self = fiber_self();
    return self != NULL ? self->ctx : &ctx_background;
}

int64_t
hr_remaining(void)
{
    int64_t deadline = hr_ctx_self()->deadline;
    if (deadline == HR_NEVER) {
        return HR_NEVER;
    }
    int64_t now = hr_now();
    return deadline > now ? deadline - now : 0;
}

/* ---- hooks: opaque = { next, link to us, the ctx while listed, - } ---- */

bool
hr_ctx_hook(struct hr_ctx *ctx, struct hr_ctx_hook *hook)
{
    hook->opaque[2] = NULL;
    if (ctx == &ctx_background) {
        return true; /* never ends */
    }
    struct hr_fiber *self = fiber_self();
    proc_enter_any(self);
    lock_take(&ctx->lock);
    bool is_over = ctx_is_over(ctx);
    if (!is_over) {
        hook->opaque[0] = ctx->hooks;
        hook->opaque[1] = &ctx->hooks;
        hook->opaque[2] = ctx;
        if (ctx->hooks != NULL) {
            ctx->hooks->opaque[1] = &hook->opaque[0];
        }
        ctx->hooks = hook;
    }
    lock_give(&ctx->lock);
    if (self != NULL) {
        proc_leave(self);
    }
    return !is_over;
}

/* true: hook is running now, on another thread's stack. */
static bool
unhook_once(struct hr_ctx *ctx, struct hr_ctx_hook *hook)
{
    lock_take(&ctx->lock);
    if (hook->opaque[2] == ctx) {
        struct hr_ctx_hook *next = hook->opaque[0];
        void **link = hook->opaque[1];
        *link = next;
        if (next != NULL) {
            next->opaque[1] = link;
        }
        hook->opaque[2] = NULL;
    }
    bool is_running =
        atomic_load_explicit(&ctx->running_hook, memory_order_acquire) == hook &&
        atomic_load_explicit(&ctx->running_thread, memory_order_relaxed) != proc_os_thread();
    lock_give(&ctx->lock);
    return is_running;
}

void
hr_ctx_unhook(struct hr_ctx *ctx, struct hr_ctx_hook *hook)
{
    if (ctx == &ctx_background) {
        return;
    }
    struct hr_fiber *self = fiber_self();
    for (;;) {
        proc_enter_any(self);
        bool is_running = unhook_once(ctx, hook);
        if (self != NULL) {
            proc_leave(self);
        }
        if (!is_running) {
            return;
        }
        if (self != NULL) {
            hr_yield();
        } else {
            sched_yield();
        }
    }
}

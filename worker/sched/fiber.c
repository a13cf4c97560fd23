/* SPDX-License-Identifier: MIT */
#include "worker/sched/fiber.h"

#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/park.h"
#include "worker/sched/proc.h"

#include <errno.h>

struct slab fiber_pool;

bool
fiber_bind(struct thread *thread, struct hr_fiber *fiber)
{
    struct stack_top *top = stack_take(&thread->proc->stacks);
    if (top == NULL) {
        return false;
    }
    top->fiber = fiber;
    fiber->stack = top;
    fiber->sp = stack_frame_init(top);
    return true;
}

static struct hr_fiber *
fiber_new(struct thread *thread, struct hr_ctx *ctx, hr_fn *fn, void *arg, const char *name)
{
    struct hr_fiber *fiber = slab_take(&fiber_pool, proc_cache(thread, PROC_POOL_FIBER));
    if (fiber == NULL) {
        return NULL;
    }
    fiber->index = slab_index(&fiber_pool, fiber);
    fiber->stack = NULL;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->name = name;
    atomic_store_explicit(&fiber->done, 0, memory_order_relaxed);
    atomic_store_explicit(&fiber->reason, NULL, memory_order_relaxed);
    ctx_join(ctx, fiber);
    return fiber;
}

static void
count_started(struct thread *thread)
{
    if (thread == NULL) {
        atomic_fetch_add_explicit(&sched.foreign_started_count, 1, memory_order_seq_cst);
        return;
    }
    uint64_t count = atomic_load_explicit(&thread->proc->started_count, memory_order_relaxed);
    atomic_store_explicit(&thread->proc->started_count, count + 1, memory_order_release);
}

struct start {
    struct hr_ctx *ctx; /* NULL: the caller's */
    hr_fn *fn;
    void *arg;
    const char *name;
    const void *born;
    uint32_t flags;
};

static int
fiber_start(const struct start *start, struct hr_fiber **ret_fiber)
{
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) == 0) {
        return -EAGAIN;
    }
    struct hr_fiber *self = fiber_self();
    struct thread *thread = self != NULL ? proc_enter(self) : NULL;
    struct hr_ctx *ctx = start->ctx;
    if (ctx == NULL) {
        ctx = self != NULL ? self->ctx : &ctx_background;
    }
    struct hr_fiber *fiber = fiber_new(thread, ctx, start->fn, start->arg, start->name);
    int err = fiber != NULL ? 0 : -EAGAIN;
    if (fiber != NULL) {
        fiber->born = start->born;
        atomic_store_explicit(&fiber->flags, start->flags | FIBER_IN_USE, memory_order_relaxed);
        if (ret_fiber != NULL) {
            *ret_fiber = fiber;
        }
        count_started(thread);
        proc_ready_spawned(self, thread, fiber);
    }
    if (self != NULL) {
        proc_leave_parks(self);
    }
    return err;
}

int
hr_go(hr_fn *fn, void *arg, const char *name)
{
    struct start start = {
        .fn = fn, .arg = arg, .name = name, .born = __builtin_return_address(0)
    };
    return fiber_start(&start, NULL);
}

int
hr_go_ctx(struct hr_ctx *ctx, hr_fn *fn, void *arg, const char *name)
{
    struct start start = { .ctx = ctx != NULL ? ctx : &ctx_background,
        .fn = fn,
        .arg = arg,
        .name = name,
        .born = __builtin_return_address(0) };
    return fiber_start(&start, NULL);
}

int
hr_spawn(hr_fn *fn, void *arg, const char *name, struct hr_fiber **ret_fiber)
{
    struct start start = { .fn = fn,
        .arg = arg,
        .name = name,
        .born = __builtin_return_address(0),
        .flags = FIBER_JOINABLE };
    return fiber_start(&start, ret_fiber);
}

void
hr_join(struct hr_fiber *fiber)
{
    park_word_wait(&fiber->done, /* is_cancellable= */ false, "join");
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    atomic_store_explicit(&fiber->flags, 0, memory_order_relaxed);
    slab_give(&fiber_pool, proc_cache(thread, PROC_POOL_FIBER), fiber);
    if (self != NULL) {
        proc_leave(self);
    }
}

/* After the word is set, or the descriptor given back, it is somebody else's. */
static void
fiber_end(struct thread *thread, struct hr_fiber *self)
{
    ctx_part(thread, self);
    uint32_t flags = atomic_load_explicit(&self->flags, memory_order_relaxed);
    if ((flags & FIBER_JOINABLE) != 0) {
        park_word_set(thread, &self->done);
    } else {
        atomic_store_explicit(&self->flags, 0, memory_order_relaxed);
        slab_give(&fiber_pool, proc_cache(thread, PROC_POOL_FIBER), self);
    }
    uint64_t count = atomic_load_explicit(&thread->proc->ended_count, memory_order_relaxed);
    atomic_store_explicit(&thread->proc->ended_count, count + 1, memory_order_release);
}

void
fiber_main(void)
{
    annotate_enter(NULL);
    struct hr_fiber *self = fiber_self();
    struct stack_top *stack = self->stack;
    struct thread *thread = self->thread;
    proc_arrived(thread);
    for (;;) {
        proc_leave(self);
        self->fn(self->arg);
        thread = proc_enter(self);
        fiber_end(thread, self);
        struct hr_fiber *next = proc_next_on_end(thread);
        if (next == NULL || next->stack != NULL) {
            proc_switch_last(thread, next, stack);
        }
        /* The next one is new: it begins on this warm stack, without a switch. */
        next->stack = stack;
        next->thread = thread;
        atomic_store_explicit(&thread->running, next, memory_order_relaxed);
        stack->fiber = next;
        self = next;
    }
}

void
hr_yield(void)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    proc_enter(self);
    proc_yield(self);
    proc_leave(self);
}

bool
hr_on_fiber(void)
{
    return fiber_self() != NULL;
}

int
hr_sleep(int64_t duration_ns)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    int64_t now = hr_now();
    int64_t when;
    if (__builtin_add_overflow(now, duration_ns > 0 ? duration_ns : 0, &when)) {
        when = HR_NEVER;
    }
    proc_enter(self);
    int err = 0;
    if (!park_begin(self, /* is_cancellable= */ true)) {
        err = hr_ctx_err(self->ctx);
    } else {
        struct park_timer timer;
        park_timer_set(&timer, self, when);
        if (park_wait(self, NULL, "sleep") == WOKEN_ENDED) {
            err = hr_ctx_err(self->ctx);
        }
        timer_clear(&timer.timer);
    }
    proc_leave_parks(self);
    return err;
}

bool
hr_cancelled(void)
{
    enum {
        CLOCK_CALLS = 64 /* a deadline is seen even when every proc is busy */
    };
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    struct hr_ctx *ctx = self->ctx;
    struct thread *thread = proc_enter(self);
    if (ctx->deadline != HR_NEVER && ++thread->cancelled_calls % CLOCK_CALLS == 0 &&
        !ctx_is_over(ctx) && hr_now() >= ctx->deadline) {
        proc_leave(self);
        hr_ctx_cancel(ctx, HR_CAUSE_DEADLINE);
        return true;
    }
    proc_leave_parks(self);
    return ctx_is_over(ctx);
}

void
hr_block_begin(void)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    atomic_store_explicit(&self->thread->is_blocking, 1, memory_order_relaxed);
}

void
hr_block_end(void)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    atomic_store_explicit(&self->thread->is_blocking, 0, memory_order_relaxed);
}

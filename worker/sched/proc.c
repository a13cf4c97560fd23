/* SPDX-License-Identifier: MIT
 *
 * Picking the next fiber, and finding one when the proc's own queues are empty.
 */
#include "worker/sched/proc.h"

#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/dispatch.h"
#include "worker/sched/idle.h"
#include "worker/sched/netpoll.h"
#include "worker/sched/park.h"
#include "worker/sched/ticks.h"
#include "worker/sched/trace.h"

#include <errno.h>
#include <stddef.h>

enum {
    SHARED_BATCH_COUNT = 128,
    STEAL_PASSES_COUNT = 4,
    PUSHES_PER_CLOCK = 16,
    SPAWNED_COUNT = 256,
    POLL_EVERY_NS = 100 * 1000,
    OLDEST_EVERY_NS = 1000 * 1000
};

struct sched sched;
struct proc *proc_all;

int64_t
hr_now(void)
{
    return ticks_now_ns();
}

/* ---- run queues ---- */

static void
push_shared_list(const struct runq_list *list)
{
    int64_t now = hr_now(); /* how long it waits here is always measured */
    for (struct hr_fiber *each = list->head; each != NULL; each = each->next) {
        atomic_store_explicit(&each->since_ns, now, memory_order_relaxed);
    }
    lock_take(&sched.lock); /* P1 */
    runq_list_append(&sched.shared, list);
    atomic_store_explicit(&sched.shared_count, sched.shared.count, memory_order_seq_cst);
    lock_give(&sched.lock);
}

void
proc_push_shared(struct hr_fiber *fiber)
{
    struct runq_list one = { 0 };
    runq_list_push(&one, fiber);
    push_shared_list(&one);
}

/* Work piled up on proc: has it waited for long enough to wake another thread, which costs
 * us about 14 us and it 50? */
static void
work_added(struct proc *proc)
{
    if (++proc->pushes_count % PUSHES_PER_CLOCK != 0 ||
        atomic_load_explicit(&sched.idle_count, memory_order_relaxed) == 0) {
        return;
    }
    int64_t now = ticks_now();
    if (proc->work_since == 0) {
        proc->work_since = now;
    } else if (now - proc->work_since > sched.stale_ticks) {
        proc->work_since = now;
        idle_wake_one();
    }
}

static void
ready_behind(struct thread *thread, struct hr_fiber *fiber)
{
    if (thread == NULL || !runq_ring_push(&thread->proc->ring, fiber)) {
        proc_push_shared(fiber);
        idle_wake_one();
        return;
    }
    work_added(thread->proc);
}

void
proc_ready_behind(struct thread *thread, struct hr_fiber *fiber)
{
    if (__builtin_expect(trace_is_on(), 0)) {
        trace_ready(thread, fiber, TRACE_READY);
    }
    ready_behind(thread, fiber);
}

void
proc_ready_slow(struct thread *thread, struct hr_fiber *fiber)
{
    if (__builtin_expect(trace_is_on(), 0)) {
        trace_ready(thread, fiber, TRACE_READY);
    }
    if (thread == NULL) {
        ready_behind(NULL, fiber);
        return;
    }
    struct hr_fiber *displaced =
        atomic_load_explicit(&thread->proc->next, memory_order_relaxed);
    atomic_store_explicit(&thread->proc->next, fiber, memory_order_relaxed);
    if (displaced != NULL) {
        ready_behind(thread, displaced);
    }
}

void
proc_ready_list(struct thread *thread, struct runq_list *list)
{
    if (list->head == NULL) {
        return;
    }
    if (trace_is_on()) {
        for (struct hr_fiber *each = list->head; each != NULL; each = each->next) {
            trace_ready(thread, each, TRACE_READY);
        }
    }
    while (thread != NULL && list->head != NULL &&
           runq_ring_count(&thread->proc->ring) < RUNQ_RING_COUNT / 2) {
        struct hr_fiber *fiber = runq_list_take(list);
        CHECK(runq_ring_push(&thread->proc->ring, fiber));
    }
    if (list->head != NULL) {
        push_shared_list(list);
        *list = (struct runq_list){ 0 };
        idle_wake_one();
    } else {
        work_added(thread->proc);
    }
}

/* ---- picking and switching ---- */

/* From our own queues, without looking at the order of things too closely. */
static inline struct hr_fiber *
take_local(struct proc *proc)
{
    struct hr_fiber *fiber = atomic_load_explicit(&proc->next, memory_order_relaxed);
    if (fiber != NULL) {
        atomic_store_explicit(&proc->next, NULL, memory_order_relaxed);
        return fiber;
    }
    if (proc->is_draining) {
        fiber = runq_deque_take(&proc->deque);
        if (fiber != NULL) {
            return fiber;
        }
        proc->is_draining = false;
    }
    fiber = runq_ring_take(&proc->ring);
    if (fiber == NULL) {
        fiber = runq_deque_take(&proc->deque);
    }
    if (fiber == NULL) {
        proc->work_since = 0;
        proc->is_growing = false;
    }
    return fiber;
}

/* Nobody is next, or it is a fair turn.  NULL: look further on the thread's own stack. */
struct hr_fiber *
proc_pick_slow(struct thread *thread, uint32_t turns)
{
    if ((turns & atomic_load_explicit(&thread->proc->fair_mask, memory_order_relaxed)) == 0) {
        thread->is_fair_turn = turns % PROC_FAIR_TURNS == 0; /* or we are traced */
        return NULL;
    }
    return take_local(thread->proc);
}

void
proc_switch_away(struct hr_fiber *self, commit_fn *commit, void *arg)
{
    struct thread *thread = self->thread;
    thread->commit = commit;
    thread->commit_fiber = self;
    thread->commit_arg = arg;
    dispatch_away(self, thread);
}

static void
commit_behind(struct thread *thread, struct hr_fiber *fiber, void *arg)
{
    (void) arg;
    proc_ready_behind(thread, fiber);
}

/* Many wait to begin.  Run this one now, on a warm stack, and then all the others, with self
 * behind them, instead of piling up: most likely self is a loop.
 *
 * If one of those spawns too, they are trees.  Then whoever is put aside holds up children
 * that wait for it on stacks of their own, and each of them the same below: depth first is
 * what keeps that small, so from there on the deque may grow. */
static void
spawned_many(struct hr_fiber *self, struct thread *thread, struct hr_fiber *fiber)
{
    thread->proc->is_draining = true;
    thread->proc->drainer = self;
    thread->commit = commit_behind;
    thread->commit_fiber = self;
    thread->commit_arg = NULL;
    if (!dispatch_prepare(thread, fiber)) {
        fiber = NULL;
    } else if (trace_is_on()) { /* past execute() */
        trace_stopped(thread);
        trace_run(thread, fiber);
    }
    dispatch_switch(self, thread, fiber);
}

void
proc_ready_spawned(struct hr_fiber *self, struct thread *thread, struct hr_fiber *fiber)
{
    if (__builtin_expect(trace_is_on(), 0)) {
        trace_ready(thread, fiber, TRACE_SPAWN);
    }
    if (thread == NULL) {
        ready_behind(NULL, fiber);
        return;
    }
    struct proc *proc = thread->proc;
    if (proc->is_draining && self != proc->drainer) {
        proc->is_draining = false;
        proc->is_growing = true;
    }
    uint32_t count_max = proc->is_growing ? RUNQ_DEQUE_COUNT : SPAWNED_COUNT;
    if (runq_deque_push(&proc->deque, fiber, count_max)) {
        work_added(proc);
    } else {
        spawned_many(self, thread, fiber);
    }
}

struct hr_fiber *
proc_next_on_end(struct thread *thread)
{
    return dispatch_pick(thread);
}

static void
commit_last(struct thread *thread, struct hr_fiber *fiber, void *arg)
{
    (void) fiber;
    stack_give(&thread->proc->stacks, arg);
}

void
proc_switch_last(struct thread *thread, struct hr_fiber *next, struct stack_top *stack)
{
    void *dead_sp;
    thread->commit = commit_last;
    thread->commit_fiber = NULL;
    thread->commit_arg = stack;
    atomic_store_explicit(&thread->running, next, memory_order_relaxed);
    if (next != NULL) {
        next->thread = thread;
        annotate_leave(&stack->annotate, &next->stack->annotate, /* is_dying= */ true);
        switch_stacks(&dead_sp, next->sp);
    } else {
        annotate_leave(&stack->annotate, &thread->annotate, /* is_dying= */ true);
        switch_stacks(&dead_sp, thread->sp);
    }
    CHECK_UNREACHABLE();
}

void
proc_yield(struct hr_fiber *self)
{
    struct thread *thread = self->thread;
    struct proc *proc = thread->proc;
    atomic_store_explicit(&thread->preempt, 0, memory_order_relaxed);
    if (runq_deque_count(&proc->deque) > 0) {
        proc->is_draining =
            true; /* those who never ran must not wait for who yields in turns */
    }
    proc_switch_away(self, commit_behind, NULL);
}

void
proc_leave_slow(struct hr_fiber *self)
{
    proc_yield(self);
    proc_leave(self);
}

/* For a fiber whose thread has no proc. */
static void
commit_unowned(struct thread *thread, struct hr_fiber *fiber, void *arg)
{
    (void) thread;
    (void) arg;
    proc_ready_behind(NULL, fiber);
}

struct thread *
proc_enter_slow(struct hr_fiber *self)
{
    struct thread *thread = self->thread;
    lock_take(&sched.lock); /* sysmon holds it while it makes up its mind */
    if (atomic_load_explicit(&thread->lost, memory_order_relaxed) != 0) {
        atomic_store_explicit(&thread->lost, 0, memory_order_relaxed);
        sched.hogs_count -= thread->is_lost_hog;
        sched.lost_count--;
        thread->is_lost_hog = false;
        proc_adopt_idle(thread);
    }
    lock_give(&sched.lock);
    if (thread->proc != NULL) {
        idle_poke_sysmon();
        return thread;
    }
    /* No proc for us: wait in the shared queue, and let the thread be a spare one. */
    thread->commit = commit_unowned;
    thread->commit_fiber = self;
    thread->commit_arg = NULL;
    dispatch_switch(self, thread, NULL);
    return self->thread;
}

/* ---- looking further, on the thread's own stack ---- */

static uint64_t
random_next(struct thread *thread)
{
    uint64_t x = thread->random; /* xorshift64: only spreads thieves */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    thread->random = x;
    return x;
}

/* What the recorder has stamped is measured when it runs. */
static void
measure_shared(struct thread *thread, const struct hr_fiber *fiber, int64_t now)
{
    uint32_t flags = atomic_load_explicit(&fiber->flags, memory_order_relaxed);
    if ((flags & FIBER_STAMPED) == 0) {
        int64_t since = atomic_load_explicit(&fiber->since_ns, memory_order_relaxed);
        meter_add(&thread->proc->queue_meter, now - since);
    }
}

static struct hr_fiber *
take_shared(struct thread *thread, uint32_t count_max)
{
    if (atomic_load_explicit(&sched.shared_count, memory_order_relaxed) == 0) {
        return NULL;
    }
    int64_t now = hr_now();
    lock_take(&sched.lock);
    uint32_t n = sched.shared.count / sched.procs_count + 1;
    n = n < count_max ? n : count_max;
    uint32_t room = RUNQ_RING_COUNT - runq_ring_count(&thread->proc->ring); /* only grows */
    struct hr_fiber *first = runq_list_take(&sched.shared);
    if (first != NULL) {
        measure_shared(thread, first, now);
    }
    for (uint32_t i = 1; i < n && i <= room && sched.shared.head != NULL; i++) {
        /* Off the list before it is on the ring: there a thief may run it to its end
         * (tests/models/sched_shared.pml). */
        struct hr_fiber *more = runq_list_take(&sched.shared);
        measure_shared(thread, more, now);
        CHECK(runq_ring_push(&thread->proc->ring, more));
    }
    atomic_store_explicit(&sched.shared_count, sched.shared.count, memory_order_relaxed);
    lock_give(&sched.lock);
    return first;
}

void
proc_run_timers(struct thread *thread, struct proc *proc, int64_t now)
{
    if (timer_wheel_next(&proc->wheel) > now) {
        return;
    }
    struct runq_list woken = { 0 };
    struct timer *fired = timer_wheel_run(&proc->wheel, now, &woken);
    proc_ready_list(thread, &woken);
    ctx_expire(thread, fired);
}

static void
poll_now(struct thread *thread, int64_t now)
{
    if (!netpoll_is_used()) {
        return;
    }
    thread->proc->polled_ns = now;
    struct runq_list woken = { 0 };
    netpoll_poll(0, &woken);
    proc_ready_list(thread, &woken);
}

/* Every 64th turn someone else comes first: else a pair that readies each other, or a
 * fiber that spawns for ever, would keep the rest out.  The deque's oldest only once in a
 * millisecond: it is the root of the biggest subtree, and opens another path of stacks. */
static struct hr_fiber *
take_fair(struct thread *thread, int64_t now)
{
    struct proc *proc = thread->proc;
    if (now - proc->polled_ns > POLL_EVERY_NS) {
        poll_now(thread, now);
    }
    struct hr_fiber *fiber = take_shared(thread, 1);
    if (fiber == NULL && now - proc->oldest_ns > OLDEST_EVERY_NS) {
        proc->oldest_ns = now;
        fiber = runq_deque_steal(&proc->deque); /* our own */
    }
    return fiber != NULL ? fiber : runq_ring_take(&proc->ring);
}

static struct hr_fiber *
steal_from(struct thread *thread, struct proc *victim)
{
    struct hr_fiber *fiber = NULL;
    if (runq_ring_count(&victim->ring) > 0) {
        fiber = runq_ring_steal(&victim->ring, &thread->proc->ring);
    }
    if (fiber == NULL && runq_deque_count(&victim->deque) > 0) {
        fiber = runq_deque_steal(&victim->deque);
    }
    return fiber;
}

static void
count_steal(struct thread *thread, const struct proc *victim)
{
    _Atomic uint64_t *count = &thread->proc->steals_count;
    uint64_t steals = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, steals + 1, memory_order_relaxed);
    struct trace_ring *ring = atomic_load_explicit(&thread->trace, memory_order_acquire);
    if (ring != NULL) {
        trace_put(ring, TRACE_STEAL, NULL, NULL, victim->index);
    }
}

static struct hr_fiber *
steal(struct thread *thread, int64_t now)
{
    if (!thread->is_searching) {
        uint32_t busy =
            sched.procs_count - atomic_load_explicit(&sched.idle_count, memory_order_relaxed);
        if (2 * atomic_load_explicit(&sched.searching_count, memory_order_relaxed) >= busy) {
            return NULL;
        }
        thread->is_searching = true;
        atomic_fetch_add_explicit(&sched.searching_count, 1, memory_order_seq_cst);
    }
    for (uint32_t pass = 0; pass < STEAL_PASSES_COUNT; pass++) {
        uint32_t start = (uint32_t) (random_next(thread) % sched.procs_count);
        for (uint32_t i = 0; i < sched.procs_count; i++) {
            struct proc *victim = &proc_all[(start + i) % sched.procs_count];
            if (victim == thread->proc) {
                continue;
            }
            if (pass == STEAL_PASSES_COUNT - 1) {
                proc_run_timers(thread, victim, now);
            }
            struct hr_fiber *fiber = runq_ring_count(&thread->proc->ring) > 0
                                         ? take_local(thread->proc)
                                         : steal_from(thread, victim);
            if (fiber != NULL) {
                count_steal(thread, victim);
                return fiber;
            }
        }
    }
    return NULL;
}

/* ---- the loop of a thread ---- */

static struct hr_fiber *
find(struct thread *thread)
{
    int64_t now = hr_now();
    atomic_store_explicit(&sched.coarse_ns, now, memory_order_relaxed);
    proc_run_timers(thread, thread->proc, now);
    struct hr_fiber *fiber = NULL;
    if (thread->is_fair_turn) {
        thread->is_fair_turn = false;
        fiber = take_fair(thread, now);
    }
    if (fiber == NULL) {
        fiber = take_local(thread->proc);
    }
    if (fiber == NULL) {
        fiber = take_shared(thread, SHARED_BATCH_COUNT);
    }
    if (fiber == NULL) {
        poll_now(thread, now);
        fiber = take_local(thread->proc);
    }
    return fiber != NULL ? fiber : steal(thread, now);
}

static void
execute(struct thread *thread, struct hr_fiber *fiber)
{
    if (thread->is_searching) {
        thread->is_searching = false;
        atomic_fetch_sub_explicit(&sched.searching_count, 1, memory_order_seq_cst);
        if (runq_ring_count(&thread->proc->ring) > 0 ||
            atomic_load_explicit(&sched.shared_count, memory_order_seq_cst) > 0) {
            idle_wake_one(); /* there is more: the next searcher */
        }
    }
    if (!dispatch_prepare(thread, fiber)) {
        return;
    }
    if (trace_is_on()) {
        trace_run(thread, fiber);
    }
    atomic_store_explicit(&thread->running, fiber, memory_order_relaxed);
    annotate_leave(&thread->annotate, &fiber->stack->annotate, /* is_dying= */ false);
    switch_stacks(&thread->sp, fiber->sp);
    annotate_enter(thread->annotate.asan_fake);
    if (trace_is_on()) {
        trace_stopped(thread);
    }
    proc_arrived(thread);
}

void
proc_thread_loop(struct thread *thread)
{
    while (atomic_load_explicit(&sched.is_over, memory_order_acquire) == 0) {
        struct hr_fiber *fiber = thread->proc != NULL ? find(thread) : NULL;
        if (fiber != NULL) {
            execute(thread, fiber);
        } else {
            idle_sleep(thread);
        }
    }
}

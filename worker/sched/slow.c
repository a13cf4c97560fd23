/* SPDX-License-Identifier: MIT */
#include "worker/sched/slow.h"

#include "worker/sched/dump.h"
#include "worker/sched/fiber.h"

#include <time.h>

enum {
    SLICE_NS = 10 * 1000 * 1000,
    TELL_EVERY_NS = 1000 * 1000 * 1000,
    LOUDER_FACTOR = 10
};

static struct {
    int64_t slice_ns;
    void (*on_slow)(const struct hr_slow *slow, void *user);
    void *user;
    int64_t told_ns;
    uint32_t suppressed_count;
    _Atomic uint64_t count;
} slow;

void
slow_init(const struct hr_options *options)
{
    slow.slice_ns = options->slow_slice_ns > 0 ? options->slow_slice_ns : SLICE_NS;
    slow.on_slow = options->on_slow;
    slow.user = options->on_slow_user;
    slow.told_ns = 0;
    slow.suppressed_count = 0;
    atomic_store_explicit(&slow.count, 0, memory_order_relaxed);
}

uint64_t
slow_slices_count(void)
{
    return atomic_load_explicit(&slow.count, memory_order_relaxed);
}

/* The turn that thread is in: while it is lost it cannot begin another. */
static uint64_t
turn_of(const struct thread *thread)
{
    const struct proc *proc =
        thread->proc; /* guard: sched.lock, since nobody else hands it off */
    if (proc == NULL || atomic_load_explicit(&thread->lost, memory_order_relaxed) != 0) {
        return thread->view.turn;
    }
    return (uint64_t) proc->index << 32 |
           atomic_load_explicit(&proc->turns, memory_order_relaxed);
}

static int64_t
cpu_time(const struct thread *thread)
{
    struct timespec time = { 0 };
    clock_gettime(thread->cpu_clock, &time);
    return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The fiber may end under our hands; its descriptor stays one (PO1), so at worst a name is
 * its successor's. */
static __attribute__((no_sanitize("thread"))) struct hr_slow
describe(const struct thread *thread, const struct hr_fiber *fiber, int64_t now)
{
    return (struct hr_slow){ .fiber = fiber->index,
        .name = fiber->name != NULL ? fiber->name : "?",
        .born = fiber->born,
        .ran_ns = now - thread->view.since,
        .cpu_ns = cpu_time(thread) - thread->view.cpu_ns,
        .suppressed_count = slow.suppressed_count };
}

/* Under sched.lock.  true: to be told; ret_slow is filled in. */
static bool
look_at(struct thread *thread, int64_t now, struct hr_slow *ret_slow)
{
    const struct hr_fiber *fiber = atomic_load_explicit(&thread->running, memory_order_relaxed);
    uint64_t turn = turn_of(thread);
    struct thread_view *view = &thread->view;
    if (fiber == NULL || fiber != view->fiber || turn != view->turn ||
        atomic_load_explicit(&thread->is_blocking, memory_order_relaxed) != 0) {
        *view = (struct thread_view){
            .fiber = fiber, .turn = turn, .since = now, .tell_at = slow.slice_ns
        };
        return false;
    }
    if (view->cpu_ns == 0) {
        view->cpu_ns = cpu_time(thread); /* dear: only of those that lasted for two looks */
    }
    int64_t ran = now - view->since;
    if (ran < view->tell_at) {
        return false;
    }
    if (view->tell_at == slow.slice_ns) {
        atomic_fetch_add_explicit(&slow.count, 1, memory_order_relaxed);
    }
    view->tell_at =
        view->tell_at < INT64_MAX / LOUDER_FACTOR ? view->tell_at * LOUDER_FACTOR : INT64_MAX;
    if (slow.on_slow == NULL) {
        return false;
    }
    if (slow.told_ns != 0 && now - slow.told_ns < TELL_EVERY_NS) {
        slow.suppressed_count++;
        return false;
    }
    *ret_slow = describe(thread, fiber, now);
    slow.suppressed_count = 0;
    slow.told_ns = now;
    return true;
}

void
slow_look(int64_t now)
{
    struct hr_slow told;
    bool is_told = false;
    lock_take(&sched.lock);
    for (struct thread *each = sched.threads; each != NULL; each = each->all_next) {
        is_told |= look_at(each, now, &told);
    }
    lock_give(&sched.lock);
    if (is_told) {
        dump_place(told.born, told.born_text, sizeof told.born_text);
        slow.on_slow(&told, slow.user);
    }
}

/* SPDX-License-Identifier: MIT */
#include "worker/sched/trace.h"

#include "worker/sched/ctx.h"
#include "worker/sched/park.h"

#include <errno.h>
#include <sys/mman.h>

enum {
    EVENTS_COUNT = 1 << 16,
    EVENTS_COUNT_MAX = 1 << 22,
    KIND_SHIFT = 48,
    PROC_SHIFT = 32
};

static struct {
    pthread_mutex_t mutex; /* guards the rings' list and the rest */
    struct trace_ring *rings;
    uint32_t rings_count;
    uint32_t events_count;
    struct trace_ring *_Atomic foreign;
    struct lock foreign_lock; /* guards the events of `foreign` */
} recorder = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- writing ---- */

/* Release for each word: a reader that sees any part of event n sees head at n or more, and
 * so knows that the event that stood there before is gone (trace_copy). */
static void
put(struct trace_ring *ring, const struct trace_copy *event)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    struct trace_event *slot = &ring->events[head & ring->mask];
    uint64_t what = (uint64_t) event->kind << KIND_SHIFT |
                    (uint64_t) event->proc << PROC_SHIFT | event->fiber;
    atomic_store_explicit(&slot->when_ns, event->when_ns, memory_order_release);
    atomic_store_explicit(&slot->what, what, memory_order_release);
    atomic_store_explicit(&slot->text, event->text, memory_order_release);
    atomic_store_explicit(&slot->value, event->value, memory_order_release);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

static uint32_t
proc_of(const struct thread *thread)
{
    return thread != NULL && thread->proc != NULL ? thread->proc->index : PROC_COUNT_MAX;
}

void
trace_put(struct trace_ring *ring, enum trace_kind kind, const struct hr_fiber *fiber,
    const char *text, uint64_t value)
{
    put(ring, &(struct trace_copy){ .when_ns = (uint64_t) hr_now(),
                  .kind = kind,
                  .proc = proc_of(ring->thread),
                  .fiber = fiber != NULL ? fiber->index : 0,
                  .text = text,
                  .value = value });
}

static void
put_foreign(const struct trace_copy *event)
{
    struct trace_ring *ring = atomic_load_explicit(&recorder.foreign, memory_order_acquire);
    if (ring != NULL) {
        lock_take(&recorder.foreign_lock);
        put(ring, event);
        lock_give(&recorder.foreign_lock);
    }
}

void
trace_put_foreign(enum trace_kind kind, uint32_t proc_index, const char *text, uint64_t value)
{
    if (trace_is_on()) {
        put_foreign(&(struct trace_copy){ .when_ns = (uint64_t) hr_now(),
            .kind = kind,
            .proc = proc_index,
            .text = text,
            .value = value });
    }
}

void
trace_ready(struct thread *thread, struct hr_fiber *fiber, enum trace_kind kind)
{
    /* The fiber is ours until it is on a queue. */
    int64_t now = hr_now();
    atomic_store_explicit(&fiber->since_ns, now, memory_order_relaxed);
    uint32_t flags = atomic_load_explicit(&fiber->flags, memory_order_relaxed);
    atomic_store_explicit(&fiber->flags, flags | FIBER_STAMPED, memory_order_relaxed);
    struct trace_copy event = { .when_ns = (uint64_t) now,
        .kind = kind,
        .proc = proc_of(thread),
        .fiber = fiber->index,
        .text = kind == TRACE_SPAWN ? fiber->name : NULL,
        .value = (uint64_t) now };
    struct trace_ring *ring =
        thread != NULL ? atomic_load_explicit(&thread->trace, memory_order_acquire) : NULL;
    if (ring != NULL) {
        put(ring, &event);
    } else {
        put_foreign(&event);
    }
}

void
trace_run(struct thread *thread, struct hr_fiber *fiber)
{
    struct trace_ring *ring = atomic_load_explicit(&thread->trace, memory_order_acquire);
    uint64_t ready_ns = 0;
    uint32_t flags = atomic_load_explicit(&fiber->flags, memory_order_relaxed);
    if ((flags & FIBER_STAMPED) != 0) {
        atomic_store_explicit(
            &fiber->flags, flags & ~(uint32_t) FIBER_STAMPED, memory_order_relaxed);
        int64_t since = atomic_load_explicit(&fiber->since_ns, memory_order_relaxed);
        meter_add(&thread->proc->queue_meter, hr_now() - since);
        ready_ns = (uint64_t) since;
    }
    if (ring != NULL) {
        trace_put(ring, TRACE_RUN, fiber, fiber->name, ready_ns);
    }
}

/* Before the commit: until then the fiber that left is still ours to look at. */
void
trace_stopped(struct thread *thread)
{
    struct trace_ring *ring = atomic_load_explicit(&thread->trace, memory_order_acquire);
    if (ring == NULL) {
        return;
    }
    const struct hr_fiber *fiber = thread->commit_fiber;
    const char *reason = NULL;
    enum trace_kind kind = TRACE_END;
    if (thread->commit != NULL && fiber != NULL) {
        reason = atomic_load_explicit(&fiber->reason, memory_order_relaxed);
        kind = thread->proc == NULL ? TRACE_MOVED : reason != NULL ? TRACE_PARK : TRACE_YIELD;
    }
    trace_put(ring, kind, fiber, reason, 0);
}

/* ---- rings ---- */

static struct trace_ring *
ring_new_locked(const struct thread *thread)
{
    size_t size =
        sizeof(struct trace_ring) + (size_t) recorder.events_count * sizeof(struct trace_event);
    struct trace_ring *ring = mmap(
        NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED) {
        return NULL;
    }
    ring->thread = thread;
    ring->number = recorder.rings_count++;
    ring->mask = recorder.events_count - 1;
    ring->size = size;
    ring->next = recorder.rings;
    recorder.rings = ring;
    return ring;
}

static struct trace_ring *
ring_of_locked(const struct thread *thread)
{
    for (struct trace_ring *each = recorder.rings; each != NULL; each = each->next) {
        if (each->thread == thread) {
            return each;
        }
    }
    return ring_new_locked(thread);
}

void
trace_thread_enter(struct thread *thread)
{
    pthread_mutex_lock(&recorder.mutex);
    if (trace_is_on()) {
        atomic_store_explicit(&thread->trace, ring_of_locked(thread), memory_order_release);
    }
    pthread_mutex_unlock(&recorder.mutex);
}

void
trace_free(void)
{
    pthread_mutex_lock(&recorder.mutex);
    atomic_store_explicit(&recorder.foreign, NULL, memory_order_relaxed);
    while (recorder.rings != NULL) {
        struct trace_ring *ring = recorder.rings;
        recorder.rings = ring->next;
        munmap(ring, ring->size);
    }
    recorder.rings_count = 0;
    pthread_mutex_unlock(&recorder.mutex);
}

/* ---- on and off ---- */

static void
set_masks(uint32_t mask)
{
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        atomic_store_explicit(&proc_all[i].fair_mask, mask, memory_order_relaxed);
    }
}

/* Give every thread its ring; those that start meanwhile ask for theirs. */
static bool
arm_threads_locked(void)
{
    lock_take(&sched.lock);
    struct thread *thread = sched.threads; /* freed by hr_stop only; new ones come in front */
    lock_give(&sched.lock);
    for (; thread != NULL; thread = thread->all_next) {
        struct trace_ring *ring = ring_of_locked(thread);
        if (ring == NULL) {
            return false;
        }
        atomic_store_explicit(&thread->trace, ring, memory_order_release);
    }
    return true;
}

static void
disarm_locked(void)
{
    atomic_store_explicit(&sched.is_tracing, 0, memory_order_relaxed);
    set_masks(PROC_FAIR_TURNS - 1);
    lock_take(&sched.lock);
    for (struct thread *each = sched.threads; each != NULL; each = each->all_next) {
        atomic_store_explicit(&each->trace, NULL, memory_order_relaxed);
    }
    lock_give(&sched.lock);
}

int
hr_trace_start(uint32_t events_count)
{
    if (events_count > EVENTS_COUNT_MAX) {
        return -EINVAL;
    }
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) == 0) {
        return -EAGAIN;
    }
    int err = 0;
    pthread_mutex_lock(&recorder.mutex);
    if (trace_is_on()) {
        err = -EALREADY;
    } else {
        if (recorder.rings == NULL) { /* later starts go on in the rings that are there */
            uint32_t count = events_count > 0 ? events_count : EVENTS_COUNT;
            recorder.events_count =
                count < 64 ? 64 : UINT32_C(1) << (32 - __builtin_clz(count - 1));
        }
        struct trace_ring *foreign = ring_of_locked(NULL);
        atomic_store_explicit(&recorder.foreign, foreign, memory_order_release);
        atomic_store_explicit(&sched.is_tracing, 1, memory_order_relaxed);
        set_masks(0);
        if (foreign == NULL || !arm_threads_locked()) {
            disarm_locked();
            err = -ENOMEM;
        }
    }
    pthread_mutex_unlock(&recorder.mutex);
    return err;
}

void
hr_trace_stop(void)
{
    pthread_mutex_lock(&recorder.mutex);
    if (trace_is_on()) {
        disarm_locked();
    }
    pthread_mutex_unlock(&recorder.mutex);
}

/* ---- reading ---- */

void
trace_each(trace_visit_fn *visit, void *user)
{
    /* Rings come in front and stay until hr_stop: a new thread need not wait for us. */
    pthread_mutex_lock(&recorder.mutex);
    const struct trace_ring *ring = recorder.rings;
    pthread_mutex_unlock(&recorder.mutex);
    for (; ring != NULL; ring = ring->next) {
        visit(user, ring);
    }
}

bool
trace_copy(const struct trace_ring *ring, uint64_t index, struct trace_copy *ret_copy)
{
    const struct trace_event *slot = &ring->events[index & ring->mask];
    uint64_t when = atomic_load_explicit(&slot->when_ns, memory_order_acquire);
    uint64_t what = atomic_load_explicit(&slot->what, memory_order_acquire);
    const char *text = atomic_load_explicit(&slot->text, memory_order_acquire);
    uint64_t value = atomic_load_explicit(&slot->value, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (head - index > ring->mask) {
        return false; /* being overwritten, or overwritten */
    }
    *ret_copy = (struct trace_copy){ .when_ns = when,
        .kind = (enum trace_kind)(what >> KIND_SHIFT),
        .proc = (uint32_t) (what >> PROC_SHIFT & 0xffff),
        .fiber = (uint32_t) what,
        .text = text,
        .value = value };
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * The ring (as in Go): many thieves, one owner, whole batches by one CAS.
 *
 *   owner pushes                        thief
 *   O1  h = head (acquire)              T1  h = head (acquire), t = tail (acquire)
 *   O2  tail - h < COUNT, or full       T2  copy slots h .. h+n-1 into its own ring
 *   O3  slot[tail] = fiber              T3  CAS head h -> h+n (release): all or nothing
 *   O4  tail += 1 (release)             T4  publish its own tail
 *
 * O4/T1: a thief that sees the tail sees the slots.  T3/O1: the owner writes a slot again
 * only after it saw the head beyond it, and a thief whose copy was overwritten fails T3,
 * since the head has moved.  T1 may read a tail from a later lap than its head: then n is
 * more than half a ring, which no honest pair gives, and it reads again.
 *
 * The deque (Chase and Lev; Le et al. 2013, with sequentially consistent accesses in place
 * of fences: TSan cannot see fences, and on x86-64 the cost is the same exchange):
 *
 *   owner takes                         thief
 *   O1  bottom = b-1 (seq_cst)          T1  t = top (seq_cst)
 *   O2  t = top (seq_cst)               T2  b = bottom (seq_cst); t < b, or nothing
 *   O3  t < b-1: it is ours             T3  x = slot[t]
 *       t = b-1: CAS top t -> t+1       T4  CAS top t -> t+1 (seq_cst), or lost
 *
 * If O2 reads a top before T4's, then in the one order of seq_cst accesses O1 is before a
 * later thief's T2, which sees the lower bottom: the same slot is never taken by O3 without
 * the CAS and by T4.  A slot is overwritten only when bottom is a lap ahead of top, and then
 * T4 of a slow thief fails.
 *
 * TEST  tests/stress/stress_sched_runq.c, tests/models/sched_steal.pml; the last item by
 *       tests/stress/stress_sched_litmus.c
 */
#include "worker/sched/runq.h"

#include "common/pure/check.h"
#include "worker/sched/chaos.h"

#include <stddef.h>

bool
runq_ring_push(struct runq_ring *ring, struct hr_fiber *fiber)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire); /* O1 */
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail - head >= RUNQ_RING_COUNT) {
        return false;
    }
    atomic_store_explicit(&ring->slots[tail % RUNQ_RING_COUNT], fiber, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release); /* O4 */
    chaos();
    return true;
}

struct hr_fiber *
runq_ring_take(struct runq_ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    while (head != tail) {
        struct hr_fiber *fiber =
            atomic_load_explicit(&ring->slots[head % RUNQ_RING_COUNT], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(
                &ring->head, &head, head + 1, memory_order_acq_rel, memory_order_acquire)) {
            return fiber;
        }
    }
    return NULL;
}

struct hr_fiber *
runq_ring_steal(struct runq_ring *victim, struct runq_ring *thief)
{
    CHECK(runq_ring_count(thief) == 0);

    uint32_t own_tail = atomic_load_explicit(&thief->tail, memory_order_relaxed);
    for (;;) {
        uint32_t head = atomic_load_explicit(&victim->head, memory_order_acquire); /* T1 */
        uint32_t tail = atomic_load_explicit(&victim->tail, memory_order_acquire);
        uint32_t n = (tail - head) - (tail - head) / 2;
        if (n == 0) {
            return NULL;
        }
        if (n > RUNQ_RING_COUNT / 2) {
            continue;
        }
        for (uint32_t i = 0; i < n; i++) { /* T2 */
            struct hr_fiber *fiber = atomic_load_explicit(
                &victim->slots[(head + i) % RUNQ_RING_COUNT], memory_order_relaxed);
            atomic_store_explicit(
                &thief->slots[(own_tail + i) % RUNQ_RING_COUNT], fiber, memory_order_relaxed);
        }
        chaos();
        if (!atomic_compare_exchange_strong_explicit(&victim->head, &head, head + n,
                memory_order_acq_rel, memory_order_relaxed)) { /* T3 */
            continue;
        }
        n--; /* the last one runs at once */
        if (n > 0) {
            atomic_store_explicit(&thief->tail, own_tail + n, memory_order_release);
        }
        return atomic_load_explicit(
            &thief->slots[(own_tail + n) % RUNQ_RING_COUNT], memory_order_relaxed);
    }
}

bool
runq_deque_push(struct runq_deque *deque, struct hr_fiber *fiber, uint32_t count_max)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);
    if (bottom - top >= count_max) {
        return false;
    }
    atomic_store_explicit(
        &deque->slots[bottom % RUNQ_DEQUE_COUNT], fiber, memory_order_relaxed);
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_release);
    return true;
}

struct hr_fiber *
runq_deque_take(struct runq_deque *deque)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1;
    if (atomic_load_explicit(&deque->top, memory_order_relaxed) > bottom) {
        return NULL; /* top only grows: empty for sure, without the exchange */
    }
    atomic_store_explicit(&deque->bottom, bottom, memory_order_seq_cst); /* O1 */
    chaos();
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst); /* O2 */
    struct hr_fiber *fiber = NULL;
    if (top <= bottom) {
        fiber = atomic_load_explicit(
            &deque->slots[bottom % RUNQ_DEQUE_COUNT], memory_order_relaxed);
        if (top < bottom) {
            return fiber; /* O3 */
        }
        if (!atomic_compare_exchange_strong_explicit(
                &deque->top, &top, top + 1, memory_order_seq_cst, memory_order_relaxed)) {
            fiber = NULL;
        }
    }
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_relaxed);
    return fiber;
}

struct hr_fiber *
runq_deque_steal(struct runq_deque *deque)
{
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);       /* T1 */
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst); /* T2 */
    if (top >= bottom) {
        return NULL;
    }
    struct hr_fiber *fiber =
        atomic_load_explicit(&deque->slots[top % RUNQ_DEQUE_COUNT], memory_order_relaxed);
    chaos();
    if (!atomic_compare_exchange_strong_explicit(
            &deque->top, &top, top + 1, memory_order_seq_cst, memory_order_relaxed)) { /* T4 */
        return NULL;
    }
    return fiber;
}

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/lock.h - the runtime's own lock: spin briefly, then let the kernel run others.
 *
 * Held for tens of instructions and never across user code.  It may be taken on one fiber's
 * stack and freed on the next one's (a fiber that parks is published by whoever runs after
 * it), which is why it is no pthread mutex.  Freeing is a plain store.
 *
 * THREADS   any.
 * REJECTED  a futex mutex: its unlock is a locked instruction too, at each channel call.
 *           a lock biased to a proc, which takes it by a store and a load, and whose bias
 *           others take away behind a membarrier(2): it works, and saves nothing, for the
 *           exchange costs 2 ns here, as much as the bookkeeping of the bias.
 */
#ifndef WORKER_SCHED_LOCK_H
#define WORKER_SCHED_LOCK_H

#include "worker/sched/chaos.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
    _Atomic uint32_t word;
};

void lock_take_slow(struct lock *lock);

static inline void
lock_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

static inline void
lock_take(struct lock *lock)
{
    if (__builtin_expect(
            atomic_exchange_explicit(&lock->word, 1, memory_order_acquire) != 0, 0)) {
        lock_take_slow(lock);
    }
}

static inline bool
lock_try(struct lock *lock)
{
    return atomic_exchange_explicit(&lock->word, 1, memory_order_acquire) == 0;
}

static inline void
lock_give(struct lock *lock)
{
    chaos();
    atomic_store_explicit(&lock->word, 0, memory_order_release);
}

#endif

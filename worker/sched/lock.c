/* SPDX-License-Identifier: MIT */
#include "worker/sched/lock.h"

#include <sched.h>

/* A holder that lost its CPU gets it back sooner when we give up ours. */
enum {
    SPINS_COUNT = 100
};

void
lock_take_slow(struct lock *lock)
{
    for (;;) {
        for (int i = 0; i < SPINS_COUNT; i++) {
            if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
                atomic_exchange_explicit(&lock->word, 1, memory_order_acquire) == 0) {
                return;
            }
            lock_pause();
        }
        sched_yield();
    }
}

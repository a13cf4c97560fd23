/* SPDX-License-Identifier: MIT */
#include "worker/sched/chaos.h"

#if ANNOTATE_ANY

#include "worker/sched/lock.h"

#include <sched.h>

enum {
    PAUSE_EVERY = 37, /* a prime, so that it meets each point of a loop in turn */
    PAUSES_COUNT = 4000
};

void
chaos(void)
{
    static _Atomic uint32_t calls_count; /* relaxed: it must not order anything */
    uint32_t call = atomic_fetch_add_explicit(&calls_count, 1, memory_order_relaxed);
    if (call % PAUSE_EVERY != 0) {
        return;
    }
    if (call / PAUSE_EVERY % 2 == 0) {
        sched_yield();
        return;
    }
    for (uint32_t i = call / PAUSE_EVERY % PAUSES_COUNT; i > 0; i--) {
        lock_pause();
    }
}

#endif

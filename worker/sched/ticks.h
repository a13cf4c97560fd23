/* SPDX-License-Identifier: MIT
 *
 * worker/sched/ticks.h - the CPU's own counter, for ages that need no unit.
 */
#ifndef WORKER_SCHED_TICKS_H
#define WORKER_SCHED_TICKS_H

#include "common/sys/clock.h"

#include <stdint.h>

static inline int64_t
ticks_now_ns(void)
{
    return clock_now().ns;
}

static inline int64_t
ticks_now(void)
{
#if defined(__x86_64__)
    return (int64_t) __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return (int64_t) ticks;
#else
    return ticks_now_ns();
#endif
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/meter.h - durations in buckets of doubling width, added to by any thread.
 *
 * One for each proc, so that the cache line is its own; hr_stats() sums them up.
 *
 * THREADS  any.  A sum over the buckets may miss what is added meanwhile.
 */
#ifndef WORKER_SCHED_METER_H
#define WORKER_SCHED_METER_H

#include "worker/sched/sched.h"

#include <stdatomic.h>

struct meter {
    _Atomic uint64_t counts[HR_BUCKETS_COUNT];
    _Atomic uint64_t sum_ns;
};

static inline void
meter_add(struct meter *meter, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t) ns : 0;
    uint32_t bucket = value < HR_BUCKET_NS ? 0 : 64u - (uint32_t) __builtin_clzll(value >> 10);
    bucket = bucket < HR_BUCKETS_COUNT ? bucket : HR_BUCKETS_COUNT - 1;
    atomic_fetch_add_explicit(&meter->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&meter->sum_ns, value, memory_order_relaxed);
}

static inline void
meter_reset(struct meter *meter)
{
    for (uint32_t i = 0; i < HR_BUCKETS_COUNT; i++) {
        atomic_store_explicit(&meter->counts[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&meter->sum_ns, 0, memory_order_relaxed);
}

static inline void
meter_sum(struct meter *meter, struct hr_histogram *sum)
{
    for (uint32_t i = 0; i < HR_BUCKETS_COUNT; i++) {
        uint64_t count = atomic_load_explicit(&meter->counts[i], memory_order_relaxed);
        sum->counts[i] += count;
        sum->count += count;
    }
    sum->sum_ns += atomic_load_explicit(&meter->sum_ns, memory_order_relaxed);
}

#endif

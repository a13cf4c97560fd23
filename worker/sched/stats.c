/* SPDX-License-Identifier: MIT */
#include "worker/sched/ctx.h"
#include "worker/sched/park.h"
#include "worker/sched/slow.h"

#include <errno.h>
#include <string.h>

int64_t
hr_bucket_ns(uint32_t bucket)
{
    return bucket >= HR_BUCKETS_COUNT - 1 ? HR_NEVER : (int64_t) HR_BUCKET_NS << bucket;
}

int
hr_stats(struct hr_stats *ret_stats)
{
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) == 0) {
        return -EAGAIN;
    }
    struct hr_stats stats = { .procs_count = sched.procs_count };
    lock_take(&sched.lock);
    stats.idle_procs_count = atomic_load_explicit(&sched.idle_count, memory_order_relaxed);
    stats.threads_count = sched.threads_count;
    stats.lost_threads_count = sched.lost_count;
    stats.queued_count = sched.shared.count;
    stats.handoffs_hogs_count = sched.handoffs_hogs_count;
    lock_give(&sched.lock);
    stats.handoffs_count = atomic_load_explicit(&sched.handoffs_count, memory_order_relaxed);
    stats.cancels_count = atomic_load_explicit(&sched.cancels_count, memory_order_relaxed);
    stats.slow_slices_count = slow_slices_count();
    /* Ended first: more may have started meanwhile, never the other way round. */
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        stats.ended_count +=
            atomic_load_explicit(&proc_all[i].ended_count, memory_order_seq_cst);
    }
    stats.started_count =
        atomic_load_explicit(&sched.foreign_started_count, memory_order_seq_cst);
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        struct proc *proc = &proc_all[i];
        stats.started_count += atomic_load_explicit(&proc->started_count, memory_order_seq_cst);
        stats.steals_count += atomic_load_explicit(&proc->steals_count, memory_order_relaxed);
        meter_sum(&proc->queue_meter, &stats.queue);
        meter_sum(&proc->cancel_meter, &stats.cancel);
    }
    *ret_stats = stats;
    return 0;
}

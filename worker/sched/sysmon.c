/* SPDX-License-Identifier: MIT
 *
 * The one who looks from outside: a thread that wakes every millisecond while procs are busy,
 * asks a fiber that has run for long to yield, and gets help for queues that nobody serves.
 *
 * THREADS  its own.  It reads procs through atomics only.
 */
#include "worker/sched/runtime.h"

#include "worker/sched/futex.h"
#include "worker/sched/idle.h"

#include <errno.h>
#include <string.h>

enum {
    PERIOD_NS = 1000 * 1000,
    IDLE_PERIOD_NS = 20 * 1000 * 1000,
    SLICE_NS = 10 * 1000 * 1000
};

static struct {
    pthread_t id;
    bool is_started;
    _Atomic uint32_t is_over; /* futex */
    uint32_t turns[PROC_COUNT_MAX];
    int64_t since[PROC_COUNT_MAX];
} sysmon;

/* true: proc has work that waits. */
static bool
has_work(const struct proc *proc, int64_t now)
{
    return runq_ring_count(&proc->ring) > 0 || runq_deque_count(&proc->deque) > 0 ||
           timer_wheel_next(&proc->wheel) <= now;
}

static void
look(int64_t now)
{
    bool is_helpless = atomic_load_explicit(&sched.shared_count, memory_order_relaxed) > 0;
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        struct proc *proc = &proc_all[i];
        uint32_t turns = atomic_load_explicit(&proc->turns, memory_order_relaxed);
        if (turns != sysmon.turns[i]) {
            sysmon.turns[i] = turns;
            sysmon.since[i] = now;
        } else if (now - sysmon.since[i] > SLICE_NS) {
            struct thread *carrier = atomic_load_explicit(&proc->carrier, memory_order_acquire);
            if (carrier != NULL) {
                atomic_store_explicit(&carrier->preempt, 1, memory_order_relaxed);
            }
        }
        is_helpless |= has_work(proc, now);
    }
    if (is_helpless) {
        idle_wake_one();
    }
}

static void *
sysmon_main(void *arg)
{
    (void) arg;
    runtime_signals_block();
    while (atomic_load_explicit(&sysmon.is_over, memory_order_acquire) == 0) {
        int64_t now = hr_now();
        bool is_idle =
            atomic_load_explicit(&sched.idle_count, memory_order_relaxed) == sched.procs_count;
        futex_wait(&sysmon.is_over, 0, now + (is_idle ? IDLE_PERIOD_NS : PERIOD_NS));
        now = hr_now();
        atomic_store_explicit(&sched.coarse_ns, now, memory_order_relaxed);
        look(now);
    }
    return NULL;
}

int
sysmon_start(void)
{
    memset(&sysmon, 0, sizeof sysmon);
    if (pthread_create(&sysmon.id, NULL, sysmon_main, NULL) != 0) {
        return -EAGAIN;
    }
    pthread_setname_np(sysmon.id, "hr-sysmon");
    sysmon.is_started = true;
    return 0;
}

void
sysmon_stop(void)
{
    if (!sysmon.is_started) {
        return;
    }
    atomic_store_explicit(&sysmon.is_over, 1, memory_order_release);
    futex_wake(&sysmon.is_over, 1);
    pthread_join(sysmon.id, NULL);
    sysmon.is_started = false;
}

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/idle.h - threads without work: how they sleep, and who wakes them.
 *
 * One of them, the poller, sleeps in the netpoll with the earliest timer as its end; the
 * others sleep on a futex.  A wake is dear (14 us for the caller, 50 until it runs), so at
 * most one thread is on its way to search for work at any time; it wakes the next one if it
 * finds more than it needs.
 *
 * INVARIANTS  ID1  a proc on the idle list has no local work.
 *             ID2  there is a poller whenever all procs are idle.
 * LOCKS       sched.lock.
 * REJECTED    a wake for each readied fiber: threads wake, find nothing, sleep.
 */
#ifndef WORKER_SCHED_IDLE_H
#define WORKER_SCHED_IDLE_H

#include "worker/sched/futex.h"
#include "worker/sched/proc.h"

/* Give the thread's proc up, if it has one, and sleep once.  May return without one. */
void idle_sleep(struct thread *thread);
/* If a proc is idle and nobody searches, let a thread take it and search. */
void idle_wake_one(void);
/* A timer was set from outside for `when`: the sleeping poller must not oversleep it. */
void idle_poke_poller(int64_t when);
/* When hr_stop waits: is the last fiber gone?  Then say so. */
void idle_check_quiet(void);

/* Someone begins to run: sysmon must look again, if it sleeps for good. */
static inline void
idle_poke_sysmon(void)
{
    if (__builtin_expect(
            atomic_load_explicit(&sched.is_sysmon_asleep, memory_order_seq_cst) != 0, 0)) {
        atomic_store_explicit(&sched.is_sysmon_asleep, 0, memory_order_seq_cst);
        futex_wake(&sched.is_sysmon_asleep, 1);
    }
}

#endif

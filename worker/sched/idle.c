/* SPDX-License-Identifier: MIT
 *
 * Go to sleep without losing a fiber.
 *
 *   pusher (shared queue)               thread that goes idle
 *   P1  lock; push; unlock              I1  lock
 *   P2  idle_count > 0 and              I2  shared queue not empty: unlock, look again
 *       searching_count 0 -> 1          I3  proc to the idle list, searching_count -= 1
 *   P3  lock; take an idle proc and     I4  thread to the spare list or poller; unlock
 *       a thread; unlock; wake it       I5  sleep until it has been given a proc
 *
 * P1 before I1: I2 sees it.  P1 after I4: P2 sees the idle proc, and searching_count without
 * this thread.  If another one searches, that one has I2 before it, or finds work elsewhere:
 * then it stops searching first and looks at shared_count after, as P1 and P2 do the other
 * way round (all seq_cst), and wakes the next.  Local queues need no such
 * proof: only their owner adds to them, and it is awake (RQ1); that others help it is a
 * matter of speed, and sysmon's to guarantee within its period.
 *
 * Timers: who goes idle beside a sleeping poller tells it if it has an earlier timer.
 *
 * TEST  tests/stress/stress_sched_park.c, tests/models/sched_idle.pml; the orders (searching
 *       and shared_count, poller and timer) by tests/stress/stress_sched_litmus.c
 */
#include "worker/sched/idle.h"

#include "worker/sched/futex.h"
#include "worker/sched/netpoll.h"

void
idle_check_quiet(void)
{
    if (atomic_load_explicit(&sched.is_stopping, memory_order_seq_cst) == 0) {
        return;
    }
    /* Ended first, started after: equal sums mean a moment when none was alive. */
    uint64_t ended = 0;
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        ended += atomic_load_explicit(&proc_all[i].ended_count, memory_order_seq_cst);
    }
    uint64_t started = atomic_load_explicit(&sched.foreign_started_count, memory_order_seq_cst);
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        started += atomic_load_explicit(&proc_all[i].started_count, memory_order_seq_cst);
    }
    if (ended == started) {
        atomic_store_explicit(&sched.is_quiet, 1, memory_order_release);
        futex_wake(&sched.is_quiet, 1);
    }
}

static int64_t
timers_next(void)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        int64_t each = timer_wheel_next(&proc_all[i].wheel);
        next = each < next ? each : next;
    }
    return next;
}

/* Sleep in the netpoll until there is something to do.  Returns with a proc, or not. */
static void
poller_sleep(struct thread *thread)
{
    /* From here on a timer set from outside kicks us; then look at what is set already. */
    atomic_exchange_explicit(&sched.poll_until_ns, INT64_MAX, memory_order_seq_cst);
    int64_t until = timers_next();
    atomic_store_explicit(&sched.poll_until_ns, until, memory_order_seq_cst);
    struct runq_list woken = { 0 };
    netpoll_poll(until, &woken);
    atomic_store_explicit(&sched.poll_until_ns, INT64_MIN, memory_order_seq_cst);

    int64_t now = hr_now();
    bool has_work = woken.head != NULL || timers_next() <= now;
    lock_take(&sched.lock);
    sched.poller = NULL;
    if (has_work && thread->proc == NULL) {
        proc_adopt_idle(thread);
    }
    lock_give(&sched.lock);
    if (thread->proc == NULL) {
        proc_ready_list(NULL, &woken);
        return;
    }
    idle_poke_sysmon();
    proc_ready_list(thread, &woken);
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        proc_run_timers(thread, &proc_all[i], now);
    }
    if (runq_ring_count(&thread->proc->ring) > 1) {
        idle_wake_one();
    }
}

void
idle_sleep(struct thread *thread)
{
    idle_check_quiet();
    lock_take(&sched.lock); /* I1 */
    struct proc *proc = thread->proc;
    if (proc != NULL && sched.shared.count > 0) { /* I2 */
        lock_give(&sched.lock);
        return;
    }
    if (proc != NULL) { /* I3 */
        proc_give_idle(thread);
    }
    if (thread->is_searching) {
        thread->is_searching = false;
        atomic_fetch_sub_explicit(&sched.searching_count, 1, memory_order_seq_cst);
    }
    bool is_over = atomic_load_explicit(&sched.is_over, memory_order_relaxed) != 0;
    /* Without an idle proc a poller could do nothing with what it finds. */
    bool is_poller = !is_over && sched.poller == NULL && sched.idle != NULL;
    if (is_poller) { /* I4 */
        sched.poller = thread;
    } else if (!is_over) {
        thread->spare_next = sched.spare;
        sched.spare = thread;
    }
    lock_give(&sched.lock);
    if (is_poller) {
        poller_sleep(thread);
    } else if (!is_over) {
        if (proc != NULL) {
            /* The poller went to sleep before it could know of timers that we set. */
            idle_poke_poller(timer_wheel_next(&proc->wheel));
        }
        while (atomic_load_explicit(&thread->futex, memory_order_acquire) == 0) { /* I5 */
            futex_wait(&thread->futex, 0, INT64_MAX);
        }
        atomic_store_explicit(&thread->futex, 0, memory_order_relaxed);
    }
}

void
idle_wake_one(void)
{
    uint32_t none = 0;
    if (atomic_load_explicit(&sched.idle_count, memory_order_seq_cst) == 0 ||
        atomic_load_explicit(&sched.searching_count, memory_order_seq_cst) != 0 ||
        !atomic_compare_exchange_strong_explicit(&sched.searching_count, &none, 1,
            memory_order_seq_cst, memory_order_relaxed)) { /* P2 */
        return;
    }
    lock_take(&sched.lock); /* P3 */
    struct thread *thread = sched.spare;
    bool is_poller = thread == NULL;
    if (is_poller) {
        thread = sched.poller;
    }
    if (sched.idle == NULL || thread == NULL || thread->proc != NULL) {
        atomic_fetch_sub_explicit(&sched.searching_count, 1, memory_order_seq_cst);
        lock_give(&sched.lock);
        return;
    }
    proc_adopt_idle(thread);
    thread->is_searching = true;
    if (!is_poller) { /* a poller stays one until it is awake, so that it gets the kick */
        sched.spare = thread->spare_next;
    }
    lock_give(&sched.lock);
    idle_poke_sysmon();
    if (is_poller) {
        netpoll_kick();
    } else {
        atomic_store_explicit(&thread->futex, 1, memory_order_release);
        futex_wake(&thread->futex, 1);
    }
}

void
idle_poke_poller(int64_t when)
{
    /* An exchange that changes nothing: orders our timer before the poller's look at it. */
    if (when < atomic_fetch_add_explicit(&sched.poll_until_ns, 0, memory_order_seq_cst)) {
        netpoll_kick();
    }
}

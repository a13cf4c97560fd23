/* SPDX-License-Identifier: MIT */
#include "worker/sched/handoff.h"

#include "worker/sched/futex.h"
#include "worker/sched/netpoll.h"
#include "worker/sched/trace.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

void
handoff_init(void)
{
    sched.can_hand_off =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* H1 to H3.  true: thread is in user code and will not touch its proc. */
static bool
is_out(struct thread *thread)
{
    atomic_store_explicit(&thread->lost, 1, memory_order_seq_cst); /* H1 */
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    if (atomic_load_explicit(&thread->in_rt, memory_order_seq_cst) == 0) {
        return true;
    }
    atomic_store_explicit(&thread->lost, 0, memory_order_seq_cst);
    return false;
}

enum handoff
handoff_take(struct proc *proc, bool is_hog)
{
    lock_take(&sched.lock);
    struct thread *thread = atomic_load_explicit(&proc->carrier, memory_order_relaxed);
    struct thread *heir = sched.spare;
    bool is_poller = heir == NULL;
    if (is_poller && sched.poller != NULL && sched.poller->proc == NULL) {
        heir = sched.poller;
    }
    enum handoff result = HANDOFF_DONE;
    if (thread == NULL) {
        result = HANDOFF_BUSY;
    } else if (heir == NULL) {
        result = HANDOFF_NO_THREAD;
    } else if (!is_out(thread)) {
        result = HANDOFF_BUSY;
    }
    if (result != HANDOFF_DONE) {
        lock_give(&sched.lock);
        return result;
    }
    thread->proc = NULL;
    thread->is_lost_hog = is_hog;
    sched.hogs_count += is_hog;
    sched.handoffs_hogs_count += is_hog;
    sched.lost_count++;
    if (!is_poller) {
        sched.spare = heir->spare_next;
    }
    heir->proc = proc;
    atomic_store_explicit(&proc->carrier, heir, memory_order_release);
    lock_give(&sched.lock);
    atomic_fetch_add_explicit(&sched.handoffs_count, 1, memory_order_relaxed);
    trace_put_foreign(TRACE_HANDOFF, proc->index, is_hog ? "it burns" : "it blocks", 0);
    if (is_poller) {
        netpoll_kick();
    } else {
        atomic_store_explicit(&heir->futex, 1, memory_order_release);
        futex_wake(&heir->futex, 1);
    }
    return HANDOFF_DONE;
}

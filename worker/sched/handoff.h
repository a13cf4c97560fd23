/* SPDX-License-Identifier: MIT
 *
 * worker/sched/handoff.h - take a proc away from a thread that does not come back.
 *
 * A fiber may block its thread (read(2) of a pipe, a page fault, somebody's pthread mutex) or
 * burn its CPU; no annotation says so.  The thread then keeps its fiber and loses its proc,
 * which another thread carries on.  When the fiber calls the runtime again it finds out, and
 * takes an idle proc, or waits in the shared queue for one.
 *
 *   thread                              taker (holds sched.lock)
 *   T1  in_rt = 1                       H1  lost = 1
 *   T2  lost?  then the slow path,      H2  membarrier: every thread of the process has
 *       which takes sched.lock              passed a full fence
 *   T3  ... the runtime ...             H3  in_rt == 0: the proc is ours
 *   T4  in_rt = 0 (release)                 else lost = 0, try again later
 *
 * T1 and T2 are in program order, and H2 puts a fence into the thread wherever it is: before
 * T1, then T2 sees H1; after T1, then H3 sees T1.  So never do both use the proc.  The fast
 * path pays a store and a load of its own cache line, the rare path some microseconds.
 *
 * LOCKS     sched.lock over the whole of it.
 * REJECTED  signals (a safepoint problem, and they interrupt system calls); wrapping libc
 *           (misses page faults, static binaries, CPU hogs).
 * TEST      tests/models/sched_handoff.pml, tests/stress/stress_sched_handoff.c; that it needs
 *           H2 by tests/stress/stress_sched_litmus.c
 */
#ifndef WORKER_SCHED_HANDOFF_H
#define WORKER_SCHED_HANDOFF_H

#include "worker/sched/proc.h"

enum handoff {
    HANDOFF_DONE,
    HANDOFF_BUSY,     /* it is inside the runtime after all */
    HANDOFF_NO_THREAD /* nobody is there to carry the proc on */
};

/* Ask the kernel for membarrier; without it sched.can_hand_off stays false. */
void handoff_init(void);
enum handoff handoff_take(struct proc *proc, bool is_hog);

#endif

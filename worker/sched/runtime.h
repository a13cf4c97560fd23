/* SPDX-License-Identifier: MIT
 *
 * worker/sched/runtime.h - build the runtime and take it down: hr_start, hr_stop, threads.
 */
#ifndef WORKER_SCHED_RUNTIME_H
#define WORKER_SCHED_RUNTIME_H

#include "worker/sched/proc.h"

/* One more thread, asleep until it is given a proc.  NULL: none to be had. */
struct thread *runtime_thread_start(void);
/* Block what a thread of ours must not handle: all signals but the synchronous ones. */
void runtime_signals_block(void);

/* limits.c: how many procs this process may keep busy (affinity, cgroup quota). */
uint32_t limits_procs_count(void);

/* sysmon.c */
int sysmon_start(void);
void sysmon_stop(void);

/* overflow.c: name the fiber whose stack overflowed, then crash. */
void overflow_handler_install(void);
void overflow_handler_remove(void);
bool overflow_thread_init(struct thread *thread);
void overflow_thread_enter(struct thread *thread); /* on it */
void overflow_thread_leave(struct thread *thread);
void overflow_thread_fini(struct thread *thread);

/* blocking.c */
bool blocking_start(uint32_t threads_count_max);
void blocking_stop(void);

/* chan.c */
bool chan_pool_init(void);

#endif

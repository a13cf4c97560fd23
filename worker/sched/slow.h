/* SPDX-License-Identifier: MIT
 *
 * worker/sched/slow.h - name the fiber that holds its thread for too long.
 *
 * sysmon looks at every thread, also at those that lost their proc: one turn that lasts
 * longer than slow_slice_ns is counted, and told when it has lasted that long, ten times
 * that, a hundred times ...; at most one a second, with how many were left out.
 *
 * THREADS  sysmon, but for slow_slices_count: any.
 */
#ifndef WORKER_SCHED_SLOW_H
#define WORKER_SCHED_SLOW_H

#include "worker/sched/proc.h"

void slow_init(const struct hr_options *options);
void slow_look(int64_t now);
uint64_t slow_slices_count(void);

#endif

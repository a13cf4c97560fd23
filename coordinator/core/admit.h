/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/admit.h - refuse at once what would only be too late later.
 *
 * Jobs that find no slot wait in their handler's queue.  Under overload an unbounded one
 * makes every job wait nearly as long as its deadline, and most of the work is then done for
 * nobody.  So while a queue stands, its drain is measured, and a job that would have to wait
 * past the time that it has is refused with the time after which it need not:
 *
 *     expected wait = jobs in the queue * mean time between two that left it
 *     refused when    expected wait + 2 * mean service time > the job's time
 *
 * Twice: many jobs take longer than the mean, and those at the edge would be stopped just
 * before their end.  What got in all the same and has less than 1.5 of it left when a slot
 * falls free is given up, if others wait: else a slot would be lost to each of them, the
 * drain would look faster than it is, and the queue would never find back.
 *
 * REJECTED  a bound on the queue alone: right for one rate and one timeout.
 *           CoDel: it drops what has waited already; here the deadline says who is late.
 */
#ifndef COORDINATOR_CORE_ADMIT_H
#define COORDINATOR_CORE_ADMIT_H

#include "coordinator/core/state.h"

/* It would most likely be stopped before its end, and others wait behind it. */
bool admit_is_hopeless(const struct core *core, const struct job *job);
/* A job left the handler's queue for a worker. */
void admit_on_dispatch(struct core *core, struct handler *handler);
/* A copy succeeded after so long, from its sending on. */
void admit_on_success(struct handler *handler, duration_t took);
/* false: it cannot end within timeout; *ret_retry_after is when it might. */
bool admit_is_in_time(
    const struct handler *handler, duration_t timeout, duration_t *ret_retry_after);

#endif

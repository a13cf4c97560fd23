/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/pump.h - send what can be sent: queued jobs first, then hedges.
 *
 * A timed hedge that finds no free slot or no budget waits in `wanting`, oldest first, and
 * is granted when a slot falls free and no job waits for it: a copy never takes room from
 * a primary.
 *
 * REJECTED  one chance for each hedge: with all slots taken, a job stuck on a dead worker
 *           would wait for the heartbeat to find it out.
 */
#ifndef COORDINATOR_CORE_PUMP_H
#define COORDINATOR_CORE_PUMP_H

#include "coordinator/core/state.h"

/* Until nothing more can be sent, or SENDS_PER_STEP_MAX. */
void pump_run(struct core *core);
/* The job's hedge delay has passed: hedge it now, or remember that it wants one. */
void pump_want_hedge(struct core *core, struct job *job);
/* Note, count and time-stamp why the wanted hedge is not sent. */
void pump_refuse_hedge(struct core *core, struct job *job, enum hedge_refusal why);
/* Take it out of its handler's queue. */
void pump_unqueue(struct core *core, struct job *job);

#endif

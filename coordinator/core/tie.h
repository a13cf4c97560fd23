/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/tie.h - tied copies: two wait in two queues, the one that starts stays.
 *
 *   t0               SEND first --> queue of A
 *   t0 + tie delay   SEND tie ----> queue of B     (unless A's STARTED came meanwhile)
 *   STARTED of one   CANCEL(lost_race) to the other, in the same step
 *
 * The delay is two round trips, so that two idle workers do not both start.  A tie is for
 * what waits: unlike a hedge it may stand in a worker's queue, and it leaves when its twin
 * starts.  It holds a token of the budget from its SEND; the token comes back when one of the
 * two ends without having started, so only a pair that both ran is charged, and C3 holds at
 * every moment.
 *
 * The claim is relayed: a start is told to the coordinator at once, and the twin by it.
 * Should both start within that time, the start that is heard first stays and the other is
 * stopped; two workers that claim from each other need a rule (the lower number) because
 * nobody sees both, and here somebody does.
 *
 * INVARIANTS  T1  in a job that is not over only a tie's twin has been told to stop.
 *             T2  a job holds at most one tie's token, while one of the pair is live.
 * REJECTED    a CLAIM from worker to worker: workers dial coordinators only, so it needs a
 *             listener, a token and a mesh at each worker, to save one hop of a loss that is
 *             bounded by the round trip.
 * SOURCE      Dean and Barroso, The Tail at Scale, CACM 56(2), 2013.
 */
#ifndef COORDINATOR_CORE_TIE_H
#define COORDINATOR_CORE_TIE_H

#include "coordinator/core/state.h"

#define TIE_DELAY_MS     1 /* while the round trip is not known */
#define TIE_ROUND_TRIPS  2
#define TIE_WINDOW       64 /* replies over which waiting is weighed against running */
#define TIE_DELAY_MAX_MS 20
#define TIE_DELAY_MIN_US 50

/* Before the job's only copy is sent to this worker: is it to be tied, and when? */
void tie_decide(struct core *core, struct job *job, const struct worker *worker);
/* tie_at was reached: send the twin, unless the first has started. */
void tie_send(struct core *core, struct job *job);
/* This copy was heard to have started: its twin is told to leave. */
void tie_on_started(struct core *core, struct attempt *attempt);
/* This copy ended: does the token come back? */
void tie_on_ended(struct core *core, struct attempt *attempt);
/* A reply tells how long it waited and how long it ran. */
void tie_learn(struct handler *handler, duration_t queued, duration_t ran);

#endif

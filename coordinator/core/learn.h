/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/learn.h - after how long a handler's copy deserves a rival.
 *
 * quantile   the time that a share hedge_quantile of its copies do not outlive
 * singler    the delay and the probability that together bring the target quantile lowest
 *            for the copies that the budget allows; only where that promises at least
 *            LEARN_GAIN_MIN over the plain quantile
 *
 * Looked at again each LEARN_EACH_MS while jobs come; moves at most by a quarter each time,
 * so that a bad moment does not swing it.  Every use is jittered, so that the hedges of a
 * burst do not leave in one moment.
 *
 * REJECTED   a timer for each handler: a handler that nobody calls needs no delay.
 * SOURCE     Kaler, He, Elnikety, Optimal Reissue Policies for Reducing Tail Latency, 2017.
 */
#ifndef COORDINATOR_CORE_LEARN_H
#define COORDINATOR_CORE_LEARN_H

#include "coordinator/core/state.h"

#define LEARN_EACH_MS       1000
#define LEARN_FIRST_EACH_MS 100 /* until the first one is known */
#define LEARN_MOVE_MAX      1.25
#define LEARN_JITTER        0.05
#define LEARN_GAIN_MIN      0.05
#define LEARN_RTTS_MIN      2

/* A copy ended: note how long it took, or that it was not let finish. */
void learn_from(struct core *core, const struct attempt *attempt);
/* The delay of this job's next hedge; negative: none.  Sets the job's source. */
duration_t learn_delay(struct core *core, struct job *job);

#endif

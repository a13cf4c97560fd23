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
 * A learned hedge, and one of mode latency, is refused while more than hedge_utilisation_max
 * of the slots are busy: there it would make others wait.  A delay that somebody set is taken
 * at his word.
 *
 * REJECTED   a timer for each handler: a handler that nobody calls needs no delay.
 * SOURCE     Kaler, He, Elnikety, Optimal Reissue Policies for Reducing Tail Latency, 2017.
 */
#ifndef COORDINATOR_CORE_LEARN_H
#define COORDINATOR_CORE_LEARN_H

#include "coordinator/core/state.h"

#define LEARN_EACH_MS       1000 /* or as soon as there are twice as many samples */
#define LEARN_STEER_MIN     0.8  /* of the probability, with an empty bucket */
#define LEARN_STEER         0.4  /* more, with a full one */
#define LEARN_LATER         4    /* delays old, a job is hedged though the slots are busy */
#define LEARN_LOT_LATER     8    /* delays, until a job is hedged that the lot spared */
#define LEARN_MOVE_MAX      1.25
#define LEARN_JITTER        0.05
#define LEARN_GAIN_MIN      0.05
#define LEARN_UTILISATION_S 1.0

/* A copy ended: note how long it took, or that it was not let finish. */
void learn_from(struct core *core, const struct attempt *attempt);
/* The delay of this job's next hedge; negative: none.  Sets the job's source. */
duration_t learn_delay(struct core *core, struct job *job);
/* A hedge's race is over: did it win? */
void learn_yield(struct handler *handler, bool did_win);
/* This handler's hedges hardly ever win: only few are let through, to see whether that
 * changed. */
bool learn_spares_hedge(const struct core *core, struct handler *handler);
/* How this handler is hedged: by order, else by the settings. */
enum hedge_mode learn_mode(const struct core *core, const struct handler *handler);
/* Less time than most copies take is left: another would not end in time. */
bool learn_is_too_late(const struct core *core, const struct job *job);
/* How much longer a copy would have taken, that has taken so long. */
duration_t learn_residual(const struct handler *handler, duration_t age);
/* The slots are so busy that a copy of a job which is merely a little late does more harm
 * than good; one that is LEARN_LATER delays old is stuck, and is hedged all the same. */
bool learn_is_too_busy(const struct core *core, const struct job *job);
/* Follow the share of slots that are busy. */
void learn_utilisation(struct core *core, instant_t now);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/plant.h - faults planted on purpose, to prove that the simulator finds them.
 *
 * Only a build with HEDGEROW_PLANTS holds them: the target hedgerow-sim-planted, which
 * takes `--plant NAME`; or a whole build tree with -DHEDGEROW_PLANT=NAME.  Elsewhere
 * PLANTED(x) is the constant false, and the compiler drops what hangs on it.
 */
#ifndef COORDINATOR_CORE_PLANT_H
#define COORDINATOR_CORE_PLANT_H

#include <stdbool.h>

/* X(name, what is wrong) */
#define PLANT_LIST(X)                                                      \
    X(none, "nothing")                                                     \
    X(budget, "a hedge does not charge the budget")                        \
    X(twice, "a job answers twice")                                        \
    X(forget, "a loser is not told to stop")                               \
    X(refund, "a refused hedge is refunded twice")                         \
    X(stray, "a reply of an attempt that ended is taken")                  \
    X(rerun, "a copy that is not idempotent is sent again after its loss") \
    X(lost, "an attempt that is lost with its worker is not replaced")     \
    X(deaf, "an acknowledgement does not end its attempt")                 \
    X(same, "a hedge may go to the worker that has the primary")           \
    X(late, "a job runs on after its deadline")                            \
    X(freeretry, "a retry does not charge the budget")                     \
    X(refundany, "any refusal refunds the budget, not only a hedge's")     \
    X(attempts, "hedges go on past attempts_max")                          \
    X(orphan, "children do not end with their parent")                     \
    X(outlive, "a child's deadline may lie after its parent's")            \
    X(drain, "a draining worker gets new work")                            \
    X(slot, "a copy may go to a worker without a free slot")               \
    X(overfill, "a worker's queue is filled past its bound")               \
    X(link, "a reply is taken from any connection")                        \
    X(blob, "the answer names another result")                             \
    X(early, "a job is given up at half of its time")                      \
    X(collect, "a record is collected while a copy of it runs")            \
    X(patient, "a worker that never acknowledges is not closed")           \
    X(final, "a final failure is retried")                                 \
    X(gone, "a client that left does not cancel its job")                  \
    X(nag, "a loser is told twice")                                        \
    X(number, "a replacement takes the number of what it replaces")        \
    X(full, "more jobs are taken than jobs_max")                           \
    X(silent, "a worker that is silent is never closed")                   \
    X(hasty, "a failed copy fails its job though a rival lives")           \
    X(hoard, "finished jobs are kept past their bound")                    \
    X(twin, "a race sends copies of what is not idempotent")               \
    X(accept, "a job is accepted in a drain")                              \
    X(uncounted, "a refusal is not counted among the ends")                \
    X(spin, "a timer is armed for now, again and again")                   \
    X(hurry, "a hedge does not wait for its delay")                        \
    X(sulk, "a job that a worker refused is not asked for again")          \
    X(refundran, "a hedge that ran is refunded when it is stopped")        \
    X(workfree, "a copy does not charge the work budget")                  \
    X(off, "a handler is hedged though its hedging is off")                \
    X(unsettled, "a copy's work is given back, however long it took")      \
    X(tiefree, "a tie does not charge the budget")                         \
    X(tiekeep, "the twin of a copy that started is not told to leave")     \
    X(tielate, "a tie is sent though its twin has started")                \
    X(tierefund, "a tied pair that both ran is refunded")

enum plant {
#define PLANT_ENUM(name, text) PLANT_##name,
    PLANT_LIST(PLANT_ENUM)
#undef PLANT_ENUM
    PLANT_COUNT
};

#ifdef HEDGEROW_PLANTS
extern enum plant plant_active;
/* False when there is none of that name. */
bool plant_choose(const char *name);
#define PLANTED(name) (plant_active == PLANT_##name)
#else
#define PLANTED(name) false
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/budget.h - what copies beyond the first may cost.
 *
 *   number        a token each; `hedge_ratio` of a token for each primary, up to a burst
 *   work          seconds on workers; `hedge_ratio` of those that primaries took, up to
 *                 `hedge_work_burst`.  A copy reserves what its handler takes on the average,
 *                 and settles for what it took: so ten copies of a minute's job are not as
 *                 cheap as ten of a millisecond's.
 *   concurrency   hedges at once: BUDGET_LIVE_MIN, or `hedges_live_share` of all copies in
 *                 flight
 *
 * All three must grant a hedge; a retry after failure shares number and work with them.  A
 * primary is never asked.  A copy that never started (busy, expired, dequeued, not seen) did
 * no work and is refunded whole.
 *
 * INVARIANTS  W1  a copy is granted only while spent + reserved <= burst + earned: one may
 *                 overdraw what is left, none that comes after it.
 *             W2  reserved is the sum over the live copies.
 *             W3  balance = burst + earned - spilt - spent - reserved.
 * UNITS       work in microseconds, as integers: no sum drifts.
 * REJECTED    a grant only where the whole estimate is covered: a handler that takes longer
 *             than the burst would never be hedged.
 */
#ifndef COORDINATOR_CORE_BUDGET_H
#define COORDINATOR_CORE_BUDGET_H

#include "common/pure/bucket.h"
#include "coordinator/core/core.h"

#define BUDGET_LIVE_MIN    4  /* at once, whatever else is in flight */
#define BUDGET_WORK_MEMORY 32 /* copies that the average of a handler's work looks back on */

struct attempt;
struct core;

struct budget {
    struct bucket number;
    int64_t work_us; /* may be negative: one copy overdrew it */
    int64_t work_max_us;
    int64_t earned_us;
    int64_t spilt_us; /* over the brim */
    int64_t spent_us;
    int64_t reserved_us;
};

void budget_init(struct budget *budget, const struct core_config *config);
/* One more copy beside others, now? */
bool budget_takes_hedge(struct core *core);
/* One more copy, after a failure? */
bool budget_takes_retry(struct core *core);
/* Give back the token of a copy that did no work, or was never sent. */
void budget_refund(struct core *core);
/* It is sent: reserve its work, where it is charged. */
void budget_reserve(struct core *core, struct attempt *attempt);
/* It ended and took attempt->ran. */
void budget_settle(struct core *core, struct attempt *attempt);
/* How full the bucket of numbers is, 0 to 1. */
double budget_fill(const struct core *core);
/* Assert W3 and the bounds. */
void budget_check(const struct budget *budget, const struct core_config *config);

#endif

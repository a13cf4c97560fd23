/* SPDX-License-Identifier: MIT */
#include "coordinator/core/admit.h"

#define GAPS_MIN    8    /* dispatches before the drain is believed */
#define GAP_WEIGHT  0.03 /* of the latest: an average over some thirty */
#define TIME_WEIGHT 0.03
#define HOPELESS    1.5 /* mean service times */

static void
follow(double *average, double value, double weight, bool is_first)
{
    *average = is_first ? value : *average + weight * (value - *average);
}

bool
admit_is_hopeless(const struct core *core, const struct job *job)
{
    const struct handler *handler = job->handler;
    return handler->queue.count > 1 && list_is_empty(&job->attempts) &&
           (double) instant_until(core->now, job->deadline).ns <
               HOPELESS * handler->admission.service_ns;
}

void
admit_on_dispatch(struct core *core, struct handler *handler)
{
    struct admission *admission = &handler->admission;
    /* Only between two that both had to wait: else it is the arrivals that are measured. */
    bool is_standing = handler->queue.count > 0;
    if (is_standing && admission->was_standing) {
        double gap_ns = (double) instant_since(core->now, admission->dispatched_at).ns;
        follow(&admission->gap_ns, gap_ns, GAP_WEIGHT, admission->gaps_count == 0);
        admission->gaps_count += admission->gaps_count < GAPS_MIN;
    } else if (!is_standing) {
        admission->gaps_count = 0; /* another day, another rate */
    }
    admission->was_standing = is_standing;
    admission->dispatched_at = core->now;
}

void
admit_on_success(struct handler *handler, duration_t took)
{
    struct admission *admission = &handler->admission;
    follow(&admission->service_ns, (double) took.ns, TIME_WEIGHT, admission->service_ns <= 0);
}

bool
admit_is_in_time(const struct handler *handler, duration_t timeout, duration_t *ret_retry_after)
{
    const struct admission *admission = &handler->admission;
    if (handler->queue.count == 0 || admission->gaps_count < GAPS_MIN) {
        return true;
    }
    double wait_ns = admission->gap_ns * (double) handler->queue.count;
    double late_ns = wait_ns + 2 * admission->service_ns - (double) timeout.ns;
    if (late_ns <= 0) {
        return true;
    }
    *ret_retry_after = duration_ns((int64_t) (late_ns < 60e9 ? late_ns : 60e9));
    return false;
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/core/budget.h"

#include "coordinator/core/plant.h"
#include "coordinator/core/state.h"

static int64_t
to_us(duration_t duration)
{
    return duration.ns / 1000;
}

void
budget_init(struct budget *budget, const struct core_config *config)
{
    *budget = (struct budget){ .work_us = to_us(config->hedge_work_burst),
        .work_max_us = to_us(config->hedge_work_burst) };
    bucket_init(&budget->number, config->hedge_burst, config->hedge_ratio);
}

static bool
is_charged(enum attempt_kind kind)
{
    return kind == ATTEMPT_HEDGE || kind == ATTEMPT_RETRY;
}

bool
budget_takes_retry(struct core *core)
{
    return core->budget.work_us >= 0 && bucket_take(&core->budget.number);
}

bool
budget_takes_hedge(struct core *core)
{
    uint32_t live_max = (uint32_t) (core->config.hedges_live_share *
                                    (double) core->counters.attempts_live_count);
    if (core->hedges_live_count >= BUDGET_LIVE_MIN && core->hedges_live_count >= live_max) {
        return false; /* asked again when one ends */
    }
    bool is_granted = budget_takes_retry(core);
    core->is_starved |= !is_granted;
    return is_granted;
}

void
budget_refund(struct core *core)
{
    bucket_refund(&core->budget.number);
}

double
budget_fill(const struct core *core)
{
    const struct bucket *number = &core->budget.number;
    return (double) number->millionths / (double) number->millionths_max;
}

void
budget_reserve(struct core *core, struct attempt *attempt)
{
    struct budget *budget = &core->budget;
    if (!is_charged(attempt->kind) || PLANTED(workfree)) {
        return;
    }
    attempt->reserved_us = (int64_t) attempt->job->handler->work_us;
    budget->reserved_us += attempt->reserved_us;
    budget->work_us -= attempt->reserved_us;
}

/* What passes the brim is lost. */
static void
add_work(struct budget *budget, int64_t work_us)
{
    budget->work_us += work_us;
    int64_t over_us = budget->work_us - budget->work_max_us;
    if (over_us > 0) {
        budget->spilt_us += over_us;
        budget->work_us -= over_us;
    }
}

void
budget_settle(struct core *core, struct attempt *attempt)
{
    struct budget *budget = &core->budget;
    /* What a worker says of itself never counts for more than the time that it had. */
    duration_t ran = duration_min(
        duration_max(attempt->ran, DURATION_ZERO), instant_since(core->now, attempt->sent_at));
    struct handler *handler = attempt->job->handler;
    if (attempt->state == ATTEMPT_WON) {
        double share = handler->work_count < BUDGET_WORK_MEMORY ? ++handler->work_count
                                                                : BUDGET_WORK_MEMORY;
        handler->work_us += ((double) to_us(ran) - handler->work_us) / share;
    }
    if (is_charged(attempt->kind) && !PLANTED(workfree)) {
        int64_t left_us = attempt->reserved_us - (PLANTED(unsettled) ? 0 : to_us(ran));
        budget->reserved_us -= attempt->reserved_us;
        budget->spent_us += to_us(ran);
        add_work(budget, left_us);
        attempt->reserved_us = 0;
    } else if (attempt->kind == ATTEMPT_PRIMARY || attempt->kind == ATTEMPT_REDISPATCH) {
        int64_t earned_us = (int64_t) (core->config.hedge_ratio * (double) to_us(ran));
        budget->earned_us += earned_us;
        add_work(budget, earned_us);
    }
}

void
budget_check(const struct budget *budget, const struct core_config *config)
{
    CHECK(budget->number.millionths >= 0);
    CHECK(budget->number.millionths <= budget->number.millionths_max);
    CHECK(budget->work_us <= budget->work_max_us);
    CHECK(budget->work_us == to_us(config->hedge_work_burst) + budget->earned_us -
                                 budget->spilt_us - budget->spent_us - budget->reserved_us);
}

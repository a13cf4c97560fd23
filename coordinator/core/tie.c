/* SPDX-License-Identifier: MIT */
#include "coordinator/core/tie.h"

#include "coordinator/core/attempt.h"
#include "coordinator/core/learn.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/pump.h"
#include "coordinator/core/roster.h"

/* Asked for by name; or everything waits longer than it runs, and ties are on. */
static bool
is_wanted(const struct core *core, const struct job *job)
{
    const struct handler *handler = job->handler;
    return job->mode == MODE_TIED ||
           (job->mode == MODE_HEDGE && core->config.ties_auto &&
               handler->waits_count == TIE_WINDOW && handler->waited_s > handler->ran_s);
}

static duration_t
delay_of(const struct job *job, const struct worker *worker)
{
    if (job->mode == MODE_TIED && job->is_delay_set) {
        return job->hedge_delay;
    }
    if (worker->rtt.ns == 0) {
        return duration_ms(TIE_DELAY_MS);
    }
    return duration_min(
        duration_ms(TIE_DELAY_MAX_MS), duration_max(duration_us(TIE_DELAY_MIN_US),
                                           duration_ns(TIE_ROUND_TRIPS * worker->rtt.ns)));
}

void
tie_decide(struct core *core, struct job *job, const struct worker *worker)
{
    job->tie_at = INSTANT_NEVER;
    job->is_tied = is_wanted(core, job) && job->is_idempotent &&
                   job->charged_count + (job->wanted != ATTEMPT_REDISPATCH) < job->attempts_max;
    if (job->is_tied) {
        job->tie_at = instant_add(core->now, delay_of(job, worker));
    }
}

static enum hedge_refusal
find_place(struct core *core, const struct job *job, struct worker **ret_worker)
{
    if (learn_mode(core, job->handler) == HEDGE_MODE_OFF && !PLANTED(off)) {
        return HEDGE_OFF;
    }
    if (instant_until(core->now, job->deadline).ns <= duration_ms(1).ns) {
        return HEDGE_DEADLINE_TOO_CLOSE;
    }
    if (heap_first(&job->handler->queue) != NULL) {
        return HEDGE_OVERLOAD;
    }
    struct worker *worker = roster_choose(core, job, CHOICE_ANY);
    if (worker == NULL) {
        return HEDGE_NO_SPARE_WORKER;
    }
    if (!PLANTED(tiefree) && !budget_takes_retry(core)) {
        return HEDGE_BUDGET;
    }
    *ret_worker = worker;
    return HEDGE_NOT_REFUSED;
}

void
tie_send(struct core *core, struct job *job)
{
    job->tie_at = INSTANT_NEVER;
    CHECK(job->live_count > 0);
    const struct attempt *first = LIST_ENTRY(list_last(&job->attempts), struct attempt, on_job);
    bool is_waiting = job->live_count == 1 && first->is_live &&
                      (first->state == ATTEMPT_QUEUED || PLANTED(tielate));
    if (!is_waiting || job->charged_count >= job->attempts_max) {
        return;
    }
    struct worker *worker = NULL;
    enum hedge_refusal refusal = find_place(core, job, &worker);
    if (refusal != HEDGE_NOT_REFUSED) {
        pump_refuse_hedge(core, job, refusal);
        return;
    }
    job->tied_number = first->number;
    job->has_tie_token = true;
    attempt_send(core, job, worker, ATTEMPT_TIE);
}

static bool
is_of_pair(const struct attempt *attempt)
{
    return attempt->kind == ATTEMPT_TIE || attempt->number == attempt->job->tied_number;
}

void
tie_on_started(struct core *core, struct attempt *attempt)
{
    struct job *job = attempt->job;
    if (!PLANTED(tielate)) {
        job->tie_at = INSTANT_NEVER;
    }
    if (!is_of_pair(attempt) || attempt->cancel_cause != CAUSE_NONE || PLANTED(tiekeep)) {
        return;
    }
    LIST_FOR_EACH(node, &job->attempts)
    {
        struct attempt *twin = LIST_ENTRY(node, struct attempt, on_job);
        if (twin != attempt && twin->is_live && is_of_pair(twin) &&
            twin->cancel_cause == CAUSE_NONE) {
            attempt_cancel(core, twin, CAUSE_LOST_RACE);
        }
    }
}

static bool
has_never_started(const struct attempt *attempt)
{
    switch (attempt->state) {
    case ATTEMPT_BUSY:
    case ATTEMPT_EXPIRED: return true;
    case ATTEMPT_LOST:
    case ATTEMPT_STOPPED:
        return attempt->cancel_fate == FATE_DEQUEUED || attempt->cancel_fate == FATE_NOT_SEEN ||
               PLANTED(tierefund);
    case ATTEMPT_QUEUED:
    case ATTEMPT_RUNNING:
    case ATTEMPT_WON:
    case ATTEMPT_FAILED:
    case ATTEMPT_LATE:
    case ATTEMPT_ABANDONED:
    case ATTEMPT_UNREACHABLE: return false;
    }
    CHECK_UNREACHABLE();
}

void
tie_on_ended(struct core *core, struct attempt *attempt)
{
    struct job *job = attempt->job;
    if (!job->has_tie_token || !is_of_pair(attempt)) {
        return;
    }
    if (has_never_started(attempt)) {
        budget_refund(core);
        core->refunded_count++;
        job->charged_count--;
        job->has_tie_token = false;
        return;
    }
    bool is_twin_live = false;
    LIST_FOR_EACH(node, &job->attempts)
    {
        const struct attempt *twin = LIST_ENTRY(node, struct attempt, on_job);
        is_twin_live = is_twin_live || (twin->is_live && is_of_pair(twin));
    }
    job->has_tie_token = is_twin_live; /* both ran: it is spent */
}

void
tie_learn(struct handler *handler, duration_t queued, duration_t ran)
{
    if (handler->waits_count < TIE_WINDOW) {
        handler->waits_count++;
    }
    double share = 1.0 / handler->waits_count;
    handler->waited_s += (duration_to_s(queued) - handler->waited_s) * share;
    handler->ran_s += (duration_to_s(ran) - handler->ran_s) * share;
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/core/race.h"

#include "coordinator/core/attempt.h"
#include "coordinator/core/job.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/pump.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/tie.h"

#include <stdio.h>

/* A worker counts the time from a job's arrival, so it may give up a little early. */
#define EXPIRED_SLACK_MS 20

static struct attempt *hear(struct core *core, const struct attempt_ref *ref);
static void refund(struct core *core, const struct attempt *attempt);
static void take_reply(struct core *core, struct attempt *attempt, const struct event_reply *);
static void try_again(struct core *core, struct job *job);
static void try_elsewhere(struct core *core, struct job *job);
static void carry_on(struct core *core, struct job *job);

/* The live copy that a frame speaks of; NULL when it is a stray. */
static struct attempt *
hear(struct core *core, const struct attempt_ref *ref)
{
    struct worker *worker = roster_by_link(core, ref->link);
    if (worker != NULL) {
        roster_hear(core, worker);
    }
    struct attempt *attempt = attempt_find(core, ref);
    if (attempt == NULL || (!attempt->is_live && !PLANTED(stray))) {
        core->counters.stray_replies_count++;
        return NULL;
    }
    return attempt;
}

/* A hedge that never ran takes nothing from the next one. */
static void
refund(struct core *core, const struct attempt *attempt)
{
    if (attempt->kind != ATTEMPT_HEDGE) {
        return;
    }
    for (int i = 0; i < (PLANTED(refund) ? 2 : 1); i++) {
        budget_refund(core);
    }
    core->refunded_count++;
}

void
race_started(struct core *core, const struct attempt_ref *ref)
{
    struct attempt *attempt = hear(core, ref);
    if (attempt != NULL && attempt->state == ATTEMPT_QUEUED) {
        attempt->state = ATTEMPT_RUNNING;
        attempt->started_at = core->now;
        if (attempt->job->is_tied && !job_is_over(attempt->job)) {
            tie_on_started(core, attempt);
        }
    }
}

void
race_reply(struct core *core, const struct event_reply *reply)
{
    struct attempt *attempt = hear(core, &reply->ref);
    if (attempt == NULL) {
        return;
    }
    struct job *job = attempt->job;
    attempt->queued = reply->queued;
    attempt->ran = reply->ran;
    attempt->cpu = reply->cpu;
    tie_learn(job->handler, reply->queued, reply->ran);
    if (job_is_over(job)) {
        if (!attempt->is_live) {
            return; /* only with the planted fault */
        }
        core->counters.stray_replies_count++;
        attempt_end(
            core, attempt, reply->status == REPLY_EXPIRED ? ATTEMPT_EXPIRED : ATTEMPT_LATE);
        job_settle(core, job);
        return;
    }
    take_reply(core, attempt, reply);
}

static void
take_reply(struct core *core, struct attempt *attempt, const struct event_reply *reply)
{
    struct job *job = attempt->job;
    switch (reply->status) {
    case REPLY_OK:
        if (attempt->is_live) {
            attempt_end(core, attempt, ATTEMPT_WON);
        }
        job->winner = attempt->number;
        job->result_size = reply->result_size;
        job_end(core, job, JOB_SUCCEEDED, PLANTED(blob) ? 1 : reply->blob);
        return;
    case REPLY_FAILED_FINAL:
    case REPLY_FAILED_RETRYABLE:
        job->failures_count++;
        core_copy_text(attempt->message, sizeof attempt->message,
            reply->message != NULL ? reply->message : "");
        core_copy_text(job->message, sizeof job->message, attempt->message);
        attempt_end(core, attempt, ATTEMPT_FAILED);
        if ((reply->status == REPLY_FAILED_FINAL && !PLANTED(final)) || PLANTED(hasty)) {
            job_fail(core, job, NULL);
        } else if (job->live_count == 0) {
            try_again(core, job);
        }
        return;
    case REPLY_EXPIRED:
        attempt_end(core, attempt, ATTEMPT_EXPIRED);
        refund(core, attempt);
        if (job->live_count > 0) {
            return;
        }
        if (instant_until(core->now, job->deadline).ns <= duration_ms(EXPIRED_SLACK_MS).ns) {
            job_cancel(core, job, CAUSE_DEADLINE);
        } else {
            carry_on(core, job);
        }
        return;
    }
    CHECK_UNREACHABLE();
}

/* After a failure that another worker may not have; charged to the budget now, so that
 * what waits in the queue is paid for. */
static void
try_again(struct core *core, struct job *job)
{
    CHECK(job->live_count == 0);
    if (!job->is_idempotent || job->charged_count >= job->attempts_max) {
        job_fail(core, job, NULL);
        return;
    }
    if (!PLANTED(freeretry) && !budget_takes_retry(core)) {
        pump_refuse_hedge(core, job, HEDGE_BUDGET);
        job_fail(core, job, NULL);
        return;
    }
    job->has_token = !PLANTED(freeretry);
    job_wait(core, job, ATTEMPT_RETRY);
}

/* Nothing ran: the copy is replaced free of charge.  At once for the first time, then after
 * a pause that doubles; so a job asks at most (timeout / BACKOFF_MS_MAX) + 8 times. */
static void
try_elsewhere(struct core *core, struct job *job)
{
    CHECK(job->live_count == 0);
    if (PLANTED(sulk)) {
        job->backoff_until = job->deadline;
    } else if (job->busy_count > 0) {
        uint32_t doublings = job->busy_count - 1 < 10 ? job->busy_count - 1 : 10;
        int64_t pause_ms = (int64_t) 1 << doublings;
        job->backoff_until = instant_add(
            core->now, duration_ms(pause_ms < BACKOFF_MS_MAX ? pause_ms : BACKOFF_MS_MAX));
    }
    job->busy_count++;
    job_wait(core, job, ATTEMPT_REDISPATCH);
}

/* The last copy ended without a word about the work.  One of a pair may have failed before. */
static void
carry_on(struct core *core, struct job *job)
{
    if (job->is_tied && job->failures_count > 0) {
        try_again(core, job);
    } else {
        try_elsewhere(core, job);
    }
}

void
race_busy(struct core *core, const struct attempt_ref *ref)
{
    struct attempt *attempt = hear(core, ref);
    if (attempt == NULL || !attempt->is_live) {
        return;
    }
    struct job *job = attempt->job;
    bool is_hedge = attempt->kind == ATTEMPT_HEDGE;
    if (PLANTED(refundany)) {
        budget_refund(core);
    }
    roster_shun(core, attempt->worker);
    attempt_end(core, attempt, ATTEMPT_BUSY);
    if (is_hedge) {
        refund(core, attempt);
        job->charged_count--;
    }
    if (job_is_over(job)) {
        job_settle(core, job);
    } else if (is_hedge && job->live_count > 0) {
        pump_refuse_hedge(core, job, HEDGE_BUSY);
        if (++job->hedges_busy_count < HEDGES_BUSY_MAX) {
            job->hedge_at = instant_add(core->now, duration_ms(BUSY_SHUN_MS));
            job_rearm(core, job);
        }
    } else if (job->live_count == 0 && is_hedge && job->failures_count > 0) {
        try_again(core, job); /* the hedge was to stand in for the copy that failed */
    } else if (job->live_count == 0) {
        carry_on(core, job);
    }
}

static enum attempt_state
state_after_ack(const struct attempt *attempt, enum cancel_fate fate)
{
    if (fate == FATE_COMPLETED) {
        return ATTEMPT_LATE;
    }
    return attempt->cancel_cause == CAUSE_LOST_RACE ? ATTEMPT_LOST : ATTEMPT_STOPPED;
}

void
race_cancel_ack(struct core *core, const struct event_cancel_ack *ack)
{
    struct worker *worker = roster_by_link(core, ack->ref.link);
    if (worker != NULL) {
        roster_hear(core, worker);
    }
    struct attempt *attempt = attempt_find(core, &ack->ref);
    if (attempt == NULL || attempt->cancel_cause == CAUSE_NONE ||
        !instant_is_never(attempt->cancel_acked_at)) {
        core->counters.stray_replies_count++;
        return;
    }
    attempt->cancel_acked_at = core->now;
    attempt->cancel_fate = ack->fate;
    attempt->cancel_stopped_after = ack->stopped_after;
    if (!attempt->is_live || PLANTED(deaf)) {
        return; /* its reply crossed the cancel, and ended it */
    }
    attempt->ran = ack->ran;
    attempt->cpu = ack->cpu;
    struct job *job = attempt->job;
    attempt_end(core, attempt, state_after_ack(attempt, ack->fate));
    if (ack->fate == FATE_NOT_SEEN || ack->fate == FATE_DEQUEUED || PLANTED(refundran)) {
        refund(core, attempt);
    }
    if (job_is_over(job)) {
        job_settle(core, job);
    } else if (job->live_count == 0) {
        carry_on(core, job); /* its twin came to nothing meanwhile */
    }
}

void
race_lost(struct core *core, struct attempt *attempt)
{
    struct job *job = attempt->job;
    attempt_end(core, attempt,
        attempt->cancel_cause != CAUSE_NONE ? ATTEMPT_ABANDONED : ATTEMPT_UNREACHABLE);
    if (job_is_over(job)) {
        job_settle(core, job);
        return;
    }
    job->losses_count++;
    if (job->live_count > 0) {
        return;
    }
    char message[CORE_MESSAGE_SIZE_MAX];
    if (!job->is_idempotent && !PLANTED(rerun)) {
        snprintf(message, sizeof message,
            "worker %.48s was lost with it: the outcome is unknown; not idempotent, so not "
            "run again",
            attempt->worker_name);
        job_fail(core, job, message);
    } else if (job->losses_count >= LOSSES_MAX) {
        snprintf(message, sizeof message, "lost with its worker %u times, last with %.48s",
            job->losses_count, attempt->worker_name);
        job_fail(core, job, message);
    } else if (!PLANTED(lost)) {
        job_wait(core, job, ATTEMPT_REDISPATCH);
    }
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/core/attempt.h"

#include "coordinator/core/admit.h"
#include "coordinator/core/job.h"
#include "coordinator/core/learn.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/samples.h"
#include "coordinator/core/tie.h"

static void evict(struct core *core, struct job *job);
static void count_sent(struct core *core, struct job *job, enum attempt_kind kind);
static void count_work(struct attempt *attempt, enum attempt_state state);
static void count_saved(const struct attempt *hedge);
static void count_cancel(struct core *core, struct attempt *attempt);

void
attempt_send(struct core *core, struct job *job, struct worker *worker, enum attempt_kind kind)
{
    CHECK(!job_is_over(job));
    CHECK(worker->is_up);
    if (job->attempts.count >= CORE_ATTEMPTS_MAX) {
        evict(core, job);
    }
    struct attempt *attempt = pool_take(&core->attempts);
    CHECK(attempt != NULL); /* the pool holds the most for every job */

    *attempt = (struct attempt){ .job = job,
        .worker = worker,
        .link = worker->link,
        .worker_serial = worker->serial,
        .zone_hash = worker->zone_hash,
        .ack_timer.kind = TIMER_ATTEMPT,
        .number = PLANTED(number) && kind == ATTEMPT_REDISPATCH ? job->number_next
                                                                : ++job->number_next,
        .kind = kind,
        .state = ATTEMPT_QUEUED,
        .is_live = true,
        .sent_at = core->now,
        .started_at = INSTANT_NEVER,
        .ended_at = INSTANT_NEVER,
        .cancel_sent_at = INSTANT_NEVER,
        .cancel_acked_at = INSTANT_NEVER };
    core_copy_text(attempt->worker_name, sizeof attempt->worker_name, worker->name);
    list_append(&job->attempts, &attempt->on_job);
    list_append(&worker->attempts, &attempt->on_worker);
    count_sent(core, job, kind);
    budget_reserve(core, attempt);

    struct core_command *command = core_push(core, COMMAND_SEND, job->id);
    command->send.link = worker->link;
    command->send.attempt = attempt->number;
    command->send.kind = kind;
    command->send.is_tied = job->is_tied;
    command->send.deadline = job->deadline;
    core->sends_count++;
}

/* Drop the record that tells least: an old refusal, else the oldest that ended. */
static void
evict(struct core *core, struct job *job)
{
    struct attempt *chosen = NULL;
    LIST_FOR_EACH(node, &job->attempts)
    {
        struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_job);
        if (attempt->is_live) {
            continue;
        }
        if (attempt->state == ATTEMPT_BUSY) {
            chosen = attempt;
            break;
        }
        if (chosen == NULL) {
            chosen = attempt;
        }
    }
    CHECK(chosen != NULL); /* fewer than CORE_ATTEMPTS_MAX are live */
    list_remove(&job->attempts, &chosen->on_job);
    pool_give(&core->attempts, chosen);
}

static void
count_sent(struct core *core, struct job *job, enum attempt_kind kind)
{
    if (kind == ATTEMPT_PRIMARY) {
        core->primaries_count++;
        bucket_deposit(&core->budget.number);
    }
    if (kind == ATTEMPT_HEDGE || kind == ATTEMPT_RETRY || kind == ATTEMPT_TIE) {
        core->charged_count++;
    }
    if (kind != ATTEMPT_REDISPATCH) {
        job->charged_count++;
    }
    if (kind == ATTEMPT_HEDGE) {
        job->was_hedged = true;
        core->hedges_live_count++;
    }
    job->live_count++;
    job->state = JOB_RUNNING;
    job->handler->counts.attempts_count[kind]++;
    core->counters.attempts_live_count++;
}

struct attempt *
attempt_find(const struct core *core, const struct attempt_ref *ref)
{
    struct job *job = job_find(core, ref->job);
    if (job == NULL) {
        return NULL;
    }
    LIST_FOR_EACH(node, &job->attempts)
    {
        struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_job);
        if (attempt->number == ref->attempt && (attempt->link == ref->link || PLANTED(link))) {
            return attempt;
        }
    }
    return NULL;
}

void
attempt_cancel(struct core *core, struct attempt *attempt, enum cancel_cause cause)
{
    CHECK(attempt->is_live);
    CHECK(attempt->cancel_cause == CAUSE_NONE);
    CHECK(cause != CAUSE_NONE);
    attempt->cancel_cause = cause;
    attempt->cancel_sent_at = core->now;
    if (attempt->kind == ATTEMPT_HEDGE) {
        core->hedges_live_count--;
        if (cause == CAUSE_LOST_RACE) {
            learn_yield(attempt->job->handler, /* did_win= */ false);
        }
    }
    core_arm(core, &attempt->ack_timer, instant_add(core->now, core->config.cancel_ack_max));
    core->counters.cancels_sent_count[cause]++;
    core->cancels_pending_count++;
    if (PLANTED(forget) && cause == CAUSE_LOST_RACE) {
        return;
    }
    struct core_command *command = core_push(core, COMMAND_CANCEL, attempt->job->id);
    command->cancel.link = attempt->link;
    command->cancel.attempt = attempt->number;
    command->cancel.cause = cause;
}

void
attempt_end(struct core *core, struct attempt *attempt, enum attempt_state state)
{
    CHECK(attempt->is_live);
    CHECK(state != ATTEMPT_QUEUED);
    CHECK(state != ATTEMPT_RUNNING);
    struct job *job = attempt->job;
    struct worker *worker = attempt->worker;

    if (attempt->cancel_cause != CAUSE_NONE) {
        attempt->state = state;
        count_cancel(core, attempt);
    } else if (attempt->kind == ATTEMPT_HEDGE) {
        core->hedges_live_count--;
        if (state == ATTEMPT_WON) {
            learn_yield(job->handler, /* did_win= */ true);
        }
    }
    attempt->state = state;
    attempt->is_live = false;
    attempt->ended_at = core->now;
    if (state == ATTEMPT_UNREACHABLE || state == ATTEMPT_ABANDONED) {
        instant_t since = instant_min(attempt->started_at, core->now);
        attempt->ran = instant_since(core->now, since);
    }
    list_remove(&worker->attempts, &attempt->on_worker);
    core_found_room(core, worker);
    worker->done_count++;
    attempt->worker = NULL;

    count_work(attempt, state);
    budget_settle(core, attempt);
    if (state == ATTEMPT_WON) {
        admit_on_success(job->handler, instant_since(core->now, attempt->sent_at));
    }
    learn_from(core, attempt);
    samples_take(core, attempt);
    tie_on_ended(core, attempt);
    job->handler->counts.attempts_ended_count[state] +=
        !(PLANTED(uncounted) && state == ATTEMPT_BUSY);
    core->counters.attempts_live_count--;
    job->live_count--;
}

/* Only against a copy that still ran: else there was nothing to be faster than. */
static void
count_saved(const struct attempt *hedge)
{
    struct job *job = hedge->job;
    const struct attempt *first =
        LIST_ENTRY(list_first(&job->attempts), struct attempt, on_job);
    if (job->live_count > 1 && first->is_live) {
        duration_t age = instant_since(hedge->ended_at, first->sent_at);
        job->hedge_saved = learn_residual(job->handler, age);
        job->handler->counts.saved_s += duration_to_s(job->hedge_saved);
    }
}

static void
count_work(struct attempt *attempt, enum attempt_state state)
{
    struct handler_view *counts = &attempt->job->handler->counts;
    if (state == ATTEMPT_WON) {
        counts->useful_cpu_s += duration_to_s(attempt->cpu);
        if (attempt->kind == ATTEMPT_HEDGE) {
            counts->hedge_wins_count++;
            count_saved(attempt);
        }
        return;
    }
    attempt->wasted = attempt->ran;
    counts->wasted_s += duration_to_s(attempt->ran);
    counts->wasted_cpu_s += duration_to_s(attempt->cpu);
}

/* Acknowledged or finished, the copy runs no more: its cancel is settled; else it never is. */
static void
count_cancel(struct core *core, struct attempt *attempt)
{
    core->cancels_pending_count--;
    core_disarm(core, &attempt->ack_timer);
    if (attempt->is_overdue) {
        attempt->is_overdue = false;
        attempt->worker->overdue_count--;
    }
    if (attempt->state == ATTEMPT_ABANDONED) {
        core->counters.cancels_unacked_count++;
        return;
    }
    core->counters.cancels_acked_count++;
    core_observe(
        &core->counters.cancel_ack_latency, instant_since(core->now, attempt->cancel_sent_at));
}

void
attempt_on_timer(struct core *core, struct attempt *attempt)
{
    CHECK(attempt->is_live);
    CHECK(attempt->cancel_cause != CAUSE_NONE);
    if (attempt->is_overdue) {
        if (PLANTED(patient)) {
            core_arm(core, &attempt->ack_timer, instant_add(core->now, duration_s(60)));
            return;
        }
        roster_close(core, attempt->worker);
        return;
    }
    if (PLANTED(nag)) {
        struct core_command *again = core_push(core, COMMAND_CANCEL, attempt->job->id);
        again->cancel.link = attempt->link;
        again->cancel.attempt = attempt->number;
        again->cancel.cause = attempt->cancel_cause;
    }
    attempt->is_overdue = true;
    attempt->worker->overdue_count++;
    core_arm(core, &attempt->ack_timer,
        instant_add(attempt->cancel_sent_at, roster_dead_after(core)));
}

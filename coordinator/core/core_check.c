/* SPDX-License-Identifier: MIT
 *
 * The numbers are those of state.h.  A failure is a defect of the core, whatever the
 * events were: the simulator calls this after every step.
 */
#include "coordinator/core/roster.h"
#include "coordinator/core/state.h"

static void
check_attempt(const struct core *core, const struct attempt *attempt)
{
    (void) core;
    if (!attempt->is_live) {
        CHECK(attempt->worker == NULL);
        CHECK(attempt->reserved_us == 0);
        CHECK(!attempt->is_overdue);
        CHECK(!heap_node_is_in(&attempt->ack_timer.node));
        CHECK(!instant_is_never(attempt->ended_at));
        return;
    }
    CHECK(attempt->state == ATTEMPT_QUEUED || attempt->state == ATTEMPT_RUNNING);
    CHECK(attempt->worker->is_up);
    CHECK(attempt->worker->link == attempt->link);
    bool is_cancelled = attempt->cancel_cause != CAUSE_NONE;
    const struct job *job = attempt->job;
    CHECK(is_cancelled || !job_is_over(job)); /* C6 */
    if (is_cancelled && !job_is_over(job)) {
        CHECK(job->is_tied); /* T1 */
        CHECK(attempt->kind == ATTEMPT_TIE || attempt->number == job->tied_number);
    }
    CHECK(is_cancelled == heap_node_is_in(&attempt->ack_timer.node));
}

static void
check_job_attempts(const struct core *core, const struct job *job)
{
    uint32_t live_count = 0;
    CHECK(job->attempts.count <= CORE_ATTEMPTS_MAX);
    LIST_FOR_EACH(node, &job->attempts)
    {
        const struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_job);
        CHECK(attempt->job == job);
        check_attempt(core, attempt);
        live_count += attempt->is_live;
        LIST_FOR_EACH(other, &job->attempts)
        {
            const struct attempt *rival = LIST_ENTRY(other, struct attempt, on_job);
            if (rival == attempt) {
                break;
            }
            CHECK(rival->number < attempt->number);
            CHECK(!rival->is_live || rival->worker != attempt->worker); /* C4 */
        }
    }
    CHECK(live_count == job->live_count);
    CHECK(live_count <= job->attempts_max); /* C4 */
    CHECK(job->charged_count <= job->attempts_max);
    CHECK(!job->has_tie_token || live_count > 0); /* T2 */
}

static void
check_job(const struct core *core, const struct job *job)
{
    check_job_attempts(core, job);
    bool is_queued = heap_node_is_in(&job->on_queue);
    CHECK(list_node_is_in(&job->on_finished) == (job_is_over(job) && job->live_count == 0));
    CHECK(job_is_over(job) == !instant_is_never(job->finished_at));
    if (job_is_over(job)) { /* C1 */
        CHECK(!is_queued);
        CHECK(!job->is_backing_off);
        CHECK(!job->has_token);
        CHECK(!list_node_is_in(&job->on_wanting));
        CHECK(!heap_node_is_in(&job->timer.node));
        CHECK(list_is_empty(&job->children));
        return;
    }
    CHECK(!(is_queued && job->is_backing_off));
    CHECK((job->live_count > 0) != job_waits(job)); /* C7 */
    CHECK(heap_node_is_in(&job->timer.node) || instant_is_never(job->deadline));
    if (list_node_is_in(&job->on_wanting)) {
        CHECK(job->live_count > 0);
    }
}

static void
check_handlers(const struct core *core)
{
    uint64_t sent_count = 0;
    uint64_t ended_count = 0;
    for (uint32_t i = 0; i < core->handlers_count; i++) {
        const struct handler *handler = &core->handlers[i];
        for (size_t kind = 0; kind < ARRAY_COUNT(handler->counts.attempts_count); kind++) {
            sent_count += handler->counts.attempts_count[kind];
        }
        for (size_t s = 0; s < ARRAY_COUNT(handler->counts.attempts_ended_count); s++) {
            ended_count += handler->counts.attempts_ended_count[s];
        }
        const struct heap_node *first = heap_first(&handler->queue);
        if (first != NULL && !core->is_pump_behind) {
            CHECK(!roster_has_room(core, CONTAINER_OF(first, struct job, on_queue))); /* C8 */
        }
        CHECK((handler->queue.count > 0) == ((core->queues_mask >> i & 1) != 0));
    }
    CHECK(sent_count == ended_count + core->counters.attempts_live_count); /* C2 */
}

/* Those that may still win. */
static uint32_t
hedges_at(const struct worker *worker)
{
    uint32_t count = 0;
    LIST_FOR_EACH(node, &worker->attempts)
    {
        const struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_worker);
        count += attempt->kind == ATTEMPT_HEDGE && attempt->cancel_cause == CAUSE_NONE;
    }
    return count;
}

static void
check_workers(const struct core *core)
{
    uint32_t live_count = 0;
    uint32_t hedges_count = 0;
    uint32_t slots_count = 0;
    int64_t reserved_us = 0;
    for (uint32_t i = 0; i < core->workers.count; i++) {
        const struct worker *worker = core->order[i];
        uint32_t overdue_count = 0;
        CHECK(worker->order_index == i);
        CHECK(worker->is_up || list_is_empty(&worker->attempts));
        LIST_FOR_EACH(node, &worker->attempts)
        {
            const struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_worker);
            CHECK(attempt->worker == worker);
            CHECK(attempt->is_live);
            overdue_count += attempt->is_overdue;
            reserved_us += attempt->reserved_us;
        }
        CHECK(overdue_count == worker->overdue_count);
        live_count += worker->attempts.count; /* C5 */
        hedges_count += hedges_at(worker);
        slots_count += worker->is_up && !worker->is_draining ? worker->slots_count : 0;
    }
    CHECK(live_count == core->counters.attempts_live_count);
    CHECK(hedges_count == core->hedges_live_count);
    CHECK(reserved_us == core->budget.reserved_us); /* W2 */
    CHECK(slots_count == core->slots_count);
}

static void
check_cancels(const struct core *core)
{
    uint64_t sent_count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(core->counters.cancels_sent_count); i++) {
        sent_count += core->counters.cancels_sent_count[i];
    }
    CHECK(sent_count == core->counters.cancels_acked_count +
                            core->counters.cancels_unacked_count + core->cancels_pending_count);
}

void
core_check(const struct core *core)
{
    uint32_t jobs_live_count = 0;
    CHECK(core->recent.count == core->jobs.count);
    CHECK(core->recent.count == core->counters.jobs_kept_count);
    CHECK(core->job_by_id.count == core->jobs.count);
    LIST_FOR_EACH(node, &core->recent)
    {
        const struct job *job = LIST_ENTRY(node, struct job, on_recent);
        check_job(core, job);
        jobs_live_count += !job_is_over(job);
    }
    CHECK(jobs_live_count == core->counters.jobs_live_count);
    CHECK(jobs_live_count <= core->config.jobs_max);
    CHECK(list_is_empty(&core->doomed));
    check_handlers(core);
    check_workers(core);
    check_cancels(core);

    /* C3, in the bucket's own millionths. */
    uint64_t charged = (core->charged_count - core->refunded_count) * BUCKET_TOKEN;
    uint64_t earned =
        (uint64_t) core->config.hedge_burst * BUCKET_TOKEN +
        core->primaries_count * (uint64_t) core->budget.number.millionths_per_deposit;
    CHECK(charged <= earned);
    CHECK(core->hedges_live_count <= core->counters.attempts_live_count);
    budget_check(&core->budget, &core->config);
}

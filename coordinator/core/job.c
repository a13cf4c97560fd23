/* SPDX-License-Identifier: MIT */
#include "coordinator/core/job.h"

#include "coordinator/core/admit.h"
#include "coordinator/core/attempt.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/pump.h"
#include "coordinator/core/tie.h"

#include <string.h>

static struct handler *find_handler(const struct core *core, const char *name);
static void refuse(struct core *core, const struct core_command *refusal);
static bool find_deadline(
    const struct core *core, const struct event_submit *submit, instant_t *ret_deadline);
static struct job *take_record(struct core *core, const struct event_submit *submit);
static void set_policy(struct core *core, struct job *job, const struct policy *policy);
static void unwait(struct core *core, struct job *job);
static void collect(struct core *core, struct job *job);

struct job *
job_find(const struct core *core, job_id_t id)
{
    uint32_t index;
    return map_get(&core->job_by_id, id, &index) ? pool_at(&core->jobs, index) : NULL;
}

bool
job_is_acceptable(const struct core *core, const struct event_submit *submit,
    struct core_command *ret_refuse, instant_t *ret_deadline)
{
    const struct handler *handler = find_handler(core, submit->handler);
    enum submit_refusal why;
    duration_t retry_after = DURATION_ZERO;
    if (core->is_draining && !PLANTED(accept)) {
        why = SUBMIT_DRAINING;
        retry_after = duration_s(1);
    } else if (handler == NULL) {
        why = SUBMIT_UNKNOWN_HANDLER;
    } else if (job_find(core, submit->job) != NULL) {
        why = SUBMIT_DUPLICATE_ID;
    } else if (handler->counts.workers_count == 0) {
        why = SUBMIT_NO_WORKER;
        retry_after = core->config.heartbeat;
    } else if (!find_deadline(core, submit, ret_deadline)) {
        why = SUBMIT_DEADLINE;
    } else if (core->counters.jobs_live_count >= core->config.jobs_max && !PLANTED(full)) {
        why = SUBMIT_FULL;
        retry_after = duration_s(1);
    } else if (!admit_is_in_time(
                   handler, instant_until(core->now, *ret_deadline), &retry_after)) {
        why = SUBMIT_LATE;
    } else {
        return true;
    }
    *ret_refuse = (struct core_command){ .kind = COMMAND_REFUSE,
        .job = submit->job,
        .refuse = { .why = why, .retry_after = retry_after } };
    return false;
}

void
job_submit(struct core *core, const struct event_submit *submit)
{
    struct core_command refusal;
    instant_t deadline;
    if (!job_is_acceptable(core, submit, &refusal, &deadline)) {
        refuse(core, &refusal);
        return;
    }
    struct job *job = take_record(core, submit);
    if (job == NULL) {
        refuse(core, &(struct core_command){ .kind = COMMAND_REFUSE,
                         .job = submit->job,
                         .refuse = { .why = SUBMIT_FULL, .retry_after = duration_s(1) } });
        return;
    }
    job->handler = find_handler(core, submit->handler);
    job->deadline = deadline;
    set_policy(core, job, &submit->policy);
    job->handler->counts.submitted_count++;
    core->counters.jobs_accepted_count++;
    core->counters.jobs_live_count++;
    core_push(core, COMMAND_ACCEPT, job->id);
    job_wait(core, job, ATTEMPT_PRIMARY);
    job_rearm(core, job);
}

static struct handler *
find_handler(const struct core *core, const char *name)
{
    for (uint32_t i = 0; i < core->handlers_count; i++) {
        if (strcmp(core->handlers[i].name, name) == 0) {
            return &core->handlers[i];
        }
    }
    return NULL;
}

void
job_set_hedging(struct core *core, const struct event_hedging *hedging)
{
    struct handler *handler = find_handler(core, hedging->handler);
    if (handler != NULL) {
        handler->order = hedging->order;
        core->needs_pump = true; /* what wants a hedge may get it, or has to give it up */
    }
}

static void
refuse(struct core *core, const struct core_command *refusal)
{
    *core_push(core, COMMAND_REFUSE, refusal->job) = *refusal;
    core->counters.jobs_refused_count[refusal->refuse.why]++;
}

/* False when no useful time is left; a child's time ends with its parent's. */
static bool
find_deadline(
    const struct core *core, const struct event_submit *submit, instant_t *ret_deadline)
{
    duration_t timeout = submit->timeout;
    if (timeout.ns < 0) {
        return false;
    }
    if (timeout.ns == 0) {
        timeout = core->config.timeout_default;
    }
    instant_t deadline =
        instant_add(core->now, duration_min(timeout, core->config.timeout_max));
    if (!id_is_none(submit->parent)) {
        const struct job *parent = job_find(core, submit->parent);
        if (parent == NULL || job_is_over(parent)) {
            return false;
        }
        deadline = PLANTED(outlive) ? deadline : instant_min(deadline, parent->deadline);
    }
    *ret_deadline = deadline;
    return !instant_reached(core->now, deadline);
}

static struct job *
take_record(struct core *core, const struct event_submit *submit)
{
    struct job *job = pool_take(&core->jobs);
    if (job == NULL && !list_is_empty(&core->finished)) {
        collect(core, LIST_ENTRY(list_first(&core->finished), struct job, on_finished));
        job = pool_take(&core->jobs);
    }
    if (job == NULL) {
        return NULL; /* terminal jobs hold every record: copies are not heard to stop */
    }
    *job = (struct job){ .id = submit->job,
        .timer.kind = TIMER_JOB,
        .created_at = core->now,
        .finished_at = INSTANT_NEVER,
        .hedge_at = INSTANT_NEVER,
        .tie_at = INSTANT_NEVER,
        .backoff_until = INSTANT_NEVER,
        .hedge_refused_at = INSTANT_NEVER,
        .input_size = submit->input_size };
    list_init(&job->attempts);
    list_init(&job->children);
    bool is_put = map_put(&core->job_by_id, job->id, pool_index(&core->jobs, job));
    CHECK(is_put);
    list_prepend(&core->recent, &job->on_recent);
    core->counters.jobs_kept_count++;
    if (!id_is_none(submit->parent)) {
        job->parent = job_find(core, submit->parent);
        list_append(&job->parent->children, &job->on_parent);
    }
    return job;
}

static void
set_policy(struct core *core, struct job *job, const struct policy *policy)
{
    uint32_t attempts_max =
        policy->attempts_max > 0 ? policy->attempts_max : core->config.attempts_max;
    job->mode = policy->mode;
    job->is_idempotent = policy->idempotent >= 0
                             ? policy->idempotent > 0
                             : (job->handler->flags & HANDLER_IDEMPOTENT) != 0;
    job->race_count =
        policy->race_count < CORE_ATTEMPTS_MAX ? policy->race_count : CORE_ATTEMPTS_MAX;
    if (job->mode == MODE_RACE && attempts_max < job->race_count) {
        attempts_max = job->race_count;
    }
    job->attempts_max = attempts_max < CORE_ATTEMPTS_MAX ? attempts_max : CORE_ATTEMPTS_MAX;
    job->is_delay_set = policy->hedge_delay_is_set;
    bool may_wait = job->mode == MODE_HEDGE || job->mode == MODE_TIED;
    job->hedge_delay =
        may_wait && policy->hedge_delay_is_set ? policy->hedge_delay : duration_ns(-1);
}

void
job_wait(struct core *core, struct job *job, enum attempt_kind wanted)
{
    CHECK(!job_is_over(job));
    CHECK(!job_waits(job));
    CHECK(job->live_count == 0);
    job->wanted = wanted;
    job->hedge_at = INSTANT_NEVER;
    job->tie_at = INSTANT_NEVER;
    if (list_node_is_in(&job->on_wanting)) {
        list_remove(&core->wanting, &job->on_wanting);
    }
    if (!instant_is_never(job->backoff_until) &&
        instant_before(core->now, job->backoff_until)) {
        job->is_backing_off = true;
        job_rearm(core, job);
        return;
    }
    job->backoff_until = INSTANT_NEVER;
    if (heap_first(&job->handler->queue) == NULL) { /* else nobody has room for those before */
        core->needs_pump = true;
        core->is_pump_wide = true;
    }
    heap_push(&job->handler->queue, &job->on_queue, job->deadline.ns);
    core->queues_mask |= 1ull << job->handler->index;
}

static void
unwait(struct core *core, struct job *job)
{
    job->is_backing_off = false;
    job->hedge_at = INSTANT_NEVER;
    job->tie_at = INSTANT_NEVER;
    if (heap_node_is_in(&job->on_queue)) {
        pump_unqueue(core, job);
    }
    if (list_node_is_in(&job->on_wanting)) {
        list_remove(&core->wanting, &job->on_wanting);
    }
    if (job->has_token) { /* charged, but never sent */
        budget_refund(core);
        job->has_token = false;
    }
    core_disarm(core, &job->timer);
}

void
job_end(struct core *core, struct job *job, enum job_state state, blob_t blob)
{
    CHECK(!job_is_over(job));
    unwait(core, job);
    job->state = state;
    CHECK(job_is_over(job));
    job->finished_at = core->now;
    core->counters.jobs_live_count--;
    job->handler->counts.finished_count[state]++;
    core_observe(&core->counters.job_latency[job->was_hedged],
        instant_since(core->now, job->created_at));

    /* The losers are told in the same step as the decision. */
    enum cancel_cause cause = job->cause != CAUSE_NONE ? job->cause : CAUSE_LOST_RACE;
    LIST_FOR_EACH(node, &job->attempts)
    {
        struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_job);
        if (attempt->is_live && attempt->cancel_cause == CAUSE_NONE) {
            attempt_cancel(core, attempt, cause);
        }
    }
    for (int i = 0; i < (PLANTED(twice) && job->was_hedged ? 2 : 1); i++) {
        struct core_command *command = core_push(core, COMMAND_ANSWER, job->id);
        command->answer.state = state;
        command->answer.blob = blob;
    }

    if (job->parent != NULL) {
        list_remove(&job->parent->children, &job->on_parent);
        job->parent = NULL;
    }
    while (!list_is_empty(&job->children)) {
        struct job *child = LIST_ENTRY(list_first(&job->children), struct job, on_parent);
        list_remove(&job->children, &child->on_parent);
        child->parent = NULL;
        if (!PLANTED(orphan)) {
            list_append(&core->doomed, &child->on_parent);
        }
    }
    job_settle(core, job);
}

void
job_cancel(struct core *core, struct job *job, enum cancel_cause cause)
{
    CHECK(cause != CAUSE_NONE);
    job->cause = cause;
    job_end(core, job, cause == CAUSE_DEADLINE ? JOB_DEADLINE_EXCEEDED : JOB_CANCELLED, 0);
}

void
job_fail(struct core *core, struct job *job, const char *message)
{
    if (message != NULL) {
        core_copy_text(job->message, sizeof job->message, message);
    }
    job_end(core, job, JOB_FAILED, 0);
}

void
job_settle(struct core *core, struct job *job)
{
    if (!job_is_over(job) || (job->live_count > 0 && !PLANTED(collect))) {
        return;
    }
    CHECK(!list_node_is_in(&job->on_finished));
    list_append(&core->finished, &job->on_finished); /* collected at the end of a step */
}

void
job_rearm(struct core *core, struct job *job)
{
    instant_t when = instant_min(job->deadline, job->hedge_at);
    if (PLANTED(early)) {
        job->deadline.ns -= (job->deadline.ns - job->created_at.ns) / 8;
    }
    if (PLANTED(late)) {
        when = job->hedge_at;
    }
    when = instant_min(when, job->tie_at);
    if (job->is_backing_off) {
        when = instant_min(when, job->backoff_until);
    }
    core_arm(core, &job->timer, when);
}

void
job_on_timer(struct core *core, struct job *job)
{
    CHECK(!job_is_over(job));
    if (instant_reached(core->now, job->deadline)) {
        job_cancel(core, job, CAUSE_DEADLINE);
        return;
    }
    if (job->is_backing_off && instant_reached(core->now, job->backoff_until)) {
        job->is_backing_off = false;
        job_wait(core, job, job->wanted);
    }
    if (instant_reached(core->now, job->tie_at)) {
        tie_send(core, job);
    }
    if (instant_reached(core->now, job->hedge_at)) {
        pump_want_hedge(core, job);
    }
    job_rearm(core, job);
}

void
job_collect_due(struct core *core)
{
    for (int i = 0; i < FORGETS_MAX && !list_is_empty(&core->finished); i++) {
        struct job *oldest = LIST_ENTRY(list_first(&core->finished), struct job, on_finished);
        instant_t due = instant_add(oldest->finished_at, core->config.finished_kept);
        if ((core->finished.count <= core->config.finished_max || PLANTED(hoard)) &&
            !instant_reached(core->now, due)) {
            core_arm(core, &core->finished_timer, due);
            return;
        }
        collect(core, oldest);
    }
    if (list_is_empty(&core->finished)) {
        core_disarm(core, &core->finished_timer);
    } else {
        core_arm(core, &core->finished_timer, core->now);
    }
}

static void
collect(struct core *core, struct job *job)
{
    CHECK(job_is_over(job));
    CHECK(job->live_count == 0);
    core_push(core, COMMAND_FORGET, job->id);
    while (!list_is_empty(&job->attempts)) {
        struct attempt *attempt =
            LIST_ENTRY(list_first(&job->attempts), struct attempt, on_job);
        list_remove(&job->attempts, &attempt->on_job);
        pool_give(&core->attempts, attempt);
    }
    list_remove(&core->finished, &job->on_finished);
    list_remove(&core->recent, &job->on_recent);
    bool is_removed = map_remove(&core->job_by_id, job->id);
    CHECK(is_removed);
    core->counters.jobs_kept_count--;
    pool_give(&core->jobs, job);
}

void
job_reap_doomed(struct core *core)
{
    while (!list_is_empty(&core->doomed)) {
        struct job *job = LIST_ENTRY(list_first(&core->doomed), struct job, on_parent);
        list_remove(&core->doomed, &job->on_parent);
        if (!job_is_over(job)) {
            job_cancel(core, job, CAUSE_PARENT);
        }
    }
}

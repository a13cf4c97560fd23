/* SPDX-License-Identifier: MIT */
#include "coordinator/core/job.h"
#include "coordinator/core/learn.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/state.h"

static void
view_attempt(const struct attempt *attempt, struct attempt_view *ret_view)
{
    *ret_view = (struct attempt_view){ .number = attempt->number,
        .kind = attempt->kind,
        .state = attempt->state,
        .sent_at = attempt->sent_at,
        .started_at = attempt->started_at,
        .ended_at = attempt->ended_at,
        .cancel_sent_at = attempt->cancel_sent_at,
        .cancel_acked_at = attempt->cancel_acked_at,
        .cancel_cause = attempt->cancel_cause,
        .cancel_fate = attempt->cancel_fate,
        .cancel_stopped_after = attempt->cancel_stopped_after,
        .ran = attempt->ran,
        .cpu = attempt->cpu,
        .wasted = attempt->wasted };
    core_copy_text(ret_view->worker, sizeof ret_view->worker, attempt->worker_name);
    core_copy_text(ret_view->message, sizeof ret_view->message, attempt->message);
}

bool
core_job(const struct core *core, job_id_t id, struct job_view *ret_job)
{
    const struct job *job = job_find(core, id);
    if (job == NULL) {
        return false;
    }
    *ret_job = (struct job_view){ .id = job->id,
        .handler = job->handler->name,
        .state = job->state,
        .cause = job->cause,
        .mode = job->mode,
        .created_at = job->created_at,
        .finished_at = job->finished_at,
        .deadline = job->deadline,
        .hedge_on = job->hedge_delay.ns >= 0,
        .hedge_source = job->hedge_source,
        .hedge_delay = duration_max(job->hedge_delay, DURATION_ZERO),
        .hedge_refusal = job->hedge_refusal,
        .hedge_refused_at = job->hedge_refused_at,
        .hedge_saved = job->hedge_saved,
        .input_size = job->input_size,
        .result_size = job->result_size,
        .winner = job->winner,
        .message = job->state == JOB_SUCCEEDED ? "" : job->message };
    LIST_FOR_EACH(node, &job->attempts)
    {
        view_attempt(LIST_ENTRY(node, struct attempt, on_job),
            &ret_job->attempts[ret_job->attempts_count++]);
    }
    return true;
}

uint32_t
core_jobs_recent(const struct core *core, uint32_t offset, job_id_t *ids, uint32_t ids_count)
{
    uint32_t count = 0;
    uint32_t at = 0;
    LIST_FOR_EACH(node, &core->recent)
    {
        if (count >= ids_count) {
            break;
        }
        if (at++ >= offset) {
            ids[count++] = LIST_ENTRY(node, struct job, on_recent)->id;
        }
    }
    return count;
}

uint32_t
core_workers_count(const struct core *core)
{
    return core->workers.count;
}

bool
core_worker_at(const struct core *core, uint32_t index, struct worker_view *ret_worker)
{
    if (index >= core->workers.count) {
        return false;
    }
    const struct worker *worker = core->order[index];
    *ret_worker = (struct worker_view){ .link = worker->link,
        .name = worker->name,
        .zone = worker->zone,
        .incarnation = worker->incarnation,
        .state = roster_state(worker),
        .slots_count = worker->slots_count,
        .queue_max = worker->queue_max,
        .in_flight_count = worker->attempts.count,
        .running_count = worker->running_count,
        .queued_count = worker->queued_count,
        .rtt = worker->rtt,
        .up_at = worker->up_at,
        .heard_at = worker->heard_at,
        .done_count = worker->done_count,
        .handlers_mask = worker->handlers_mask };
    return true;
}

uint32_t
core_handlers_count(const struct core *core)
{
    return core->handlers_count;
}

void
core_handler_at(const struct core *core, uint32_t index, struct handler_view *ret_handler)
{
    CHECK(index < core->handlers_count);
    *ret_handler = core->handlers[index].counts;
    ret_handler->name = core->handlers[index].name;
    ret_handler->flags = core->handlers[index].flags;
    const struct learned *learned = &core->handlers[index].learned;
    ret_handler->learned_delay = learned->is_known ? learned->delay : duration_ns(-1);
    ret_handler->learned_median = learned->is_known ? learned->median : duration_ns(-1);
    ret_handler->order = core->handlers[index].order;
    ret_handler->hedge_mode = learn_mode(core, &core->handlers[index]);
    ret_handler->win_rate = core->handlers[index].yield.rate;
    ret_handler->is_throttled = core->handlers[index].yield.is_throttled;
    ret_handler->learned_probability = learned->is_known ? learned->probability : 0;
    ret_handler->samples_count = core->handlers[index].sketch.done_count;
}

const struct core_counters *
core_counters(const struct core *core)
{
    return &core->counters;
}

const struct attempt_view *
job_view_winner(const struct job_view *job)
{
    for (uint32_t i = 0; job->winner > 0 && i < job->attempts_count; i++) {
        if (job->attempts[i].number == job->winner) {
            return &job->attempts[i];
        }
    }
    return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "worker/agent_state.h"

#include <stdlib.h>

static void begin_on_fiber(void *arg);
static void run_on_fiber(void *arg);
static void end_on_fiber(struct work *work);

struct work *
agent_run_new(struct agent_port *port, const struct handler *handler,
    const struct wire_job *job, instant_t deadline)
{
    struct work *work = malloc(sizeof *work + job->bulk_size);
    if (work == NULL) {
        return NULL;
    }
    *work = (struct work){
        .agent = port->agent, .port = port, .handler = handler, .is_tied = job->is_tied
    };
    memcpy(work->content_type, job->content_type, sizeof work->content_type);
    memcpy(work->traceparent, job->traceparent, sizeof work->traceparent);
    if (job->bulk_size > 0) {
        memcpy(work->input, job->bulk, job->bulk_size);
    }
    work->run = (struct run){
        .handler = handler->name,
        .job = job->id.job,
        .attempt = job->id.attempt,
        .input = work->input,
        .input_size = job->bulk_size,
        .content_type = work->content_type,
        .traceparent = work->traceparent,
        .ctx = hr_ctx_new(NULL, deadline.ns),
        .cancel_grace = duration_ms(job->cancel_grace_ms),
        .result_size_max = WIRE_BULK_SIZE_MAX,
    };
    if (work->run.ctx == NULL) {
        free(work);
        return NULL;
    }
    return work;
}

void
agent_run_free(struct work *work)
{
    if (work == NULL) {
        return;
    }
    hr_ctx_rele(work->run.ctx);
    run_fini(&work->run);
    free(work);
}

void
agent_run_start(struct agent *agent, struct work *work)
{
    if (hr_go_ctx(work->run.ctx, begin_on_fiber, work, work->handler->name) == 0) {
        return;
    }
    struct attempts_farewell farewell = { .kind = FAREWELL_BUSY, .owner = work };
    agent_lock(agent);
    farewell.key = work->attempt->key;
    attempts_withdraw(agent->attempts, work->attempt);
    agent_unlock(agent);
    agent_say_farewell(agent, &farewell);
}

static void
begin_on_fiber(void *arg)
{
    struct work *work = arg;
    struct agent *agent = work->agent;
    instant_t now = clock_now();
    agent_lock(agent);
    const struct attempt *attempt = work->attempt;
    struct attempt_key key = attempt->key;
    duration_t queued = instant_since(now, attempt->received_at);
    work->has_begun = attempts_begin(agent->attempts, work->attempt, now);
    agent_unlock(agent);
    if (work->has_begun) {
        struct wire_msg msg = { .kind = work->is_tied ? WIRE_CLAIM : WIRE_STARTED };
        struct agent_port *port = agent_say_port(agent, &key, &msg.started.id);
        msg.started.queued_us = (uint64_t) duration_to_us(queued);
        (void) agent_say(agent, port, &msg);
        if (work->is_stalled) {
            (void) hr_sleep(agent->config.stall.ns); /* a stop shows in the ctx */
        }
    }
    /* A handler that sees to its own end must be able to wait after its ctx has ended, so
     * it goes on under the background. */
    bool is_to_run = work->has_begun && hr_ctx_err(work->run.ctx) == 0;
    if (is_to_run && (work->handler->flags & HANDLER_STOPS_ITSELF) != 0) {
        if (hr_go_ctx(NULL, run_on_fiber, work, work->handler->name) == 0) {
            return;
        }
        run_fail(&work->run, /* is_retryable= */ true, "too many fibers");
        is_to_run = false;
    }
    if (is_to_run) {
        run_on_fiber(work);
    } else {
        end_on_fiber(work);
    }
}

static void
run_on_fiber(void *arg)
{
    struct work *work = arg;
    work->handler->run(&work->run, work->handler->user);
    if (work->run.outcome == RUN_SILENT && hr_ctx_err(work->run.ctx) == 0) {
        run_fail(&work->run, /* is_retryable= */ false, "the handler returned without a word");
    }
    end_on_fiber(work);
}

static enum attempts_outcome
outcome_of(const struct run *run)
{
    switch (run->outcome) {
    case RUN_SILENT: return ATTEMPTS_NOTHING;
    case RUN_REPLIED: return ATTEMPTS_REPLIED;
    case RUN_FAILED_RETRYABLE:
    case RUN_FAILED_FINAL: return ATTEMPTS_FAILED;
    }
    CHECK_UNREACHABLE();
}

static void
end_on_fiber(struct work *work)
{
    struct agent *agent = work->agent;
    struct attempts_farewell farewell;
    const struct attempts_ending ending = { .outcome = outcome_of(&work->run),
        .cpu = duration_ns(work->run.cpu_ns),
        .at = clock_now() };
    agent_lock(agent);
    attempts_end(agent->attempts, work->attempt, &ending, &farewell);
    agent_unlock(agent);
    CHECK(farewell.owner == work);
    agent_say_result(work, &farewell);
    agent_run_free(work);
    agent_run_fill(agent);
    agent_say_load(agent, /* is_tick= */ false);
    agent_say_if_idle(agent);
}

void
agent_run_fill(struct agent *agent)
{
    for (;;) {
        struct attempts_farewell expired;
        agent_lock(agent);
        struct attempt *attempt = attempts_next(agent->attempts, clock_now(), &expired);
        struct work *next = attempt != NULL ? attempt->owner : NULL;
        agent_unlock(agent);
        if (next != NULL) {
            agent_run_start(agent, next);
        } else if (expired.kind != FAREWELL_NONE) {
            agent_say_farewell(agent, &expired);
        } else {
            return;
        }
    }
}

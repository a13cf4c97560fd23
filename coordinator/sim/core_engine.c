/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail_state.h"

#include <string.h>

static void take_commands(struct tail *tail);
static void acknowledge(struct tail *tail);

/* The job's number for the eye, and where its record lies. */
static job_id_t
id_of(const struct tail *tail, const struct tail_job *job)
{
    job_id_t id = { { 1 } };
    uint32_t index = pool_index(&tail->jobs, job);
    memcpy(id.bytes + 8, &job->number, sizeof job->number);
    memcpy(id.bytes + 12, &index, sizeof index);
    return id;
}

static struct tail_job *
job_of(const struct tail *tail, job_id_t id)
{
    uint32_t index;
    memcpy(&index, id.bytes + 12, sizeof index);
    return pool_at(&tail->jobs, index);
}

static void
step(struct tail *tail, const struct core_event *event)
{
    core_step(tail->core, tail->now, event);
    take_commands(tail);
}

static struct farm_task *
find_task(const struct tail_job *job, uint32_t attempt)
{
    LIST_FOR_EACH(node, &job->tasks)
    {
        struct farm_task *task = LIST_ENTRY(node, struct farm_task, on_owner);
        if (task->attempt == attempt) {
            return task;
        }
    }
    return NULL;
}

/* A closed worker is never heard of again, and its copies are the core's no more. */
static void
drop_worker(struct tail *tail, uint32_t worker)
{
    struct farm_worker *at = &tail->farm.workers[worker];
    struct list *lists[] = { &at->waiting, &at->queue, &at->running };
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        while (!list_is_empty(lists[i])) {
            struct list_node *node = list_last(lists[i]);
            tail_drop(tail, LIST_ENTRY(node, struct farm_task, on_worker), false);
        }
    }
}

static void
take_command(struct tail *tail, const struct core_command *command)
{
    struct tail_job *job = job_of(tail, command->job);
    switch (command->kind) {
    case COMMAND_SEND:
        tail_start(tail, job, (uint32_t) command->send.link - 1)->attempt =
            command->send.attempt;
        break;
    case COMMAND_CANCEL:
        CHECK(tail->acks_count < TAIL_TASKS_MAX);
        tail->acks_of[tail->acks_count] = job;
        tail->acks[tail->acks_count++] =
            (struct attempt_ref){ command->cancel.link, command->job, command->cancel.attempt };
        break;
    case COMMAND_ANSWER:
        tail_part_over(tail, job, command->answer.state == JOB_SUCCEEDED);
        break;
    case COMMAND_REFUSE:
        tail_part_over(tail, job, /* is_success= */ false);
        pool_give(&tail->jobs, job);
        break;
    case COMMAND_FORGET:
        CHECK(list_is_empty(&job->tasks));
        pool_give(&tail->jobs, job);
        break;
    case COMMAND_CLOSE_WORKER:
        drop_worker(tail, (uint32_t) command->close_worker.link - 1);
        break;
    case COMMAND_ACCEPT: break;
    }
}

static void
take_commands(struct tail *tail)
{
    struct core_command command;
    while (core_next_command(tail->core, &command)) {
        take_command(tail, &command);
    }
}

/* Losers stop at once: they say so in steps of their own. */
static void
acknowledge(struct tail *tail)
{
    while (tail->acks_count > 0) {
        struct attempt_ref ref = tail->acks[--tail->acks_count];
        struct farm_task *task = find_task(tail->acks_of[tail->acks_count], ref.attempt);
        if (task == NULL || tail->farm.workers[task->worker].is_stopped) {
            continue; /* it hears nothing */
        }
        struct core_event event = { .kind = EVENT_CANCEL_ACK,
            .cancel_ack = { .ref = ref, .fate = FATE_DEQUEUED } };
        if (task->is_running) {
            event.cancel_ack.fate = FATE_STOPPED;
            event.cancel_ack.ran = instant_since(tail->now, task->started_at);
        }
        tail_drop(tail, task, /* is_wasted= */ true);
        step(tail, &event);
    }
}

static err_t
raise_workers(struct tail *tail)
{
    static const struct handler_offer offer = { .name = "work", .flags = HANDLER_IDEMPOTENT };
    for (uint32_t i = 1; i <= tail->setup->workers_count; i++) {
        char name[] = "w00000";
        for (uint32_t digit = 5, left = i; digit > 0; digit--, left /= 10) {
            name[digit] = (char) ('0' + left % 10);
        }
        step(tail, &(struct core_event){ .kind = EVENT_WORKER_UP,
                       .worker_up = { .link = i,
                           .name = name,
                           .zone = "",
                           .incarnation = i,
                           .slots_count = tail->setup->slots_count,
                           .queue_max = tail->setup->queue_max,
                           .handlers = &offer,
                           .handlers_count = 1 } });
    }
    return ERR_OK;
}

err_t
core_engine_open(struct tail *tail)
{
    err_t err = core_new(&tail->setup->config, &tail->core);
    return err == ERR_OK ? raise_workers(tail) : err;
}

void
core_engine_submit(struct tail *tail, struct tail_job *job)
{
    const struct tail_setup *setup = tail->setup;
    step(tail, &(struct core_event){ .kind = EVENT_SUBMIT,
                   .submit = { .job = id_of(tail, job),
                       .handler = "work",
                       .timeout = setup->timeout,
                       .policy = { .mode = setup->mode,
                           .hedge_delay_is_set = setup->is_delay_set,
                           .hedge_delay = setup->delay,
                           .idempotent = 1 } } });
    acknowledge(tail);
}

void
core_engine_end(struct tail *tail, struct farm_task *task)
{
    struct tail_job *job = task->owner;
    struct core_event event = { .kind = EVENT_REPLY,
        .reply = { .ref = { task->worker + 1, id_of(tail, job), task->attempt },
            .ran = instant_since(tail->now, task->started_at),
            .blob = 1 } };
    tail_drop(tail, task, /* is_wasted= */ false);
    step(tail, &event);
    acknowledge(tail);
}

void
core_engine_heartbeat(struct tail *tail)
{
    for (uint32_t i = 0; i < tail->setup->workers_count; i++) {
        const struct farm_worker *worker = &tail->farm.workers[i];
        if (!worker->is_stopped) {
            step(tail, &(struct core_event){ .kind = EVENT_WORKER_LOAD,
                           .load = { .link = i + 1,
                               .running_count = worker->running.count,
                               .queued_count = worker->queue.count } });
            acknowledge(tail);
        }
    }
}

void
core_engine_timer(struct tail *tail)
{
    step(tail, &(struct core_event){ .kind = EVENT_TIMER });
    acknowledge(tail);
}

void
core_engine_worker_down(struct tail *tail, uint32_t worker)
{
    drop_worker(tail, worker);
    step(tail, &(struct core_event){ .kind = EVENT_WORKER_DOWN, .link = worker + 1 });
    acknowledge(tail);
}

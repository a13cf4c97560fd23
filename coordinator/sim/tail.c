/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail.h"

#include "common/pure/heap.h"
#include "common/pure/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_LIVE_MAX 20000
#define TASKS_MAX     (JOBS_LIVE_MAX * 2)

struct tail_task {
    struct heap_node node; /* key: its end */
    struct attempt_ref ref;
    instant_t started_at;
};

struct tail_job {
    instant_t arrived_at;
    struct tail_task *tasks[CORE_ATTEMPTS_MAX];
};

struct tail {
    const struct tail_setup *setup;
    struct core *core;
    struct rng rng;
    instant_t now;
    struct heap ends;
    struct pool tasks;
    struct tail_job *jobs;
    double *latencies_ms;
    struct attempt_ref *acks; /* copies that were told to stop in this step */
    uint32_t acks_count;
    uint32_t arrived_count;
    uint32_t answered_count;
    uint32_t succeeded_count;
    uint32_t stopped_worker; /* link; 0: none */
    double busy_ms;
    double wasted_ms;
    double delay_before_ms;
};

static job_id_t
id_of(uint32_t number)
{
    job_id_t id = { { 1 } };
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static uint32_t
number_of(job_id_t id)
{
    uint32_t number;
    memcpy(&number, id.bytes + 8, sizeof number);
    return number;
}

static void take_commands(struct tail *tail);

static void
step(struct tail *tail, const struct core_event *event)
{
    core_step(tail->core, tail->now, event);
    take_commands(tail);
}

/* The same luck for the same copy under every policy. */
static void
start_task(struct tail *tail, const struct core_command *command)
{
    uint32_t number = number_of(command->job);
    struct tail_task *task = pool_take(&tail->tasks);
    CHECK(task != NULL);
    task->ref = (struct attempt_ref){ command->send.link, command->job, command->send.attempt };
    task->started_at = tail->now;
    CHECK(command->send.attempt <= CORE_ATTEMPTS_MAX);
    tail->jobs[number].tasks[command->send.attempt - 1] = task;
    uint64_t mix = tail->setup->seed ^ ((uint64_t) number << 20 | command->send.link);
    struct rng luck;
    rng_init(&luck, rng_splitmix(&mix));
    double service_ms = law_draw_ms(&tail->setup->law, &luck);
    int64_t end_ns = tail->now.ns + (int64_t) (service_ms * 1e6);
    if (command->send.link == tail->stopped_worker) {
        end_ns = INT64_MAX;
    }
    heap_push(&tail->ends, &task->node, end_ns);
}

static void
drop_task(struct tail *tail, struct tail_task *task, bool is_wasted)
{
    double ran_ms = (double) instant_since(tail->now, task->started_at).ns * 1e-6;
    if (task->ref.link != tail->stopped_worker) {
        tail->busy_ms += ran_ms;
        tail->wasted_ms += is_wasted ? ran_ms : 0;
    }
    if (heap_node_is_in(&task->node)) {
        heap_remove(&tail->ends, &task->node);
    }
    tail->jobs[number_of(task->ref.job)].tasks[task->ref.attempt - 1] = NULL;
    pool_give(&tail->tasks, task);
}

static void
take_commands(struct tail *tail)
{
    struct core_command command;
    while (core_next_command(tail->core, &command)) {
        uint32_t number = number_of(command.job);
        switch (command.kind) {
        case COMMAND_SEND: start_task(tail, &command); break;
        case COMMAND_CANCEL:
            tail->acks[tail->acks_count++] = (struct attempt_ref){ command.cancel.link,
                command.job, command.cancel.attempt };
            break;
        case COMMAND_ANSWER:
            tail->succeeded_count += command.answer.state == JOB_SUCCEEDED;
            tail->latencies_ms[tail->answered_count++] =
                (double) instant_since(tail->now, tail->jobs[number].arrived_at).ns * 1e-6;
            break;
        case COMMAND_REFUSE: tail->latencies_ms[tail->answered_count++] = INFINITY; break;
        case COMMAND_ACCEPT:
        case COMMAND_CLOSE_WORKER:
        case COMMAND_FORGET: break;
        }
    }
}

/* Losers stop at once: they say so in steps of their own. */
static void
acknowledge(struct tail *tail)
{
    while (tail->acks_count > 0) {
        struct attempt_ref ref = tail->acks[--tail->acks_count];
        struct tail_task *task = tail->jobs[number_of(ref.job)].tasks[ref.attempt - 1];
        if (task == NULL) {
            continue;
        }
        if (ref.link == tail->stopped_worker) {
            continue; /* it hears nothing */
        }
        struct core_event event = { .kind = EVENT_CANCEL_ACK,
            .cancel_ack = { .ref = ref,
                .fate = FATE_STOPPED,
                .ran = instant_since(tail->now, task->started_at) } };
        drop_task(tail, task, /* is_wasted= */ true);
        step(tail, &event);
    }
}

static void
submit(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    uint32_t number = tail->arrived_count++;
    if (setup->stop_at_share > 0 &&
        number == (uint32_t) (setup->stop_at_share * setup->jobs_count)) {
        struct handler_view handler;
        core_handler_at(tail->core, 0, &handler);
        tail->delay_before_ms = (double) handler.learned_delay.ns * 1e-6;
        tail->stopped_worker = 1;
    }
    tail->jobs[number].arrived_at = tail->now;
    step(tail, &(struct core_event){ .kind = EVENT_SUBMIT,
                   .submit = { .job = id_of(number),
                       .handler = "work",
                       .timeout = duration_s(3600),
                       .policy = { .mode = setup->mode,
                           .hedge_delay_is_set = setup->is_delay_set,
                           .hedge_delay = setup->delay,
                           .race_count = setup->race_count,
                           .idempotent = 1 } } });
}

static double
rate_of(const struct tail_setup *setup)
{
    if (setup->rate_per_s > 0) {
        return setup->rate_per_s;
    }
    return setup->load * setup->workers_count * setup->slots_count * 1e3 /
           law_mean_ms(&setup->law);
}

static void
run(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    double gap_ns = 1e9 / rate_of(setup);
    instant_t arrival = tail->now;
    while (tail->answered_count < setup->jobs_count) {
        struct heap_node *node = heap_first(&tail->ends);
        instant_t end = { .ns = node != NULL ? node->key : INT64_MAX };
        instant_t wake = core_wake_at(tail->core);
        instant_t next = tail->arrived_count < setup->jobs_count ? arrival : INSTANT_NEVER;
        tail->now = instant_min(instant_min(end, wake), next);
        CHECK(!instant_is_never(tail->now));
        if (tail->now.ns == end.ns) {
            struct tail_task *task = CONTAINER_OF(node, struct tail_task, node);
            struct core_event event = { .kind = EVENT_REPLY,
                .reply = { .ref = task->ref,
                    .ran = instant_since(tail->now, task->started_at),
                    .blob = 1 } };
            drop_task(tail, task, /* is_wasted= */ false);
            step(tail, &event);
        } else if (tail->now.ns == wake.ns) {
            step(tail, &(struct core_event){ .kind = EVENT_TIMER });
        } else {
            submit(tail);
            arrival.ns += (int64_t) (-gap_ns * log1p(-rng_unit(&tail->rng)));
        }
        acknowledge(tail);
    }
}

static int
compare_doubles(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;
    return left < right ? -1 : left > right;
}

static void
report(struct tail *tail, struct tail_result *ret_result)
{
    struct handler_view handler;
    core_handler_at(tail->core, 0, &handler);
    uint32_t skip = tail->setup->jobs_count / 20; /* warming up */
    double *latencies = tail->latencies_ms + skip;
    uint32_t count = tail->answered_count - skip;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += latencies[i];
    }
    qsort(latencies, count, sizeof *latencies, compare_doubles);
    double primaries = (double) handler.attempts_count[ATTEMPT_PRIMARY];
    double hedges = (double) handler.attempts_count[ATTEMPT_HEDGE];
    double races = (double) handler.attempts_count[ATTEMPT_RACE];
    double span_ms = (double) tail->now.ns * 1e-6;
    *ret_result = (struct tail_result){ .mean_ms = sum / count,
        .p50_ms = latencies[(uint32_t) (0.5 * count)],
        .p95_ms = latencies[(uint32_t) (0.95 * count)],
        .p99_ms = latencies[(uint32_t) (0.99 * count)],
        .p999_ms = latencies[(uint32_t) (0.999 * count)],
        .max_ms = latencies[count - 1],
        .extra_pct = 100 * (hedges + races) / primaries,
        .wasted_pct = tail->busy_ms > 0 ? 100 * tail->wasted_ms / tail->busy_ms : 0,
        .hedge_pct = 100 * hedges / primaries,
        .win_pct = hedges > 0 ? 100 * (double) handler.hedge_wins_count / hedges : 0,
        .goodput = (double) tail->succeeded_count / tail->setup->jobs_count,
        .utilisation = tail->busy_ms / span_ms /
                       ((double) tail->setup->workers_count * tail->setup->slots_count),
        .delay_ms = (double) handler.learned_delay.ns * 1e-6,
        .delay_before_ms = tail->delay_before_ms };
}

static err_t
prepare(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    tail->jobs = calloc(setup->jobs_count, sizeof *tail->jobs);
    tail->latencies_ms = calloc(setup->jobs_count, sizeof *tail->latencies_ms);
    tail->acks = calloc(TASKS_MAX, sizeof *tail->acks);
    if (tail->jobs == NULL || tail->latencies_ms == NULL || tail->acks == NULL) {
        return ERR_NO_MEMORY;
    }
    err_t err = pool_init(&tail->tasks, sizeof(struct tail_task), TASKS_MAX);
    if (err == ERR_OK) {
        err = core_new(&setup->config, &tail->core);
    }
    if (err != ERR_OK) {
        return err;
    }
    static const struct handler_offer offer = { .name = "work", .flags = HANDLER_IDEMPOTENT };
    for (uint32_t i = 1; i <= setup->workers_count; i++) {
        char name[] = "w00000";
        for (uint32_t digit = 5, left = i; digit > 0; digit--, left /= 10) {
            name[digit] = (char) ('0' + left % 10);
        }
        step(tail, &(struct core_event){ .kind = EVENT_WORKER_UP,
                       .worker_up = { .link = i,
                           .name = name,
                           .zone = "",
                           .incarnation = i,
                           .slots_count = setup->slots_count,
                           .handlers = &offer,
                           .handlers_count = 1 } });
    }
    return ERR_OK;
}

err_t
tail_run(const struct tail_setup *setup, struct tail_result *ret_result)
{
    struct tail tail = { .setup = setup };
    rng_init(&tail.rng, setup->seed);
    heap_init(&tail.ends);
    err_t err = prepare(&tail);
    if (err == ERR_OK) {
        run(&tail);
        report(&tail, ret_result);
    }
    core_free(tail.core);
    pool_fini(&tail.tasks);
    free(tail.jobs);
    free(tail.latencies_ms);
    free(tail.acks);
    return err;
}

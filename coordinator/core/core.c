/* SPDX-License-Identifier: MIT */
#include "coordinator/core/core.h"

#include "coordinator/core/attempt.h"
#include "coordinator/core/job.h"
#include "coordinator/core/learn.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/pump.h"
#include "coordinator/core/race.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/samples.h"
#include "coordinator/core/state.h"

#include <stdlib.h>
#include <string.h>

const double core_latency_bounds_s[CORE_LATENCY_BUCKETS_COUNT - 1] = { 0.001, 0.002, 0.005,
    0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30 };

static bool config_is_valid(const struct core_config *config);
static uint32_t records_count(const struct core_config *config);
static uint32_t attempts_count(const struct core_config *config);
static uint32_t outbox_count(const struct core_config *config);
static err_t allocate(struct core *core);
static void run_timers(struct core *core);
static void take_event(struct core *core, const struct core_event *event);
static void take_worker_event(struct core *core, const struct core_event *event);

void
core_config_default(struct core_config *config)
{
    *config = (struct core_config){ .jobs_max = 4096,
        .finished_max = 10000,
        .finished_kept = duration_s(15 * 60),
        .workers_max = 1024,
        .handlers_max = HANDLERS_MAX,
        .timeout_default = duration_s(30),
        .timeout_max = duration_s(3600),
        .attempts_max = 2,
        .hedge_ratio = 0.05,
        .hedge_burst = 32,
        .hedges_live_share = 0.2,
        .hedge_work_burst = duration_s(10),
        .hedge_delay = duration_ns(-1),
        .hedge_mode = HEDGE_MODE_ECONOMY,
        .hedge_utilisation_max = 0.8,
        .hedge_policy = HEDGE_POLICY_SINGLER,
        .hedge_quantile = 0.95,
        .hedge_target = 0.99,
        .hedge_delay_min = duration_ms(1),
        .samples_max = 4096,
        .hedge_samples_min = 100,
        .heartbeat = duration_s(1),
        .heartbeats_missed_max = 3,
        .cancel_ack_max = duration_ms(250) };
}

static bool
config_is_valid(const struct core_config *config)
{
    return config->jobs_max > 0 && config->jobs_max <= 1u << 20 &&
           config->finished_max <= 1u << 20 && config->finished_kept.ns >= 0 &&
           config->workers_max > 0 && config->workers_max <= 1u << 20 &&
           config->handlers_max > 0 && config->handlers_max <= HANDLERS_MAX &&
           config->timeout_default.ns > 0 && config->timeout_max.ns > 0 &&
           config->attempts_max > 0 && config->attempts_max <= CORE_ATTEMPTS_MAX &&
           config->hedge_ratio >= 0 && config->hedge_ratio <= CORE_ATTEMPTS_MAX &&
           config->hedge_quantile > 0 && config->hedge_quantile < 1 &&
           config->hedge_target > 0 && config->hedge_target < 1 &&
           config->hedges_live_share >= 0 && config->hedges_live_share <= 1 &&
           config->hedge_delay_min.ns >= 0 && config->hedge_burst <= 1000000 &&
           config->samples_max <= 1u << 20 && config->hedge_work_burst.ns >= 0 &&
           (unsigned) config->hedge_mode < HEDGE_MODES_COUNT &&
           config->hedge_utilisation_max >= 0 && config->heartbeat.ns > 0 &&
           config->heartbeats_missed_max >= 2 && config->heartbeats_missed_max <= 1000 &&
           config->cancel_ack_max.ns > 0;
}

/* Live jobs, and terminal ones that are kept. */
static uint32_t
records_count(const struct core_config *config)
{
    return config->jobs_max + config->finished_max;
}

static uint32_t
attempts_count(const struct core_config *config)
{
    return records_count(config) * CORE_ATTEMPTS_MAX;
}

/* In one step every live job is answered and has all its copies told to stop, and what is
 * bounded for each step (sends, timers, records collected) comes on top. */
static uint32_t
outbox_count(const struct core_config *config)
{
    return config->jobs_max * (1 + CORE_ATTEMPTS_MAX) + SENDS_PER_STEP_MAX +
           2 * TIMERS_PER_STEP_MAX + FORGETS_MAX + 64;
}

size_t
core_memory_size(const struct core_config *config)
{
    return sizeof(struct core) + pool_memory_size(sizeof(struct job), records_count(config)) +
           pool_memory_size(sizeof(struct attempt), attempts_count(config)) +
           pool_memory_size(sizeof(struct worker), config->workers_max) +
           map_memory_size(records_count(config)) + 2 * map_memory_size(config->workers_max) +
           config->workers_max * sizeof(struct worker *) +
           config->handlers_max * sizeof(struct handler) + samples_memory_size(config) +
           outbox_count(config) * sizeof(struct core_command);
}

err_t
core_new(const struct core_config *config, struct core **ret_core)
{
    if (!config_is_valid(config)) {
        return ERR_RANGE;
    }
    struct core *core = calloc(1, sizeof *core);
    if (core == NULL) {
        return ERR_NO_MEMORY;
    }
    core->config = *config;
    err_t err = allocate(core);
    if (err != ERR_OK) {
        core_free(core);
        return err;
    }
    rng_init(&core->rng, config->seed);
    budget_init(&core->budget, config);
    list_init(&core->recent);
    list_init(&core->finished);
    list_init(&core->wanting);
    list_init(&core->doomed);
    heap_init(&core->timers);
    core->finished_timer.kind = TIMER_FINISHED;
    core->busy_timer.kind = TIMER_BUSY;
    core->freed_index = UINT32_MAX;
    *ret_core = core;
    return ERR_OK;
}

static err_t
allocate(struct core *core)
{
    const struct core_config *config = &core->config;
    core->outbox_max = outbox_count(config);
    core->outbox = calloc(core->outbox_max, sizeof *core->outbox);
    core->handlers = calloc(config->handlers_max, sizeof *core->handlers);
    core->order = calloc(config->workers_max, sizeof *core->order);
    core->samples = calloc(1, samples_memory_size(config) + 1);
    if (core->outbox == NULL || core->handlers == NULL || core->order == NULL ||
        core->samples == NULL) {
        return ERR_NO_MEMORY;
    }
    uint32_t records = records_count(config);
    const err_t errs[] = {
        pool_init(&core->jobs, sizeof(struct job), records),
        pool_init(&core->attempts, sizeof(struct attempt), attempts_count(config)),
        pool_init(&core->workers, sizeof(struct worker), config->workers_max),
        map_init(&core->job_by_id, records, config->seed),
        map_init(&core->worker_by_link, config->workers_max, config->seed),
        map_init(&core->worker_by_name, config->workers_max, config->seed),
    };
    for (size_t i = 0; i < ARRAY_COUNT(errs); i++) {
        if (errs[i] != ERR_OK) {
            return errs[i];
        }
    }
    return ERR_OK;
}

void
core_free(struct core *core)
{
    if (core == NULL) {
        return;
    }
    pool_fini(&core->jobs);
    pool_fini(&core->attempts);
    pool_fini(&core->workers);
    map_fini(&core->job_by_id);
    map_fini(&core->worker_by_link);
    map_fini(&core->worker_by_name);
    free(core->order);
    free(core->handlers);
    free(core->samples);
    free(core->outbox);
    free(core);
}

/* ---- one step ---- */

void
core_step(struct core *core, instant_t now, const struct core_event *event)
{
    CHECK(!instant_before(now, core->now));
    CHECK(core->outbox_taken == core->outbox_count); /* the last step's commands were taken */
    instant_t due = core_wake_at(core);
    learn_utilisation(core, now);
    core->now = now;
    core->outbox_count = 0;
    core->outbox_taken = 0;
    core->sends_count = 0;
    if (core->is_pump_behind) {
        core->is_pump_behind = false;
        core->needs_pump = true;
        core->is_pump_wide = true;
    }
    if (instant_since(now, due).ns > core->config.heartbeat.ns / 2) {
        roster_forgive(core);
    }
    run_timers(core); /* what is due comes first: a reply after the deadline is too late */
    take_event(core, event);
    job_reap_doomed(core);
    pump_run(core);
    job_collect_due(core);
    core->counters.hedge_tokens = bucket_tokens(&core->budget.number);
    core->counters.utilisation = core->utilisation;
    core->counters.hedge_work_s = (double) core->budget.work_us * 1e-6;
}

static void
run_timers(struct core *core)
{
    for (int i = 0; i < TIMERS_PER_STEP_MAX; i++) {
        struct heap_node *node = heap_first(&core->timers);
        if (node == NULL || node->key > core->now.ns) {
            return;
        }
        heap_remove(&core->timers, node);
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        switch (timer->kind) {
        case TIMER_JOB: job_on_timer(core, CONTAINER_OF(timer, struct job, timer)); break;
        case TIMER_ATTEMPT:
            attempt_on_timer(core, CONTAINER_OF(timer, struct attempt, ack_timer));
            break;
        case TIMER_WORKER:
            roster_on_timer(core, CONTAINER_OF(timer, struct worker, timer));
            break;
        case TIMER_BUSY: roster_on_busy_over(core); break;
        case TIMER_FINISHED: break; /* every step ends with collecting what is due */
        }
    }
}

static void
take_event(struct core *core, const struct core_event *event)
{
    struct job *job;
    switch (event->kind) {
    case EVENT_SUBMIT: job_submit(core, &event->submit); return;
    case EVENT_GONE:
    case EVENT_CANCEL:
        job = job_find(core, event->job.job);
        if (job != NULL && !job_is_over(job) && !(PLANTED(gone) && event->kind == EVENT_GONE)) {
            job_cancel(
                core, job, event->kind == EVENT_GONE ? CAUSE_CLIENT_GONE : event->job.cause);
        }
        return;
    case EVENT_STARTED: race_started(core, &event->ref); return;
    case EVENT_REPLY: race_reply(core, &event->reply); return;
    case EVENT_BUSY: race_busy(core, &event->ref); return;
    case EVENT_CANCEL_ACK: race_cancel_ack(core, &event->cancel_ack); return;
    case EVENT_HEDGING: job_set_hedging(core, &event->hedging); return;
    case EVENT_DRAIN: core->is_draining = true; return;
    case EVENT_TIMER: return;
    case EVENT_WORKER_UP:
    case EVENT_WORKER_DOWN:
    case EVENT_WORKER_LOAD:
    case EVENT_WORKER_DRAIN: take_worker_event(core, event); return;
    }
    CHECK_UNREACHABLE();
}

static void
take_worker_event(struct core *core, const struct core_event *event)
{
    if (event->kind == EVENT_WORKER_UP) {
        roster_up(core, &event->worker_up);
        return;
    }
    worker_link_t link = event->kind == EVENT_WORKER_LOAD ? event->load.link : event->link;
    struct worker *worker = roster_by_link(core, link);
    if (worker == NULL) {
        return; /* closed or replaced meanwhile */
    }
    if (event->kind == EVENT_WORKER_DOWN) {
        roster_lose(core, worker);
    } else if (event->kind == EVENT_WORKER_LOAD) {
        roster_load(core, worker, &event->load);
    } else {
        roster_hear(core, worker);
        roster_drain(core, worker);
    }
}

bool
core_next_command(struct core *core, struct core_command *ret_command)
{
    if (core->outbox_taken == core->outbox_count) {
        return false;
    }
    *ret_command = core->outbox[core->outbox_taken++];
    return true;
}

bool
core_accepts(
    const struct core *core, const struct event_submit *submit, struct core_command *ret_refuse)
{
    instant_t deadline;
    return job_is_acceptable(core, submit, ret_refuse, &deadline);
}

instant_t
core_wake_at(const struct core *core)
{
    if (core->is_pump_behind) {
        return core->now;
    }
    const struct heap_node *first = heap_first(&core->timers);
    return first != NULL ? (instant_t){ .ns = first->key } : INSTANT_NEVER;
}

/* ---- for the core's other files ---- */

struct core_command *
core_push(struct core *core, enum core_command_kind kind, job_id_t job)
{
    CHECK(core->outbox_count < core->outbox_max);
    struct core_command *command = &core->outbox[core->outbox_count++];
    *command = (struct core_command){ .kind = kind, .job = job };
    return command;
}

void
core_arm(struct core *core, struct timer *timer, instant_t when)
{
    if (instant_is_never(when)) {
        core_disarm(core, timer);
        return;
    }
    heap_move(&core->timers, &timer->node, when.ns);
}

void
core_disarm(struct core *core, struct timer *timer)
{
    if (heap_node_is_in(&timer->node)) {
        heap_remove(&core->timers, &timer->node);
    }
}

void
core_found_room(struct core *core, const struct worker *worker)
{
    if (core->freed_index != UINT32_MAX && core->freed_index != worker->order_index) {
        core->is_pump_wide = true;
    }
    core->freed_index = worker->order_index;
    core->needs_pump = true;
}

void
core_observe(struct latency_view *latency, duration_t value)
{
    double value_s = duration_to_s(value);
    uint32_t at = 0;
    while (at < CORE_LATENCY_BUCKETS_COUNT - 1 && value_s > core_latency_bounds_s[at]) {
        at++;
    }
    latency->buckets[at]++;
    latency->count++;
    latency->sum_s += value_s;
}

void
core_copy_text(char *to, size_t to_size, const char *from)
{
    size_t size = strnlen(from, to_size - 1);
    memcpy(to, from, size);
    to[size] = '\0';
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVICE_NS_MAX 1e15 /* a heavy tail's worst draws; past any deadline */

static err_t prepare(struct tail *tail);
static void run(struct tail *tail);
static void submit(struct tail *tail);
static void let_happen(struct tail *tail);
static void look(struct tail *tail);
static double mean_ms(const struct tail_setup *setup);
static double gap_ns(struct tail *tail);
static double draw_service_ms(struct tail *tail, const struct tail_job *job, struct rng *luck);
static void report(struct tail *tail, struct tail_result *ret_result);

err_t
tail_run(const struct tail_setup *setup, struct tail_result *ret_result)
{
    struct tail tail = { .setup = setup };
    err_t err = prepare(&tail);
    if (err == ERR_OK) {
        run(&tail);
        report(&tail, ret_result);
    }
    core_free(tail.core);
    farm_fini(&tail.farm);
    pool_fini(&tail.jobs);
    pool_fini(&tail.requests);
    free(tail.latencies_ms);
    free(tail.acks);
    free(tail.acks_of);
    return err;
}

static err_t
prepare(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    uint64_t seed = setup->seed;
    tail->seed_mixed = rng_splitmix(&seed);
    rng_init(&tail->rng, setup->seed);
    rng_init(&tail->rng_strangers, ~setup->seed);
    rng_init(&tail->rng_choice, setup->seed + 1);
    tail->stranger_at = setup->background > 0 ? tail->now : INSTANT_NEVER;
    tail->heartbeat_at = INSTANT_NEVER;
    tail->window_end = INSTANT_NEVER;
    tail->latencies_ms = calloc(setup->requests_count, sizeof *tail->latencies_ms);
    tail->acks = calloc(TAIL_TASKS_MAX, sizeof *tail->acks);
    tail->acks_of = calloc(TAIL_TASKS_MAX, sizeof(struct tail_job *));
    if (tail->latencies_ms == NULL || tail->acks == NULL || tail->acks_of == NULL) {
        return ERR_NO_MEMORY;
    }
    bool is_core = setup->engine == TAIL_CORE;
    uint32_t jobs_max = is_core ? TAIL_JOBS_MAX + TAIL_JOBS_KEPT + 64 : TAIL_PLAIN_MAX;
    const err_t errs[] = {
        farm_init(&tail->farm, setup->workers_count, setup->slots_count,
            is_core ? TAIL_TASKS_MAX : 2 * TAIL_PLAIN_MAX),
        pool_init(&tail->jobs, sizeof(struct tail_job), jobs_max + setup->parts_count),
        pool_init(&tail->requests, sizeof(struct tail_request), jobs_max + 1),
    };
    for (size_t i = 0; i < ARRAY_COUNT(errs); i++) {
        if (errs[i] != ERR_OK) {
            return errs[i];
        }
    }
    for (uint32_t i = 0; i < (uint32_t) lround(setup->slow_share * setup->workers_count); i++) {
        tail->farm.workers[i].slowness = setup->slow_factor;
    }
    if (is_core) {
        tail->heartbeat_at = instant_add(tail->now, setup->config.heartbeat);
        return core_engine_open(tail);
    }
    return ERR_OK;
}

static void
run(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    instant_t arrival = tail->now;
    while (tail->ended_count < setup->requests_count) {
        struct farm_task *task = farm_first(&tail->farm);
        instant_t end = { .ns = task != NULL ? task->end.key : INT64_MAX };
        instant_t wake = tail->core != NULL ? core_wake_at(tail->core) : INSTANT_NEVER;
        instant_t next = tail->arrived_count < setup->requests_count ? arrival : INSTANT_NEVER;
        instant_t other =
            instant_min(instant_min(tail->heartbeat_at, tail->stranger_at), tail->window_end);
        tail->now = instant_min(instant_min(end, wake), instant_min(next, other));
        CHECK(!instant_is_never(tail->now));
        if (tail->now.ns == end.ns) {
            if (farm_goes_on(&tail->farm, tail->now, task)) {
                continue;
            }
            if (task->owner == NULL) {
                farm_take(&tail->farm, tail->now, task, /* is_wasted= */ false);
            } else if (tail->core != NULL) {
                core_engine_end(tail, task);
            } else {
                plain_end(tail, task);
            }
        } else if (tail->now.ns == wake.ns) {
            core_engine_timer(tail);
        } else if (tail->now.ns == other.ns) {
            let_happen(tail);
        } else {
            submit(tail);
            arrival.ns += (int64_t) gap_ns(tail);
        }
    }
}

/* What is neither the jobs' nor the core's: strangers' work, heartbeats, windows. */
static void
let_happen(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    if (tail->now.ns == tail->stranger_at.ns) {
        uint32_t worker = rng_below(&tail->rng_strangers, setup->workers_count);
        double service_ms = law_draw_ms(&setup->law, &tail->rng_strangers);
        farm_put(&tail->farm, tail->now, worker, duration_ns((int64_t) (service_ms * 1e6)));
        double rate = setup->background * setup->workers_count * setup->slots_count;
        tail->stranger_at.ns +=
            (int64_t) (-mean_ms(setup) * 1e6 / rate * log1p(-rng_unit(&tail->rng_strangers)));
    } else if (tail->now.ns == tail->heartbeat_at.ns) {
        tail->heartbeat_at = instant_add(tail->now, setup->config.heartbeat);
        core_engine_heartbeat(tail);
    } else {
        look(tail);
    }
}

/* At the end of each window since the incident. */
static void
look(struct tail *tail)
{
    if (tail->window_arrived_count > 0 && tail->arrived_count < tail->setup->requests_count) {
        double dip = 1 - (double) tail->window_ended_count / tail->window_arrived_count;
        tail->dip = dip > tail->dip ? dip : tail->dip;
    }
    tail->window_arrived_count = 0;
    tail->window_ended_count = 0;
    tail->window_end = instant_add(tail->now, duration_s(TAIL_WINDOW_S));
    if (tail->core != NULL) {
        struct handler_view handler;
        core_handler_at(tail->core, 0, &handler);
        double delay_ms = (double) handler.learned_delay.ns * 1e-6;
        tail->delay_low_ms = fmin(tail->delay_low_ms, delay_ms);
        tail->delay_high_ms = fmax(tail->delay_high_ms, delay_ms);
    }
}

static void
have_incident(struct tail *tail)
{
    tail->had_incident = true;
    tail->window_end = instant_add(tail->now, duration_s(TAIL_WINDOW_S));
    if (tail->core != NULL) {
        struct handler_view handler;
        core_handler_at(tail->core, 0, &handler);
        tail->delay_before_ms = (double) handler.learned_delay.ns * 1e-6;
        tail->delay_low_ms = tail->delay_before_ms;
        tail->delay_high_ms = tail->delay_before_ms;
    }
    switch (tail->setup->incident) {
    case TAIL_NOTHING: return;
    case TAIL_STOP: farm_stop(&tail->farm, 0); return;
    case TAIL_SLOW: tail->farm.workers[0].slowness *= 10; return;
    case TAIL_KILL:
        if (tail->core != NULL) {
            core_engine_worker_down(tail, 0);
        }
        return;
    }
}

static void
submit(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    uint32_t number = tail->arrived_count++;
    uint32_t tenth = setup->requests_count / 10;
    if (setup->is_talkative && number % tenth == 0) {
        fprintf(stderr, "hedgerow-sim tail: %" PRIu32 " of %" PRIu32 "\n", number,
            setup->requests_count);
    }
    if (setup->incident != TAIL_NOTHING && !tail->had_incident &&
        number >= setup->incident_at * setup->requests_count) {
        have_incident(tail);
    }
    tail->window_arrived_count++;
    struct tail_request *request = pool_take(&tail->requests);
    CHECK(request != NULL);
    *request = (struct tail_request){ .arrived_at = tail->now,
        .left_count = setup->parts_count,
        .need_count = setup->need_count > 0 ? setup->need_count : setup->parts_count };
    for (uint32_t i = 0; i < setup->parts_count; i++) {
        struct tail_job *job = pool_take(&tail->jobs);
        if (job == NULL) { /* only without a core, far past the capacity */
            fputs("hedgerow-sim tail: the queues grew past all bounds\n", stderr);
            exit(EXIT_FAILURE);
        }
        *job = (struct tail_job){ .number = tail->jobs_count++, .request = request };
        list_init(&job->tasks);
        if (tail->core != NULL) {
            core_engine_submit(tail, job);
        } else {
            plain_submit(tail, job);
        }
    }
}

struct farm_task *
tail_start(struct tail *tail, struct tail_job *job, uint32_t worker)
{
    const struct tail_setup *setup = tail->setup;
    struct rng luck;
    job->copies_count++;
    double service_ns = draw_service_ms(tail, job, &luck) * 1e6;
    duration_t service = duration_ns((int64_t) fmin(service_ns, SERVICE_NS_MAX));
    struct farm_task *task;
    if (setup->wait_text != NULL) {
        double wait_ns = fmin(law_draw_ms(&setup->wait, &luck) * 1e6, SERVICE_NS_MAX);
        task = farm_put_behind(
            &tail->farm, tail->now, worker, service, duration_ns((int64_t) wait_ns));
    } else {
        task = farm_put(&tail->farm, tail->now, worker, service);
    }
    task->owner = job;
    list_append(&job->tasks, &task->on_owner);
    return task;
}

void
tail_drop(struct tail *tail, struct farm_task *task, bool is_wasted)
{
    if (task->owner != NULL) {
        struct tail_job *job = task->owner;
        list_remove(&job->tasks, &task->on_owner);
    }
    farm_take(&tail->farm, tail->now, task, is_wasted);
}

void
tail_part_over(struct tail *tail, struct tail_job *job, bool is_success)
{
    struct tail_request *request = job->request;
    CHECK(!job->is_over);
    job->is_over = true;
    job->request = NULL;
    request->left_count--;
    request->need_count -= is_success && request->need_count > 0;
    bool is_hopeless = request->need_count > request->left_count;
    if (!request->is_counted && (request->need_count == 0 || is_hopeless)) {
        request->is_counted = true;
        tail->ended_count++;
        if (!is_hopeless) {
            tail->window_ended_count++;
            tail->latencies_ms[tail->succeeded_count++] =
                (double) instant_since(tail->now, request->arrived_at).ns * 1e-6;
        }
    }
    if (request->left_count == 0) {
        pool_give(&tail->requests, request);
    }
}

/* ---- chance ---- */

static double
draw_service_ms(struct tail *tail, const struct tail_job *job, struct rng *luck)
{
    bool is_later = job->copies_count > 1;
    uint64_t number = job->number;
    const struct tail_setup *setup = tail->setup;
    uint64_t mix = tail->seed_mixed ^ (number << 20 | job->copies_count);
    rng_init(luck, rng_splitmix(&mix));
    if (setup->record != NULL) {
        const struct tail_record *record = setup->record;
        const double *quantiles_ms = is_later ? record->later_ms : record->first_ms;
        return quantiles_ms[(uint32_t) (rng_unit(luck) * record->quantiles_count)];
    }
    if (!setup->is_size_shared) {
        return law_draw_ms(&setup->law, luck);
    }
    uint64_t mix_job = tail->seed_mixed ^ number << 20;
    struct rng luck_job;
    rng_init(&luck_job, rng_splitmix(&mix_job));
    double base_ms = law_draw_base_ms(&setup->law, &luck_job);
    return base_ms * law_draw_factor(&setup->law, luck);
}

static double
mean_ms(const struct tail_setup *setup)
{
    return setup->record != NULL ? setup->record->mean_ms : law_mean_ms(&setup->law);
}

static double
gap_ns(struct tail *tail)
{
    const struct tail_setup *setup = tail->setup;
    if (setup->record != NULL && setup->record->gaps_count > 0) {
        return setup->record->gaps_ms[tail->arrived_count % setup->record->gaps_count] * 1e6;
    }
    double rate_per_ms = setup->rate_per_s * 1e-3;
    if (setup->rate_per_s <= 0) {
        rate_per_ms = setup->load * setup->workers_count * setup->slots_count / mean_ms(setup) /
                      setup->parts_count;
    }
    return -1e6 / rate_per_ms * log1p(-rng_unit(&tail->rng));
}

/* ---- the report ---- */

static int
compare_doubles(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;
    return left < right ? -1 : left > right;
}

static void
report_latencies(struct tail *tail, struct tail_result *ret_result)
{
    uint32_t skip = tail->succeeded_count / 20; /* warming up */
    double *latencies = tail->latencies_ms + skip;
    uint32_t count = tail->succeeded_count - skip;
    if (count == 0) {
        return;
    }
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += latencies[i];
    }
    qsort(latencies, count, sizeof *latencies, compare_doubles);
    ret_result->mean_ms = sum / count;
    ret_result->p50_ms = latencies[(uint32_t) (0.5 * count)];
    ret_result->p95_ms = latencies[(uint32_t) (0.95 * count)];
    ret_result->p99_ms = latencies[(uint32_t) (0.99 * count)];
    ret_result->p999_ms = latencies[(uint32_t) (0.999 * count)];
    ret_result->max_ms = latencies[count - 1];
}

static void
report_core(const struct tail *tail, struct tail_result *ret_result)
{
    struct handler_view handler;
    core_handler_at(tail->core, 0, &handler);
    double primaries = (double) handler.attempts_count[ATTEMPT_PRIMARY];
    double hedges = (double) handler.attempts_count[ATTEMPT_HEDGE];
    double races = (double) handler.attempts_count[ATTEMPT_RACE];
    if (primaries > 0) {
        ret_result->extra_pct = 100 * (hedges + races) / primaries;
        ret_result->hedge_pct = 100 * hedges / primaries;
    }
    ret_result->win_pct = hedges > 0 ? 100 * (double) handler.hedge_wins_count / hedges : 0;
    ret_result->delay_ms = (double) handler.learned_delay.ns * 1e-6;
    ret_result->delay_before_ms = tail->delay_before_ms;
    ret_result->delay_low_ms = tail->delay_low_ms;
    ret_result->delay_high_ms = tail->delay_high_ms;
    for (int i = 0; i < HEDGE_REFUSALS_COUNT; i++) {
        ret_result->refused_count[i] = handler.hedges_refused_count[i];
    }
}

static void
report(struct tail *tail, struct tail_result *ret_result)
{
    const struct tail_setup *setup = tail->setup;
    const struct farm *farm = &tail->farm;
    double span_ms = (double) tail->now.ns * 1e-6;
    double slots = (double) setup->workers_count * setup->slots_count;
    *ret_result = (struct tail_result){ .delay_ms = -1,
        .goodput = (double) tail->succeeded_count / setup->requests_count,
        .utilisation = span_ms > 0 ? farm->busy_ms / span_ms / slots : 0,
        .wasted_pct = farm->busy_ms > 0 ? 100 * farm->wasted_ms / farm->busy_ms : 0,
        .dip_pct = 100 * tail->dip };
    report_latencies(tail, ret_result);
    if (tail->core != NULL) {
        report_core(tail, ret_result);
    } else {
        ret_result->extra_pct = 100 * (double) tail->copies_count / tail->jobs_count;
    }
}

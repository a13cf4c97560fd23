/* SPDX-License-Identifier: MIT */
#include "coordinator/core/pump.h"

#include "coordinator/core/admit.h"
#include "coordinator/core/attempt.h"
#include "coordinator/core/job.h"
#include "coordinator/core/learn.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/tie.h"

/* Less than this is no useful time for a copy. */
#define USEFUL_MS_MIN 1

static void pump_queues(struct core *core);
static struct job *first_waiting(const struct core *core, uint64_t mask);
static void dispatch(struct core *core, struct job *job, struct worker *worker);
static void send_race(struct core *core, struct job *job);
static void arm_hedge(struct core *core, struct job *job);
static void pump_wanting(struct core *core);
static bool try_hedge(struct core *core, struct job *job);

void
pump_run(struct core *core)
{
    while (core->needs_pump) {
        core->needs_pump = false;
        pump_queues(core);
        if (core->is_pump_behind) {
            return;
        }
        pump_wanting(core);
        core->freed_index = UINT32_MAX;
        job_reap_doomed(core);
    }
}

static void
pump_queues(struct core *core)
{
    uint64_t mask = core->queues_mask; /* of the handlers that may still find room */
    bool is_wide = core->is_pump_wide || core->workers.count <= CHOICE_SCAN_MAX;
    core->is_pump_wide = false;
    struct job *job;
    while ((job = first_waiting(core, mask)) != NULL) {
        if (core->sends_count >= SENDS_PER_STEP_MAX) {
            core->is_pump_behind = true;
            return;
        }
        if (instant_reached(core->now, job->deadline) && !PLANTED(late)) {
            job_cancel(core, job, CAUSE_DEADLINE);
        } else {
            struct worker *worker =
                is_wide ? roster_choose(core, job, CHOICE_ANY) : roster_freed(core, job);
            if (worker != NULL && admit_is_hopeless(core, job)) {
                job_cancel(core, job, CAUSE_DEADLINE); /* the next one has a better chance */
            } else if (worker != NULL) {
                dispatch(core, job, worker);
            } else {
                mask &= ~(1ull << job->handler->index);
            }
        }
        mask &= core->queues_mask;
    }
}

/* Of all queues in the mask: the job with the earliest deadline. */
static struct job *
first_waiting(const struct core *core, uint64_t mask)
{
    struct heap_node *first = NULL;
    for (; mask != 0; mask &= mask - 1) {
        struct heap_node *node = heap_first(&core->handlers[__builtin_ctzll(mask)].queue);
        if (first == NULL || node->key < first->key) {
            first = node;
        }
    }
    return first != NULL ? CONTAINER_OF(first, struct job, on_queue) : NULL;
}

void
pump_unqueue(struct core *core, struct job *job)
{
    heap_remove(&job->handler->queue, &job->on_queue);
    if (job->handler->queue.count == 0) {
        core->queues_mask &= ~(1ull << job->handler->index);
    }
}

static void
dispatch(struct core *core, struct job *job, struct worker *worker)
{
    CHECK(job->live_count == 0);
    pump_unqueue(core, job);
    admit_on_dispatch(core, job->handler);
    job->has_token = false; /* spent on this copy, if it was a retry */
    tie_decide(core, job, worker);
    attempt_send(core, job, worker, job->wanted);
    if (job->mode == MODE_RACE && job->wanted == ATTEMPT_PRIMARY) {
        send_race(core, job);
    }
    arm_hedge(core, job);
    job_rearm(core, job);
}

/* The other copies of a race leave with the first, as many as find a free slot. */
static void
send_race(struct core *core, struct job *job)
{
    if (!job->is_idempotent && !PLANTED(twin)) {
        pump_refuse_hedge(core, job, HEDGE_NOT_IDEMPOTENT);
        return;
    }
    for (uint32_t i = 1; i < job->race_count; i++) {
        struct worker *worker = roster_choose(core, job, CHOICE_FREE_SLOT);
        if (worker == NULL) {
            pump_refuse_hedge(core, job, HEDGE_NO_SPARE_WORKER);
            return;
        }
        attempt_send(core, job, worker, ATTEMPT_RACE);
    }
}

static void
arm_hedge(struct core *core, struct job *job)
{
    job->hedge_at = INSTANT_NEVER;
    if (job->charged_count >= job->attempts_max && !PLANTED(attempts)) {
        return;
    }
    duration_t delay = learn_delay(core, job);
    if (job->mode == MODE_HEDGE && learn_mode(core, job->handler) == HEDGE_MODE_OFF) {
        pump_refuse_hedge(core, job, HEDGE_OFF);
    }
    if (delay.ns >= 0) {
        job->hedge_delay = delay;
        job->hedge_at = PLANTED(hurry) ? core->now : instant_add(core->now, delay);
    }
}

void
pump_want_hedge(struct core *core, struct job *job)
{
    CHECK(job->live_count > 0);
    job->hedge_at = INSTANT_NEVER;
    if (job->charged_count >= job->attempts_max && !PLANTED(attempts)) {
        return; /* a tie took its place */
    }
    if (!list_node_is_in(&job->on_wanting)) {
        list_append(&core->wanting, &job->on_wanting);
        try_hedge(core, job);
    }
}

static void
pump_wanting(struct core *core)
{
    /* What waits for a slot: oldest first, it has the most to gain.  What waits for budget:
     * newest first; else one bad moment makes every later hedge late, instead of a few. */
    bool is_starved = core->is_starved;
    core->is_starved = false;
    struct list_node *node =
        is_starved ? list_last(&core->wanting) : list_first(&core->wanting);
    for (uint32_t i = 0; i < WANTING_SCAN_MAX && node != NULL; i++) {
        struct job *job = LIST_ENTRY(node, struct job, on_wanting);
        node = is_starved ? list_prev(&core->wanting, node) : list_next(&core->wanting, node);
        if (core->sends_count >= SENDS_PER_STEP_MAX ||
            (!try_hedge(core, job) && core->is_starved)) {
            return;
        }
    }
}

static enum hedge_refusal
find_rival(struct core *core, const struct job *job, struct worker **ret_worker)
{
    if (!job->is_idempotent) {
        return HEDGE_NOT_IDEMPOTENT;
    }
    if (learn_mode(core, job->handler) == HEDGE_MODE_OFF && !PLANTED(off)) {
        return HEDGE_OFF;
    }
    if (instant_until(core->now, job->deadline).ns <= duration_ms(USEFUL_MS_MIN).ns ||
        learn_is_too_late(core, job)) {
        return HEDGE_DEADLINE_TOO_CLOSE;
    }
    if (heap_first(&job->handler->queue) != NULL || learn_is_too_busy(core, job)) {
        return HEDGE_OVERLOAD;
    }
    struct worker *worker = roster_choose(core, job, CHOICE_FREE_SLOT);
    if (worker == NULL) {
        return HEDGE_NO_SPARE_WORKER;
    }
    if (learn_spares_hedge(core, job->handler)) {
        return HEDGE_NOT_PAYING;
    }
    if (!PLANTED(budget) && !budget_takes_hedge(core)) {
        return HEDGE_BUDGET;
    }
    *ret_worker = worker;
    return HEDGE_NOT_REFUSED;
}

/* False: it still wants one, or never will. */
static bool
try_hedge(struct core *core, struct job *job)
{
    struct worker *worker = NULL;
    enum hedge_refusal refusal = find_rival(core, job, &worker);
    if (refusal != HEDGE_NOT_REFUSED) {
        pump_refuse_hedge(core, job, refusal);
        if (refusal == HEDGE_NOT_IDEMPOTENT || refusal == HEDGE_DEADLINE_TOO_CLOSE ||
            refusal == HEDGE_NOT_PAYING || refusal == HEDGE_OFF) {
            list_remove(&core->wanting, &job->on_wanting);
        }
        return false;
    }
    list_remove(&core->wanting, &job->on_wanting);
    job->hedge_refusal = HEDGE_NOT_REFUSED;
    job->hedge_refused_at = INSTANT_NEVER;
    attempt_send(core, job, worker, ATTEMPT_HEDGE);
    arm_hedge(core, job);
    job_rearm(core, job);
    return true;
}

void
pump_refuse_hedge(struct core *core, struct job *job, enum hedge_refusal why)
{
    if (job->hedge_refusal == why) {
        return; /* told and counted already */
    }
    job->hedge_refusal = why;
    job->hedge_refused_at = core->now;
    job->handler->counts.hedges_refused_count[why]++;
}

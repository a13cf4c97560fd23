/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail_state.h"

/* What others do: no core, a queue at each worker. */

static uint32_t choose(struct tail *tail);

static uint32_t
shorter(struct tail *tail, uint32_t a, uint32_t b)
{
    return farm_load_count(&tail->farm, b) < farm_load_count(&tail->farm, a) ? b : a;
}

static uint32_t
choose(struct tail *tail)
{
    uint32_t count = tail->setup->workers_count;
    uint32_t worker = rng_below(&tail->rng_choice, count);
    if (tail->setup->engine == TAIL_P2C) {
        return shorter(tail, worker, rng_below(&tail->rng_choice, count));
    }
    if (tail->setup->engine == TAIL_JSQ) {
        for (uint32_t i = 0, from = worker; i < count; i++) {
            worker = shorter(tail, worker, (from + i) % count);
        }
    }
    return worker;
}

void
plain_submit(struct tail *tail, struct tail_job *job)
{
    uint32_t first = choose(tail);
    tail_start(tail, job, first);
    uint32_t count = tail->setup->workers_count;
    if (tail->setup->engine == TAIL_TWICE && count > 1) {
        uint32_t second = (first + 1 + rng_below(&tail->rng_choice, count - 1)) % count;
        tail_start(tail, job, second);
        tail->copies_count++;
    }
}

void
plain_end(struct tail *tail, struct farm_task *task)
{
    struct tail_job *job = task->owner;
    tail_drop(tail, task, /* is_wasted= */ false);
    while (!list_is_empty(&job->tasks)) {
        struct list_node *node = list_first(&job->tasks);
        tail_drop(tail, LIST_ENTRY(node, struct farm_task, on_owner), /* is_wasted= */ true);
    }
    duration_t timeout = tail->setup->timeout;
    instant_t arrived_at = job->request->arrived_at;
    bool is_late = timeout.ns > 0 && instant_since(tail->now, arrived_at).ns > timeout.ns;
    tail_part_over(tail, job, !is_late);
    pool_give(&tail->jobs, job);
}

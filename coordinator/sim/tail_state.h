/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/tail_state.h - one run of `tail`: what its engines share.
 */
#ifndef COORDINATOR_SIM_TAIL_STATE_H
#define COORDINATOR_SIM_TAIL_STATE_H

#include "coordinator/sim/farm.h"
#include "coordinator/sim/tail.h"

#define TAIL_JOBS_MAX  20000 /* live */
#define TAIL_JOBS_KEPT 64
#define TAIL_TASKS_MAX (8 * TAIL_JOBS_MAX)
#define TAIL_PLAIN_MAX 400000 /* live jobs where nothing refuses any */
#define TAIL_WINDOW_S  1

/* A request's part. */
struct tail_job {
    uint32_t number;
    struct tail_request *request;
    struct list tasks;
    uint32_t copies_count; /* ever started */
    bool is_over;
};

struct tail_request {
    instant_t arrived_at;
    uint32_t left_count; /* parts that are not answered */
    uint32_t need_count; /* of them */
    bool is_counted;
};

struct tail {
    const struct tail_setup *setup;
    struct core *core; /* TAIL_CORE */
    struct rng rng;    /* of arrivals */
    struct rng rng_strangers;
    struct rng rng_choice; /* plain.c */
    uint64_t seed_mixed;
    instant_t now;
    struct farm farm;
    struct pool jobs;
    struct pool requests;
    double *latencies_ms; /* of requests that succeeded, in their order */
    uint32_t succeeded_count;
    uint32_t ended_count;
    uint32_t arrived_count;   /* requests */
    uint32_t jobs_count;      /* parts that arrived */
    uint32_t copies_count;    /* plain.c: beyond the first */
    struct attempt_ref *acks; /* copies that were told to stop in this step */
    struct tail_job **acks_of;
    uint32_t acks_count;
    instant_t heartbeat_at;
    instant_t stranger_at;
    /* The worst window since the incident. */
    instant_t window_end;
    uint32_t window_arrived_count;
    uint32_t window_ended_count;
    bool had_incident;
    double dip;
    double delay_before_ms;
    double delay_low_ms;
    double delay_high_ms;
};

/* A part's next copy, at this worker: the same luck for it under every policy. */
struct farm_task *tail_start(struct tail *tail, struct tail_job *job, uint32_t worker);
/* Remove a copy. */
void tail_drop(struct tail *tail, struct farm_task *task, bool is_wasted);
/* A part is answered. */
void tail_part_over(struct tail *tail, struct tail_job *job, bool is_success);

/* The two engines: a part arrives; a copy ended; is there anything else at that time? */
void core_engine_submit(struct tail *tail, struct tail_job *job);
void core_engine_end(struct tail *tail, struct farm_task *task);
err_t core_engine_open(struct tail *tail) MUST_USE;
void core_engine_heartbeat(struct tail *tail);
void core_engine_timer(struct tail *tail);
void core_engine_worker_down(struct tail *tail, uint32_t worker);

void plain_submit(struct tail *tail, struct tail_job *job);
void plain_end(struct tail *tail, struct farm_task *task);

#endif

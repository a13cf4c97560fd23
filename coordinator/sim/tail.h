/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/tail.h - `hedgerow-sim tail`: what a policy does to a workload's latency.
 *
 * The service's own core with workers that have slots and draw their service times from a
 * law; no network, no faults, open-loop Poisson arrivals.  The service time of a copy is
 * decided by seed, job and worker, so every policy meets the same luck.
 */
#ifndef COORDINATOR_SIM_TAIL_H
#define COORDINATOR_SIM_TAIL_H

#include "common/pure/err.h"
#include "coordinator/core/core.h"
#include "coordinator/sim/law.h"

struct tail_setup {
    const char *workload;
    const char *policy;
    struct law law;
    uint32_t workers_count;
    uint32_t slots_count;
    double rate_per_s; /* arrivals; 0: by load */
    double load;       /* of all slots */
    double budget;     /* extra copies for each primary */
    uint32_t burst;
    uint32_t jobs_count;
    uint64_t seed;
    double stop_at_share; /* a worker stops when so many of the jobs came; 0: never */
    enum job_mode mode;   /* from here on: set by tail_choose_policy() */
    bool is_delay_set;
    duration_t delay;
    uint32_t race_count;
    bool is_unbounded; /* no budget */
    struct core_config config;
};

struct tail_result {
    double mean_ms;
    double p50_ms;
    double p95_ms;
    double p99_ms;
    double p999_ms;
    double max_ms;
    double extra_pct;
    double wasted_pct;
    double hedge_pct;
    double win_pct;
    double goodput;
    double utilisation;
    double delay_ms;        /* learned at the end; negative: none */
    double delay_before_ms; /* before the worker stopped */
};

/* T1 ...; NULL fields of setup are filled in.  Errors: NOT_FOUND, INVALID. */
err_t tail_choose_workload(struct tail_setup *setup, const char *name) MUST_USE;
err_t tail_choose_policy(struct tail_setup *setup, const char *name) MUST_USE;
/* Errors: NO_MEMORY. */
err_t tail_run(const struct tail_setup *setup, struct tail_result *ret_result) MUST_USE;

/* The subcommand. */
int tail_main(int argc, char **argv);

#endif

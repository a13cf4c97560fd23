/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/tail.h - `hedgerow-sim tail`: what a policy does to a workload's latency.
 *
 * The service's own core with workers that have slots and draw their service times from a
 * law; no network, no faults but the one that the workload names, open-loop arrivals.  The
 * service time of a copy is decided by seed, job and which of its copies it is, so that every
 * policy meets the same luck.
 *
 *   arrivals --> core --SEND--> farm --ends--> REPLY --> core --ANSWER--> latencies
 *          '---> plain -------> farm --ends-------------> plain --------> latencies
 *
 * plain.c has what others do, for comparison: each worker with a queue of its own, and a
 * dispatcher that chooses by chance, of two, or the shortest queue, or sends everything
 * twice.  It shares all but the core.
 *
 * A request may have many parts (each one a job): it is answered when need_count of them are.
 * `background` is a load that reaches the workers past this coordinator, which cannot see it.
 */
#ifndef COORDINATOR_SIM_TAIL_H
#define COORDINATOR_SIM_TAIL_H

#include "common/pure/err.h"
#include "common/pure/law.h"
#include "coordinator/core/core.h"

enum tail_incident {
    TAIL_NOTHING,
    TAIL_STOP, /* the first worker hears and does nothing more */
    TAIL_KILL, /* its link goes down */
    TAIL_SLOW  /* it takes ten times as long */
};

enum tail_engine {
    TAIL_CORE,
    TAIL_RANDOM,
    TAIL_P2C,  /* the shorter queue of two random ones */
    TAIL_JSQ,  /* the shortest of all */
    TAIL_TWICE /* two random workers; the loser is stopped */
};

/* What was recorded, to be played again: see record.h. */
struct tail_record {
    const double *gaps_ms; /* between arrivals, in their order */
    uint32_t gaps_count;
    /* Of service: quantiles, evenly spaced; of first copies, and of later ones. */
    const double *first_ms;
    const double *later_ms;
    uint32_t quantiles_count;
    double mean_ms;
};

struct tail_setup {
    const char *workload;
    const char *policy;
    struct law law;
    const struct tail_record *record; /* NULL: law and Poisson arrivals */
    /* A law of how long a copy stands behind others' work on its worker; NULL: not at all. */
    const char *wait_text;
    struct law wait;
    bool is_size_shared; /* the copies of a job draw the law's base once */
    uint32_t workers_count;
    uint32_t slots_count;
    uint32_t queue_max; /* behind the slots of a worker, for the core's own jobs */
    double rate_per_s;  /* requests; 0: by load */
    double load;        /* of all slots */
    double background;  /* more of it, by strangers */
    uint32_t parts_count;
    uint32_t need_count; /* 0: all */
    double slow_share;   /* of the workers, slow_factor times as slow */
    double slow_factor;
    duration_t timeout; /* zero: the core's */
    enum tail_incident incident;
    double incident_at; /* share of the requests */
    double budget;      /* extra copies for each primary */
    uint32_t burst;
    uint32_t requests_count;
    uint64_t seed;
    bool is_talkative; /* a line on stderr each tenth */
    /* From here on: set by tail_choose_policy(). */
    enum tail_engine engine;
    enum job_mode mode;
    bool is_delay_set;
    duration_t delay;
    bool is_unbounded; /* no budget */
    struct core_config config;
};

struct tail_result {
    double mean_ms; /* as all times: of the requests that succeeded */
    double p50_ms;
    double p95_ms;
    double p99_ms;
    double p999_ms;
    double max_ms;
    double extra_pct;  /* copies beyond the first, of the primaries */
    double wasted_pct; /* losers' time, of all time */
    double hedge_pct;
    double win_pct;
    double goodput; /* share of the requests that succeeded in time */
    double utilisation;
    double dip_pct;         /* the worst second after the incident, answers to arrivals */
    double delay_ms;        /* learned, at the end; negative: none */
    double delay_before_ms; /* at the incident */
    double delay_low_ms;    /* since then */
    double delay_high_ms;
    uint64_t refused_count[HEDGE_REFUSALS_COUNT];
};

/* The workloads by name, T1 ...  Errors: NOT_FOUND. */
err_t workload_choose(struct tail_setup *setup, const char *name) MUST_USE;
void workload_print_all(void);
/* Errors: NOT_FOUND. */
err_t tail_choose_policy(struct tail_setup *setup, const char *name) MUST_USE;
/* What the core is told, once everything is known. */
void tail_finish_setup(struct tail_setup *setup);
/* Errors: NO_MEMORY, RANGE. */
err_t tail_run(const struct tail_setup *setup, struct tail_result *ret_result) MUST_USE;
/* One line of JSON, without its end; all: also what is not in the list. */
void
tail_print(const struct tail_setup *setup, const struct tail_result *result, bool is_detailed);

/* The subcommand. */
int tail_main(int argc, char **argv);

#endif

/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

struct workload {
    const char *name;
    const char *service;
    uint32_t workers_count;
    uint32_t slots_count;
    double rate_per_s;
    double load;
    double stop_at_share;
    const char *text;
};

static const struct workload workloads[] = {
    { "T1", "lognormal:5,2;0.05x10", 10, 1000000, 1000, 0, 0, "no queueing, 5 % x 10" },
    { "T4", "exp:0.025;0.01x15", 6, 16, 0, 0.5, 0, "NetClone: Exp(25 us), 1 % x 15" },
    { "T4b", "bimodal:0.9,0.025,0.25;0.01x15", 6, 16, 0, 0.5, 0, "NetClone: 90/10" },
    { "T4c", "exp:0.05;0.01x15", 6, 16, 0, 0.5, 0, "NetClone: Exp(50 us)" },
    { "T4d", "bimodal:0.9,0.05,0.5;0.01x15", 6, 16, 0, 0.5, 0, "NetClone: 50/500" },
    { "T6", "lognormal:199,94.3", 8, 1, 0, 0.875, 0, "no tail at all" },
    { "T8", "lognormal:5,2;0.05x10", 3, 16, 0, 0.3, 0.5, "a worker stops half-way" },
};

static void
print_usage(FILE *out)
{
    fputs("usage: hedgerow-sim tail --workload NAME --policy NAME [--load R] [--budget PCT] "
          "[--burst N]\n"
          "                         [--jobs N] [--seed S] [--service LAW] [--workers N]\n"
          "                         [--slots N]\n\n"
          "  Run N jobs of a workload through the core in virtual time and print one line of\n"
          "  JSON.  Policies: none, static:MS, quantile, singler, laedge, latency, race:N,\n"
          "  default (what the service ships).  Laws: const:MS exp:MEAN lognormal:MEAN,SD\n"
          "  pareto:ALPHA,MIN bimodal:SHARE,A,B, with ;PxF behind.  Workloads:\n\n",
        out);
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        fprintf(out, "  %-5s %-32s %u x %u slots  %s\n", workloads[i].name,
            workloads[i].service, workloads[i].workers_count, workloads[i].slots_count,
            workloads[i].text);
    }
}

err_t
tail_choose_workload(struct tail_setup *setup, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        if (strcmp(workloads[i].name, name) == 0) {
            setup->workload = workloads[i].name;
            setup->workers_count = workloads[i].workers_count;
            setup->slots_count = workloads[i].slots_count;
            setup->rate_per_s = workloads[i].rate_per_s;
            setup->load = workloads[i].load;
            setup->stop_at_share = workloads[i].stop_at_share;
            return law_parse(workloads[i].service, &setup->law);
        }
    }
    return ERR_NOT_FOUND;
}

err_t
tail_choose_policy(struct tail_setup *setup, const char *name)
{
    core_config_default(&setup->config);
    setup->policy = name;
    setup->mode = MODE_HEDGE;
    setup->is_delay_set = false;
    double number = 0;
    if (strcmp(name, "none") == 0) {
        setup->mode = MODE_SINGLE;
    } else if (strcmp(name, "laedge") == 0 || strcmp(name, "latency") == 0) {
        setup->is_delay_set = true;
        setup->delay = DURATION_ZERO;
        setup->is_unbounded = true;
    } else if (sscanf(name, "static:%lf", &number) == 1 && number >= 0) {
        setup->is_delay_set = true;
        setup->delay = duration_ns((int64_t) (number * 1e6));
    } else if (sscanf(name, "race:%lf", &number) == 1 && number >= 1) {
        setup->mode = MODE_RACE;
        setup->race_count = (uint32_t) number;
    } else if (strcmp(name, "quantile") == 0) {
        setup->config.hedge_quantile = 1 - setup->budget;
        setup->config.hedge_delay_min = duration_us(10);
    } else if (strcmp(name, "singler") == 0) {
        setup->config.hedge_policy = HEDGE_POLICY_SINGLER;
        setup->config.hedge_quantile = 1 - setup->budget;
        setup->config.hedge_delay_min = duration_us(10);
    } else if (strcmp(name, "default") != 0) {
        return ERR_NOT_FOUND;
    }
    return ERR_OK;
}

/* What the core is told, once everything is known. */
static void
set_config(struct tail_setup *setup)
{
    struct core_config *config = &setup->config;
    config->seed = setup->seed;
    config->jobs_max = 20000;
    config->finished_max = 64;
    config->workers_max = setup->workers_count;
    config->handlers_max = 1;
    config->heartbeat = duration_s(1000000);
    config->hedge_ratio = setup->is_unbounded ? CORE_ATTEMPTS_MAX : setup->budget;
    config->hedge_burst = setup->is_unbounded ? 1000000 : setup->burst;
}

static bool
parse_number(const char *text, double *ret_number)
{
    char *end;
    *ret_number = strtod(text, &end);
    return *text != '\0' && *end == '\0' && *ret_number >= 0;
}

static bool
parse_option(struct tail_setup *setup, const char *option, const char *value)
{
    double number = 0;
    if (strcmp(option, "--workload") == 0) {
        return tail_choose_workload(setup, value) == ERR_OK;
    }
    if (strcmp(option, "--policy") == 0) {
        setup->policy = value;
        return true;
    }
    if (strcmp(option, "--service") == 0) {
        setup->workload = value;
        setup->rate_per_s = 0;
        return law_parse(value, &setup->law) == ERR_OK;
    }
    if (!parse_number(value, &number)) {
        return false;
    }
    if (strcmp(option, "--load") == 0) {
        setup->load = number;
        setup->rate_per_s = 0;
    } else if (strcmp(option, "--budget") == 0) {
        setup->budget = number / 100;
    } else if (strcmp(option, "--jobs") == 0 && number >= 100) {
        setup->jobs_count = (uint32_t) number;
    } else if (strcmp(option, "--burst") == 0 && number <= 1000000) {
        setup->burst = (uint32_t) number;
    } else if (strcmp(option, "--seed") == 0) {
        setup->seed = (uint64_t) number;
    } else if (strcmp(option, "--workers") == 0 && number >= 1 && number <= 10000) {
        setup->workers_count = (uint32_t) number;
    } else if (strcmp(option, "--slots") == 0 && number >= 1) {
        setup->slots_count = (uint32_t) number;
    } else {
        return false;
    }
    return true;
}

static void
print_result(const struct tail_setup *setup, const struct tail_result *result)
{
    printf(
        "{\"workload\":\"%s\",\"policy\":\"%s\",\"load\":%g,\"budget_pct\":%g,\"jobs\":%" PRIu32
        ",\"seed\":%" PRIu64,
        setup->workload, setup->policy, setup->load, 100 * setup->budget, setup->jobs_count,
        setup->seed);
    printf(",\"mean_ms\":%.6g,\"p50_ms\":%.5g,\"p95_ms\":%.5g,\"p99_ms\":%.5g,"
           "\"p999_ms\":%.5g,\"max_ms\":%.5g",
        result->mean_ms, result->p50_ms, result->p95_ms, result->p99_ms, result->p999_ms,
        result->max_ms);
    printf(",\"extra_pct\":%.4g,\"wasted_pct\":%.4g,\"hedge_pct\":%.4g,\"win_pct\":%.4g,"
           "\"goodput\":%.6g,\"utilisation\":%.4g",
        result->extra_pct, result->wasted_pct, result->hedge_pct, result->win_pct,
        result->goodput, result->utilisation);
    printf(",\"delay_ms\":%.5g,\"delay_before_ms\":%.5g}\n", result->delay_ms,
        result->delay_before_ms);
}

int
tail_main(int argc, char **argv)
{
    struct tail_setup setup = { .policy = "default",
        .budget = 0.05,
        .burst = 10,
        .jobs_count = 200000,
        .seed = 1,
        .workers_count = 3,
        .slots_count = 1,
        .load = 0.5 };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc || !parse_option(&setup, argv[i], argv[i + 1])) {
            fprintf(stderr, "hedgerow-sim tail: not understood: %s %s\n", argv[i],
                i + 1 < argc ? argv[i + 1] : "");
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (setup.workload == NULL || tail_choose_policy(&setup, setup.policy) != ERR_OK) {
        fputs("hedgerow-sim tail: a workload or service, and a known policy, are needed\n",
            stderr);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    set_config(&setup);
    struct tail_result result;
    if (tail_run(&setup, &result) != ERR_OK) {
        fputs("hedgerow-sim tail: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    print_result(&setup, &result);
    return EXIT_SUCCESS;
}

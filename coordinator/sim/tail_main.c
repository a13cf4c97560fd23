/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE    2
#define JOBS_TALK_MIN 2000000 /* a run of so many says how far it is */

static void
print_usage(FILE *out)
{
    fputs(
        "usage: hedgerow-sim tail --workload NAME --policy NAME [OPTION]...\n"
        "       hedgerow-sim tail --service LAW [--workers N] [--slots N] --policy NAME ...\n\n"
        "  Run a workload through the core in virtual time and print one line of JSON.\n\n"
        "  --policy NAME    none random p2c jsq twice static:MS laedge quantile singler tied\n"
        "                   latency default (what the service ships)\n"
        "  --load R         of all slots; 1 is their capacity\n"
        "  --budget PCT     extra copies (5), and --burst N at once (10)\n"
        "  --jobs N         requests (200000)\n"
        "  --seed S         the same seed, the same line\n"
        "  --service LAW    const:MS exp:MEAN lognormal:MEAN,SD pareto:ALPHA,MIN\n"
        "                   bimodal:SHARE,A,B stall:MS,SHARE,MORE, with ;PxF behind it: a\n"
        "                   share P of the draws F times as long\n"
        "  --same-size on   the copies of a job draw the law once, only PxF each\n"
        "  --parts N        jobs of a request, and --need K of them answer it (all)\n"
        "  --queue N        jobs behind the slots of each worker (0: all wait in the middle)\n"
        "  --background R   a load that comes past this coordinator\n"
        "  --timeout MS     of a job\n"
        "  --detail on      more fields\n\n",
        out);
}

static bool
parse_number(const char *text, double *ret_number)
{
    char *end;
    *ret_number = strtod(text, &end);
    return *text != '\0' && *end == '\0' && isfinite(*ret_number) && *ret_number >= 0;
}

static bool
parse_word(struct tail_setup *setup, const char *option, const char *value, bool *ret_detail)
{
    bool is_on = strcmp(value, "on") == 0;
    if (strcmp(option, "--workload") == 0) {
        return workload_choose(setup, value) == ERR_OK;
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
    if (strcmp(option, "--same-size") == 0) {
        setup->is_size_shared = is_on;
        return is_on || strcmp(value, "off") == 0;
    }
    if (strcmp(option, "--detail") == 0) {
        *ret_detail = is_on;
        return is_on || strcmp(value, "off") == 0;
    }
    return false;
}

/* Options of whole numbers, and where they go. */
static bool
parse_count(struct tail_setup *setup, const char *option, double number)
{
    const struct {
        const char *option;
        double min;
        double max;
        uint32_t *to;
    } counts[] = {
        { "--jobs", 100, 1e9, &setup->requests_count },
        { "--burst", 0, 1e6, &setup->burst },
        { "--workers", 1, 10000, &setup->workers_count },
        { "--slots", 1, 1e6, &setup->slots_count },
        { "--queue", 0, 1e6, &setup->queue_max },
        { "--parts", 1, 10000, &setup->parts_count },
        { "--need", 1, 10000, &setup->need_count },
    };
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        if (strcmp(option, counts[i].option) == 0) {
            *counts[i].to = (uint32_t) number;
            return number >= counts[i].min && number <= counts[i].max;
        }
    }
    return false;
}

static bool
parse_option(struct tail_setup *setup, const char *option, const char *value, bool *ret_detail)
{
    double number = 0;
    if (parse_word(setup, option, value, ret_detail)) {
        return true;
    }
    if (!parse_number(value, &number)) {
        return false;
    }
    if (strcmp(option, "--load") == 0) {
        setup->load = number;
        setup->rate_per_s = 0;
        return number > 0;
    }
    if (strcmp(option, "--budget") == 0) {
        setup->budget = number / 100;
        return number <= 100 * CORE_ATTEMPTS_MAX;
    }
    if (strcmp(option, "--background") == 0) {
        setup->background = number;
        return true;
    }
    if (strcmp(option, "--timeout") == 0) {
        setup->timeout = duration_ns((int64_t) (number * 1e6));
        return number > 0 && number < 3.6e6;
    }
    if (strcmp(option, "--seed") == 0) {
        setup->seed = (uint64_t) number;
        return true;
    }
    return parse_count(setup, option, number);
}

static void
print_detail(const struct tail_result *result)
{
    printf(",\"mean_ms\":%.6g,\"max_ms\":%.5g,\"utilisation\":%.4g,\"dip_pct\":%.3g",
        result->mean_ms, result->max_ms, result->utilisation, result->dip_pct);
    printf(",\"delay_ms\":%.5g,\"delay_before_ms\":%.5g,\"delay_low_ms\":%.5g"
           ",\"delay_high_ms\":%.5g,\"refused\":{",
        result->delay_ms, result->delay_before_ms, result->delay_low_ms, result->delay_high_ms);
    for (int i = HEDGE_NOT_REFUSED + 1; i < HEDGE_REFUSALS_COUNT; i++) {
        printf("%s\"%s\":%" PRIu64, i > HEDGE_NOT_REFUSED + 1 ? "," : "",
            hedge_refusal_text((enum hedge_refusal) i), result->refused_count[i]);
    }
    putchar('}');
}

void
tail_print(const struct tail_setup *setup, const struct tail_result *result, bool is_detailed)
{
    printf("{\"workload\":\"%s\",\"policy\":\"%s\",\"load\":%g,\"jobs\":%" PRIu32
           ",\"seed\":%" PRIu64,
        setup->workload, setup->policy, setup->load, setup->requests_count, setup->seed);
    printf(",\"p50_ms\":%.5g,\"p95_ms\":%.5g,\"p99_ms\":%.5g,\"p999_ms\":%.5g", result->p50_ms,
        result->p95_ms, result->p99_ms, result->p999_ms);
    printf(",\"extra_pct\":%.4g,\"wasted_pct\":%.4g,\"hedge_pct\":%.4g,\"win_pct\":%.4g"
           ",\"goodput\":%.6g",
        result->extra_pct, result->wasted_pct, result->hedge_pct, result->win_pct,
        result->goodput);
    if (is_detailed) {
        print_detail(result);
    }
    putchar('}');
}

int
tail_main(int argc, char **argv)
{
    struct tail_setup setup = { .policy = "default",
        .budget = 0.05,
        .burst = 32,
        .requests_count = 200000,
        .seed = 1,
        .workers_count = 3,
        .slots_count = 1,
        .parts_count = 1,
        .load = 0.5 };
    bool is_detailed = false;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        workload_print_all();
        return EXIT_SUCCESS;
    }
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!parse_option(&setup, argv[i], value, &is_detailed)) {
            fprintf(stderr, "hedgerow-sim tail: not understood: %s %s\n", argv[i], value);
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (setup.workload == NULL || setup.need_count > setup.parts_count ||
        tail_choose_policy(&setup, setup.policy) != ERR_OK) {
        fputs("hedgerow-sim tail: a workload or service, and a known policy, are needed\n",
            stderr);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    tail_finish_setup(&setup);
    setup.is_talkative = (uint64_t) setup.requests_count * setup.parts_count >= JOBS_TALK_MIN;
    struct tail_result result;
    if (tail_run(&setup, &result) != ERR_OK) {
        fputs("hedgerow-sim tail: out of memory, or out of range\n", stderr);
        return EXIT_FAILURE;
    }
    tail_print(&setup, &result, is_detailed);
    putchar('\n');
    return EXIT_SUCCESS;
}

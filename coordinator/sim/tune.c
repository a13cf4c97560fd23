/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tune.h"

#include "coordinator/sim/record.h"
#include "coordinator/sim/tail.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE   2
#define CHOICES_MAX  16
#define PLOT_COLUMNS 56
/* What a recommendation asks for: a gain worth the trouble, for work that can be spared. */
#define GAIN_MIN      0.05
#define EXTRA_PCT_MAX 12
#define NEARLY_BEST   1.03

struct choice {
    const char *policy;
    double budget_pct;
    struct tail_result result;
};

struct tune {
    struct record record;
    struct tail_setup setup; /* but for policy and budget */
    const char *handler;
    const char *policy; /* only this one, beside none; NULL: the usual ones */
    double budget_pct;
    bool is_json;
    struct choice choices[CHOICES_MAX];
    uint32_t choices_count;
};

static const struct choice usual[] = {
    { .policy = "none" },
    { .policy = "default", .budget_pct = 1 },
    { .policy = "default", .budget_pct = 2 },
    { .policy = "default", .budget_pct = 5 },
    { .policy = "default", .budget_pct = 10 },
    { .policy = "singler", .budget_pct = 2 },
    { .policy = "singler", .budget_pct = 5 },
    { .policy = "singler", .budget_pct = 10 },
    { .policy = "latency", .budget_pct = 100 },
};

static void
print_usage(FILE *out)
{
    fputs("usage: hedgerow-sim tune --workers N --slots N [OPTION]... <SAMPLES\n\n"
          "  Play recorded samples (GET /v1/hedging/HANDLER/samples) again under other\n"
          "  policies and budgets, in virtual time; print a table, a plot and what to do.\n"
          "  `hedgerow tune HANDLER` fetches the samples and the fleet, and runs this.\n\n"
          "  --workers N      that have the handler, and --slots N of each\n"
          "  --handler NAME   for the title\n"
          "  --policy NAME    only this one, with --budget PCT (5)\n"
          "  --jobs N         to play (100000); --seed S\n"
          "  --output WORD    table or json\n",
        out);
}

static bool
parse_option(struct tune *tune, const char *option, const char *value)
{
    char *end;
    double number = strtod(value, &end);
    bool is_number = end != value && *end == '\0' && number >= 0;
    if (strcmp(option, "--handler") == 0) {
        tune->handler = value;
        return true;
    }
    if (strcmp(option, "--policy") == 0) {
        tune->policy = value;
        return true;
    }
    if (strcmp(option, "--output") == 0) {
        tune->is_json = strcmp(value, "json") == 0;
        return tune->is_json || strcmp(value, "table") == 0;
    }
    if (strcmp(option, "--workers") == 0) {
        tune->setup.workers_count = (uint32_t) number;
        return is_number && number >= 1 && number <= 10000;
    }
    if (strcmp(option, "--slots") == 0) {
        tune->setup.slots_count = (uint32_t) number;
        return is_number && number >= 1 && number <= 1e6;
    }
    if (strcmp(option, "--jobs") == 0) {
        tune->setup.requests_count = (uint32_t) number;
        return is_number && number >= 100 && number <= 1e8;
    }
    if (strcmp(option, "--budget") == 0) {
        tune->budget_pct = number;
        return is_number && number <= 100;
    }
    if (strcmp(option, "--seed") == 0) {
        tune->setup.seed = (uint64_t) number;
        return is_number;
    }
    return false;
}

static err_t
play(struct tune *tune, const struct choice *wanted)
{
    struct choice *choice = &tune->choices[tune->choices_count++];
    struct tail_setup setup = tune->setup;
    *choice = *wanted;
    setup.budget = choice->budget_pct / 100;
    err_t err = tail_choose_policy(&setup, choice->policy);
    if (err != ERR_OK) {
        return err;
    }
    tail_finish_setup(&setup);
    return tail_run(&setup, &choice->result);
}

static err_t
play_all(struct tune *tune)
{
    if (tune->policy != NULL) {
        err_t err = play(tune, &usual[0]);
        const struct choice only = { .policy = tune->policy, .budget_pct = tune->budget_pct };
        return err == ERR_OK ? play(tune, &only) : err;
    }
    for (size_t i = 0; i < ARRAY_COUNT(usual); i++) {
        err_t err = play(tune, &usual[i]);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* The least work among those that come near the best p99; the first (no hedging at all) when
 * nothing gains enough. */
static const struct choice *
recommend(const struct tune *tune)
{
    const struct choice *none = &tune->choices[0];
    double best_ms = none->result.p99_ms * (1 - GAIN_MIN);
    const struct choice *found = none;
    for (uint32_t i = 1; i < tune->choices_count; i++) {
        const struct tail_result *result = &tune->choices[i].result;
        if (result->extra_pct <= EXTRA_PCT_MAX && result->p99_ms < best_ms &&
            result->p50_ms <= 1.02 * none->result.p50_ms) {
            best_ms = result->p99_ms;
            found = &tune->choices[i];
        }
    }
    for (uint32_t i = 1; found != none && i < tune->choices_count; i++) {
        const struct tail_result *result = &tune->choices[i].result;
        if (result->p99_ms <= best_ms * NEARLY_BEST &&
            result->extra_pct < found->result.extra_pct &&
            result->p50_ms <= 1.02 * none->result.p50_ms) {
            found = &tune->choices[i];
        }
    }
    return found;
}

/* ---- for people ---- */

static uint32_t
column_of(double ms, double from_ms, double to_ms)
{
    double share = to_ms > from_ms ? log(ms / from_ms) / log(to_ms / from_ms) : 0;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return (uint32_t) lround(share * (PLOT_COLUMNS - 1));
}

static void
print_bar(const struct choice *choice, double from_ms, double to_ms)
{
    char bar[PLOT_COLUMNS + 1];
    memset(bar, ' ', PLOT_COLUMNS);
    bar[PLOT_COLUMNS] = '\0';
    const struct tail_result *result = &choice->result;
    uint32_t begin = column_of(result->p50_ms, from_ms, to_ms);
    uint32_t end = column_of(result->p999_ms, from_ms, to_ms);
    memset(bar + begin, '-', end - begin + 1);
    bar[begin] = '|';
    bar[end] = '>';
    bar[column_of(result->p95_ms, from_ms, to_ms)] = 'o';
    bar[column_of(result->p99_ms, from_ms, to_ms)] = '#';
    printf("%-9s %5.1f %%  %s\n", choice->policy, result->extra_pct, bar);
}

static void
print_plot(const struct tune *tune)
{
    double from_ms = INFINITY;
    double to_ms = 0;
    for (uint32_t i = 0; i < tune->choices_count; i++) {
        from_ms = fmin(from_ms, tune->choices[i].result.p50_ms);
        to_ms = fmax(to_ms, tune->choices[i].result.p999_ms);
    }
    from_ms = fmax(from_ms, 1e-3);
    printf("\n%-9s %7s  %-10.4g%*.4g ms (each column as much longer)\n", "POLICY", "EXTRA",
        from_ms, PLOT_COLUMNS - 10, to_ms);
    for (uint32_t i = 0; i < tune->choices_count; i++) {
        print_bar(&tune->choices[i], from_ms, to_ms);
    }
    printf("%18s | p50   o p95   # p99   > p99.9\n", "");
}

static void
print_advice(const struct tune *tune, const struct choice *choice)
{
    const struct choice *none = &tune->choices[0];
    if (choice == none) {
        puts("\nNothing that costs up to 12 % more work makes the p99 shorter by 5 %: leave\n"
             "this handler unhedged (--hedge off, or hedge.enabled: false).");
        return;
    }
    printf("\nTake '%s' at %g %%: p99 %.4g -> %.4g ms, p99.9 %.4g -> %.4g ms, for %.2g %% more "
           "copies.\n",
        choice->policy, choice->budget_pct, none->result.p99_ms, choice->result.p99_ms,
        none->result.p999_ms, choice->result.p999_ms, choice->result.extra_pct);
    printf("Setting: hedge.ratio %g\n", choice->budget_pct / 100);
}

static void
print_table(const struct tune *tune)
{
    const struct record *record = &tune->record;
    printf("%s: %u copies, %u of them stopped early; %.4g jobs/s on %u workers of %u slots; "
           "service %.4g ms\n\n",
        tune->handler, record->first_count + record->later_count, record->censored_count,
        record_rate(record), tune->setup.workers_count, tune->setup.slots_count,
        record->played.mean_ms);
    printf("%-9s %8s %8s %9s %9s %9s %9s %8s\n", "POLICY", "BUDGET %", "EXTRA %", "P50 MS",
        "P95 MS", "P99 MS", "P99.9 MS", "WASTED %");
    for (uint32_t i = 0; i < tune->choices_count; i++) {
        const struct choice *choice = &tune->choices[i];
        const struct tail_result *result = &choice->result;
        printf("%-9s %8g %8.2f %9.4g %9.4g %9.4g %9.4g %8.2f\n", choice->policy,
            choice->budget_pct, result->extra_pct, result->p50_ms, result->p95_ms,
            result->p99_ms, result->p999_ms, result->wasted_pct);
    }
    print_plot(tune);
    print_advice(tune, recommend(tune));
}

/* ---- for programs ---- */

static void
print_json(const struct tune *tune)
{
    const struct choice *advice = recommend(tune);
    printf("{\"handler\":\"%s\",\"samples\":%u,\"censored\":%u,\"rate_per_s\":%.6g"
           ",\"service_ms\":%.6g,\"workers\":%u,\"slots\":%u,\"choices\":[",
        tune->handler, tune->record.first_count + tune->record.later_count,
        tune->record.censored_count, record_rate(&tune->record), tune->record.played.mean_ms,
        tune->setup.workers_count, tune->setup.slots_count);
    for (uint32_t i = 0; i < tune->choices_count; i++) {
        const struct choice *choice = &tune->choices[i];
        const struct tail_result *result = &choice->result;
        printf("%s{\"policy\":\"%s\",\"budget_pct\":%g,\"extra_pct\":%.4g,\"wasted_pct\":%.4g"
               ",\"mean_ms\":%.5g,\"p50_ms\":%.5g,\"p95_ms\":%.5g,\"p99_ms\":%.5g"
               ",\"p999_ms\":%.5g,\"goodput\":%.6g}",
            i > 0 ? "," : "", choice->policy, choice->budget_pct, result->extra_pct,
            result->wasted_pct, result->mean_ms, result->p50_ms, result->p95_ms, result->p99_ms,
            result->p999_ms, result->goodput);
    }
    printf("],\"recommended\":{\"policy\":\"%s\",\"budget_pct\":%g}}\n", advice->policy,
        advice->budget_pct);
}

int
tune_main(int argc, char **argv)
{
    static struct tune tune = {
        .handler = "samples",
        .budget_pct = 5,
        .setup = { .workload = "recorded",
            .burst = 10,
            .requests_count = 100000,
            .seed = 1,
            .parts_count = 1 },
    };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc || !parse_option(&tune, argv[i], argv[i + 1])) {
            fprintf(stderr, "hedgerow-sim tune: not understood: %s %s\n", argv[i],
                i + 1 < argc ? argv[i + 1] : "");
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (tune.setup.workers_count == 0 || tune.setup.slots_count == 0) {
        fputs("hedgerow-sim tune: how many --workers, of how many --slots?\n", stderr);
        return EXIT_USAGE;
    }
    err_t err = record_read(&tune.record, stdin);
    if (err != ERR_OK) {
        fputs(err == ERR_INVALID
                  ? "hedgerow-sim tune: too few samples: run a few hundred jobs\n"
                  : "hedgerow-sim tune: out of memory\n",
            stderr);
        return EXIT_FAILURE;
    }
    tune.setup.record = &tune.record.played;
    err = play_all(&tune);
    if (err == ERR_OK && tune.is_json) {
        print_json(&tune);
    } else if (err == ERR_OK) {
        print_table(&tune);
    } else {
        fprintf(stderr, "hedgerow-sim tune: %s\n",
            err == ERR_NOT_FOUND ? "no such policy" : "out of memory, or out of range");
    }
    record_fini(&tune.record);
    return err == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

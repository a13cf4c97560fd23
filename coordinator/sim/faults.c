/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/faults.h"

#include "coordinator/core/plant.h"
#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 1000
#define TWICE_EACH    100 /* one seed of so many is run twice, for the same trace */
#define PROGRESS_EACH 10000
#define EXIT_USAGE    2

struct options {
    uint64_t seeds_count;
    uint64_t start;
    bool is_quiet;
    bool wants_coverage;
};

struct totals {
    struct coverage *coverage; /* NULL: not wanted */
    uint64_t steps_count;
    uint64_t hash;
};

static void
print_usage(FILE *out)
{
    fputs(
        "usage: hedgerow-sim faults [--seeds N] [--start S] [--quiet] [--coverage]"
#ifdef HEDGEROW_PLANTS
        " [--plant NAME]"
#endif
        "\n"
        "  Run N seeds, from S on, of a small cluster's bad day in virtual time, and judge\n"
        "  every step by the contract.  Exits 0 if all are clean; else prints the first that\n"
        "  is not, with what led to it.  `--seeds 1 --start S` runs one again.\n"
        "  --coverage prints how often which event met which state.\n",
        out);
}

static bool
parse_u64(const char *text, uint64_t *ret_value)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    *ret_value = strtoull(text, &end, 10);
    return *end == '\0';
}

static bool
parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--quiet") == 0) {
            options->is_quiet = true;
        } else if (strcmp(argv[i], "--coverage") == 0) {
            options->wants_coverage = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && parse_u64(value, &options->seeds_count)) {
            i++;
        } else if (strcmp(argv[i], "--start") == 0 && parse_u64(value, &options->start)) {
            i++;
#ifdef HEDGEROW_PLANTS
        } else if (strcmp(argv[i], "--plant") == 0 && value != NULL && plant_choose(value)) {
            i++;
#endif
        } else {
            fprintf(stderr, "hedgerow-sim: not understood: %s\n", argv[i]);
            print_usage(stderr);
            return false;
        }
    }
    return true;
}

/* Again with its history kept: the same seed does the same. */
static void
replay(uint64_t seed)
{
    struct world *world = world_new(seed, /* is_verbose= */ true);
    if (world == NULL) {
        return;
    }
    world_run(world);
    world_print_history(world, stdout);
    printf("seed %" PRIu64 ": %s\n", seed, world->failure);
    printf("faults:");
    static const char *const names[] = {
#define FAULT_NAME(name, text) #name,
        FAULT_LIST(FAULT_NAME)
#undef FAULT_NAME
    };
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        if ((world->faults_mask >> i & 1) != 0) {
            printf(" %s", names[i]);
        }
    }
    printf("\nreplay: hedgerow-sim faults --seeds 1 --start %" PRIu64 "\n", seed);
    world_free(world);
}

static bool
run_seed(uint64_t seed, struct totals *totals)
{
    uint64_t hashes[2] = { 0 };
    for (int run = 0; run < (seed % TWICE_EACH == 0 ? 2 : 1); run++) {
        struct world *world = world_new(seed, /* is_verbose= */ false);
        if (world == NULL) {
            fputs("hedgerow-sim: out of memory\n", stderr);
            return false;
        }
        world->coverage = totals->coverage;
        bool is_clean = world_run(world);
        hashes[run] = world->hash;
        totals->steps_count += world->steps_count;
        world_free(world);
        if (!is_clean) {
            replay(seed);
            return false;
        }
        if (run == 1 && hashes[0] != hashes[1]) {
            printf("seed %" PRIu64 ": two runs, two traces (clause 13)\n", seed);
            return false;
        }
    }
    totals->hash = (totals->hash ^ hashes[0]) * 0x100000001b3u;
    return true;
}

int
faults_main(int argc, char **argv)
{
    struct options options = { .seeds_count = SEEDS_DEFAULT, .start = 1 };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (!parse(argc, argv, &options)) {
        return EXIT_USAGE;
    }
    static struct coverage coverage;
    struct totals totals = { .coverage = options.wants_coverage ? &coverage : NULL };
    for (uint64_t i = 0; i < options.seeds_count; i++) {
        if (!run_seed(options.start + i, &totals)) {
            return EXIT_FAILURE;
        }
        if (!options.is_quiet && (i + 1) % PROGRESS_EACH == 0) {
            fprintf(stderr, "%" PRIu64 " seeds clean\n", i + 1);
        }
    }
    printf("%" PRIu64 " seeds clean, %" PRIu64 " steps, trace %016" PRIx64 "\n",
        options.seeds_count, totals.steps_count, totals.hash);
    if (options.wants_coverage) {
        coverage_print(&coverage, stdout);
    }
    return EXIT_SUCCESS;
}

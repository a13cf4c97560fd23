/* SPDX-License-Identifier: MIT
 *
 * tests/support/stress.h - how long a stress test goes on, and dice that a seed replays.
 *
 * Short (tests/run): a second or two for each test.  Long (tests/run long): all tests of a
 * program share ten minutes in the sanitized builds, one minute in release.
 * HEDGEROW_STRESS_SECONDS sets the time of each test by hand, HEDGEROW_STRESS_SEED the seed.
 */
#ifndef TESTS_SUPPORT_STRESS_H
#define TESTS_SUPPORT_STRESS_H

#include "worker/sched/sched.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct stress {
    int64_t until_ns;
    uint64_t dice;
    uint64_t rounds_count;
};

static inline int64_t
stress_ns(uint32_t tests_count)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const int64_t long_seconds = 600;
#else
    const int64_t long_seconds = 60;
#endif
    const char *is_long = getenv("HEDGEROW_TEST_LONG");
    const char *seconds = getenv("HEDGEROW_STRESS_SECONDS");
    if (seconds != NULL) {
        return strtoll(seconds, NULL, 10) * 1000000000;
    }
    if (is_long != NULL && is_long[0] != '\0') {
        return long_seconds * 1000000000 / tests_count;
    }
    return 1000000000;
}

/* The time for one of tests_count tests begins now. */
static inline struct stress
stress_begin(uint32_t tests_count)
{
    const char *seed = getenv("HEDGEROW_STRESS_SEED");
    struct stress stress = { .until_ns = hr_now() + stress_ns(tests_count),
        .dice = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t) hr_now() };
    printf("# seed %llu\n", (unsigned long long) stress.dice);
    fflush(stdout);
    stress.dice = stress.dice * 2 + 1;
    return stress;
}

static inline bool
stress_goes_on(struct stress *stress)
{
    stress->rounds_count++;
    return hr_now() < stress->until_ns;
}

/* xorshift64*: a number below n. */
static inline uint32_t
dice_below(uint64_t *dice, uint32_t n)
{
    *dice ^= *dice >> 12;
    *dice ^= *dice << 25;
    *dice ^= *dice >> 27;
    return (uint32_t) (((*dice * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * n >> 32);
}

/* Dice of its own for a fiber of a round. */
static inline uint64_t
dice_fork(uint64_t *dice)
{
    return ((uint64_t) dice_below(dice, UINT32_MAX) << 32 | dice_below(dice, UINT32_MAX)) | 1;
}

#endif

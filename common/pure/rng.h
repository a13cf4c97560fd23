/* SPDX-License-Identifier: MIT
 *
 * common/pure/rng.h - random numbers that a seed decides.
 *
 * xoshiro256** seeded by splitmix64.  Not for secrets.
 *
 * SOURCE  Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators, 2018;
 *         Lemire, Fast Random Integer Generation in an Interval, 2019.
 */
#ifndef COMMON_PURE_RNG_H
#define COMMON_PURE_RNG_H

#include "common/pure/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4];
};

static inline uint64_t
rng_splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void
rng_init(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_COUNT(rng->state); i++) {
        rng->state[i] = rng_splitmix(&seed);
    }
}

static inline uint64_t
rng_rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static inline uint64_t
rng_u64(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rng_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotate(s[3], 45);
    return result;
}

/* 0 .. count - 1. */
static inline uint32_t
rng_below(struct rng *rng, uint32_t count)
{
    CHECK(count > 0);
    return (uint32_t) (((rng_u64(rng) >> 32) * count) >> 32); /* bias below 2^-32 * count */
}

/* [0, 1). */
static inline double
rng_unit(struct rng *rng)
{
    return (double) (rng_u64(rng) >> 11) * 0x1p-53;
}

static inline bool
rng_chance(struct rng *rng, double probability)
{
    return rng_unit(rng) < probability;
}

#endif

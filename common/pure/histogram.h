/* SPDX-License-Identifier: MIT
 *
 * common/pure/histogram.h - durations in buckets of equal relative width.
 *
 * Every octave has 32 buckets, so a bucket is at most 3.2 % wide and its middle within
 * 1.6 % of all that is in it.  Integers only: the same sample lands in the same bucket on
 * every machine.
 *
 *     1.02 us                                                             68.7 s
 *      | 32 buckets | 32 buckets | ...                          | 32 buckets |
 *      2^10 ns       2^11 ns                                     2^35 ns  .. 2^36
 *
 * What is shorter falls into the first bucket, what is longer into the last.
 */
#ifndef COMMON_PURE_HISTOGRAM_H
#define COMMON_PURE_HISTOGRAM_H

#include "common/pure/units.h"

#define HISTOGRAM_OCTAVE_FIRST   10
#define HISTOGRAM_OCTAVES        26
#define HISTOGRAM_PER_OCTAVE_LOG 5
#define HISTOGRAM_PER_OCTAVE     (1 << HISTOGRAM_PER_OCTAVE_LOG)
#define HISTOGRAM_BUCKETS        (HISTOGRAM_OCTAVES * HISTOGRAM_PER_OCTAVE)

static inline uint32_t
histogram_bucket(duration_t value)
{
    if (value.ns < (int64_t) 1 << HISTOGRAM_OCTAVE_FIRST) {
        return 0;
    }
    uint32_t octave = 63u - (uint32_t) __builtin_clzll((uint64_t) value.ns);
    uint32_t sub = (uint32_t) ((uint64_t) value.ns >> (octave - HISTOGRAM_PER_OCTAVE_LOG)) &
                   (HISTOGRAM_PER_OCTAVE - 1);
    uint32_t bucket = (octave - HISTOGRAM_OCTAVE_FIRST) * HISTOGRAM_PER_OCTAVE + sub;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The smallest duration of a bucket; of HISTOGRAM_BUCKETS: the end of the last. */
static inline duration_t
histogram_bound(uint32_t bucket)
{
    uint32_t octave = bucket / HISTOGRAM_PER_OCTAVE + HISTOGRAM_OCTAVE_FIRST;
    uint64_t sub = bucket % HISTOGRAM_PER_OCTAVE;
    return duration_ns(
        (int64_t) ((HISTOGRAM_PER_OCTAVE + sub) << (octave - HISTOGRAM_PER_OCTAVE_LOG)));
}

#endif

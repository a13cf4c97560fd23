/* SPDX-License-Identifier: MIT
 *
 * common/pure/bucket.h - a token bucket that is filled by work, not by time.
 *
 * Starts full with `burst` tokens; each deposit adds `ratio`, and what passes the brim is
 * lost.  Counted in millionths, as integers, so that no sum drifts.
 *
 * INVARIANTS  B1  in every prefix: taken - refunded <= burst + ratio * deposits.
 *             B2  0 <= tokens <= max(burst, 1).
 * REJECTED    a rate over time (wrong for whoever does not know his own rate in advance).
 */
#ifndef COMMON_PURE_BUCKET_H
#define COMMON_PURE_BUCKET_H

#include "common/pure/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKET_TOKEN 1000000

struct bucket {
    int64_t millionths;
    int64_t millionths_max;
    int64_t millionths_per_deposit;
};

static inline void
bucket_init(struct bucket *bucket, uint32_t burst, double ratio)
{
    CHECK(ratio >= 0);
    CHECK(ratio <= 1000);
    *bucket = (struct bucket){ .millionths = (int64_t) burst * BUCKET_TOKEN,
        .millionths_max = (int64_t) (burst > 0 ? burst : 1) * BUCKET_TOKEN,
        .millionths_per_deposit = (int64_t) (ratio * BUCKET_TOKEN) };
}

static inline void
bucket_add(struct bucket *bucket, int64_t millionths)
{
    bucket->millionths += millionths;
    if (bucket->millionths > bucket->millionths_max) {
        bucket->millionths = bucket->millionths_max;
    }
}

static inline void
bucket_deposit(struct bucket *bucket)
{
    bucket_add(bucket, bucket->millionths_per_deposit);
}

static inline bool
bucket_has(const struct bucket *bucket)
{
    return bucket->millionths >= BUCKET_TOKEN;
}

static inline bool
bucket_take(struct bucket *bucket)
{
    if (!bucket_has(bucket)) {
        return false;
    }
    bucket->millionths -= BUCKET_TOKEN;
    return true;
}

/* Give back a token whose copy did no work. */
static inline void
bucket_refund(struct bucket *bucket)
{
    bucket_add(bucket, BUCKET_TOKEN);
}

static inline double
bucket_tokens(const struct bucket *bucket)
{
    return (double) bucket->millionths / BUCKET_TOKEN;
}

#endif

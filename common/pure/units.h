/* SPDX-License-Identifier: MIT
 *
 * common/pure/units.h - times that cannot be mixed.
 *
 * An instant is a point on the monotonic clock, a duration a distance between two
 * points; both are nanoseconds in a struct, so that the compiler refuses to add two
 * instants.  Arithmetic saturates: a deadline too far away is simply never reached.
 */
#ifndef COMMON_PURE_UNITS_H
#define COMMON_PURE_UNITS_H

#include "common/pure/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t ns;
} instant_t;

typedef struct {
    int64_t ns;
} duration_t;

#define INSTANT_NEVER    ((instant_t){ .ns = INT64_MAX })
#define DURATION_ZERO    ((duration_t){ .ns = 0 })
#define DURATION_FOREVER ((duration_t){ .ns = INT64_MAX })

static inline duration_t
duration_ns(int64_t ns)
{
    return (duration_t){ .ns = ns };
}

static inline duration_t
duration_us(int64_t us)
{
    return (duration_t){ .ns = us * 1000 };
}

static inline duration_t
duration_ms(int64_t ms)
{
    return (duration_t){ .ns = ms * 1000000 };
}

static inline duration_t
duration_s(int64_t s)
{
    return (duration_t){ .ns = s * 1000000000 };
}

static inline int64_t
duration_to_us(duration_t duration)
{
    return duration.ns / 1000;
}

static inline int64_t
duration_to_ms(duration_t duration)
{
    return duration.ns / 1000000;
}

static inline double
duration_to_s(duration_t duration)
{
    return (double) duration.ns * 1e-9;
}

static inline duration_t
duration_min(duration_t a, duration_t b)
{
    return a.ns < b.ns ? a : b;
}

static inline duration_t
duration_max(duration_t a, duration_t b)
{
    return a.ns > b.ns ? a : b;
}

static inline bool
instant_is_never(instant_t instant)
{
    return instant.ns == INT64_MAX;
}

static inline bool
instant_before(instant_t a, instant_t b)
{
    return a.ns < b.ns;
}

/* True from the very nanosecond on. */
static inline bool
instant_reached(instant_t now, instant_t when)
{
    return now.ns >= when.ns;
}

static inline instant_t
instant_min(instant_t a, instant_t b)
{
    return a.ns < b.ns ? a : b;
}

static inline instant_t
instant_add(instant_t start, duration_t wait)
{
    CHECK(wait.ns >= 0);

    instant_t sum;
    if (__builtin_add_overflow(start.ns, wait.ns, &sum.ns)) {
        return INSTANT_NEVER;
    }
    return sum;
}

/* From start to end; zero when end is the earlier one. */
static inline duration_t
instant_since(instant_t end, instant_t start)
{
    return end.ns > start.ns ? (duration_t){ .ns = end.ns - start.ns } : DURATION_ZERO;
}

/* What is left until a deadline; zero when it has passed, forever when there is none. */
static inline duration_t
instant_until(instant_t now, instant_t deadline)
{
    if (instant_is_never(deadline)) {
        return DURATION_FOREVER;
    }
    return instant_since(deadline, now);
}

#endif

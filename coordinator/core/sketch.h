/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/sketch.h - how long copies take, when some of them were never let finish.
 *
 * A copy that lost its race was stopped at some age: all that is known is that it would
 * have taken longer.  Leaving it out makes slow workers invisible; counting the race's
 * whole time instead makes the delay chase itself upwards when a replica dies (Scylla
 * #7342).  So samples are `done` or `censored`, and the survival curve is the product limit:
 *
 *     S = 1; for each bucket: S *= 1 - done / at_risk; at_risk -= done + censored
 *
 * Where the curve cannot be known (everything left was censored) it says so: UNKNOWN.
 * A ring of windows forgets after SKETCH_WINDOWS * SKETCH_WINDOW_S seconds.
 *
 * MEMORY  in the owner; about 42 KiB.
 * SOURCE  Kaplan and Meier, Nonparametric Estimation from Incomplete Observations, 1958.
 */
#ifndef COORDINATOR_CORE_SKETCH_H
#define COORDINATOR_CORE_SKETCH_H

#include "common/pure/histogram.h"

#define SKETCH_WINDOWS  6
#define SKETCH_WINDOW_S 5

struct sketch_window {
    uint32_t done[HISTOGRAM_BUCKETS];
    uint32_t censored[HISTOGRAM_BUCKETS];
    uint64_t done_count;
};

struct sketch {
    struct sketch_window windows[SKETCH_WINDOWS];
    uint32_t current;
    instant_t rotate_at;
    uint64_t done_count; /* in all windows */
};

/* What is left after each bucket: survival[b] = P(longer than bound(b + 1)). */
struct curve {
    float survival[HISTOGRAM_BUCKETS];
    uint32_t known_count; /* buckets from here on are UNKNOWN */
    uint64_t done_count;
};

void sketch_init(struct sketch *sketch, instant_t now);
void sketch_record(struct sketch *sketch, instant_t now, duration_t value, bool is_done);
void sketch_curve(struct sketch *sketch, instant_t now, struct curve *ret_curve);

/* The shortest time that a share of at most 1 - quantile outlives; false: UNKNOWN. */
bool curve_quantile(const struct curve *curve, double quantile, duration_t *ret_value);
/* P(longer than value), between the bounds by straight lines; the last known one past them. */
double curve_survival(const struct curve *curve, duration_t value);

#endif

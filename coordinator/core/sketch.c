/* SPDX-License-Identifier: MIT */
#include "coordinator/core/sketch.h"

#include <string.h>

static void rotate(struct sketch *sketch, instant_t now);

void
sketch_init(struct sketch *sketch, instant_t now)
{
    memset(sketch, 0, sizeof *sketch);
    sketch->rotate_at = instant_add(now, duration_s(SKETCH_WINDOW_S));
}

/* Forget the oldest windows, as many as have gone by. */
static void
rotate(struct sketch *sketch, instant_t now)
{
    for (int i = 0; i < SKETCH_WINDOWS && instant_reached(now, sketch->rotate_at); i++) {
        sketch->current = (sketch->current + 1) % SKETCH_WINDOWS;
        struct sketch_window *window = &sketch->windows[sketch->current];
        sketch->done_count -= window->done_count;
        memset(window, 0, sizeof *window);
        sketch->rotate_at = instant_add(sketch->rotate_at, duration_s(SKETCH_WINDOW_S));
    }
    if (instant_reached(now, sketch->rotate_at)) {
        sketch->rotate_at = instant_add(now, duration_s(SKETCH_WINDOW_S));
    }
}

void
sketch_record(struct sketch *sketch, instant_t now, duration_t value, bool is_done)
{
    rotate(sketch, now);
    struct sketch_window *window = &sketch->windows[sketch->current];
    uint32_t bucket = histogram_bucket(value);
    if (is_done) {
        window->done[bucket]++;
        window->done_count++;
        sketch->done_count++;
    } else {
        window->censored[bucket]++;
    }
}

void
sketch_curve(struct sketch *sketch, instant_t now, struct curve *ret_curve)
{
    rotate(sketch, now);
    uint32_t done[HISTOGRAM_BUCKETS] = { 0 };
    uint32_t censored[HISTOGRAM_BUCKETS] = { 0 };
    double at_risk = 0;
    for (uint32_t i = 0; i < SKETCH_WINDOWS; i++) {
        const struct sketch_window *window = &sketch->windows[i];
        for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
            done[b] += window->done[b];
            censored[b] += window->censored[b];
            at_risk += window->done[b] + window->censored[b];
        }
    }
    double survival = 1;
    ret_curve->known_count = 0;
    ret_curve->done_count = sketch->done_count;
    for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        if (at_risk > 0) {
            survival *= 1 - done[b] / at_risk;
            ret_curve->known_count = b + 1;
        }
        at_risk -= (double) done[b] + censored[b];
        ret_curve->survival[b] = (float) survival;
    }
}

bool
curve_quantile(const struct curve *curve, double quantile, duration_t *ret_value)
{
    double before = 1;
    for (uint32_t b = 0; b < curve->known_count; b++) {
        double after = curve->survival[b];
        if (after <= 1 - quantile + 1e-9) {
            double share = before > after ? (before - (1 - quantile)) / (before - after) : 1;
            duration_t from = histogram_bound(b);
            duration_t to = histogram_bound(b + 1);
            *ret_value = duration_ns(from.ns + (int64_t) (share * (double) (to.ns - from.ns)));
            return true;
        }
        before = after;
    }
    return false;
}

double
curve_survival(const struct curve *curve, duration_t value)
{
    if (value.ns <= 0) {
        return 1;
    }
    uint32_t b = histogram_bucket(value);
    if (b >= curve->known_count) {
        return curve->known_count > 0 ? (double) curve->survival[curve->known_count - 1] : 1;
    }
    double before = b > 0 ? (double) curve->survival[b - 1] : 1;
    double after = curve->survival[b];
    duration_t from = histogram_bound(b);
    duration_t to = histogram_bound(b + 1);
    double share = (double) (value.ns - from.ns) / (double) (to.ns - from.ns);
    share = share < 0 ? 0 : share;
    return before + share * (after - before);
}

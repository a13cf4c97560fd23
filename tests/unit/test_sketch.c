/* SPDX-License-Identifier: MIT */
#include "coordinator/core/sketch.h"

#include "common/pure/rng.h"
#include "tests/support/cunit_main.h"

#include <math.h>

static struct sketch sketch;
static struct curve curve;

static duration_t
draw_exp_ms(struct rng *rng, double mean_ms)
{
    return duration_ns((int64_t) (-mean_ms * 1e6 * log1p(-rng_unit(rng))));
}

/* GOAL    every duration lies between the bounds of its bucket, which is 3.2 % wide at most. */
static void
histogram_buckets_hold_what_they_say(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        duration_t value = duration_ns((int64_t) exp(7 + 17.9 * rng_unit(&rng)));
        uint32_t bucket = histogram_bucket(value);
        int64_t from = histogram_bound(bucket).ns;
        int64_t to = histogram_bound(bucket + 1).ns;
        CU_ASSERT_FATAL(from <= value.ns);
        CU_ASSERT_FATAL(value.ns < to);
        CU_ASSERT_FATAL((double) (to - from) <= 0.0313 * (double) from);
    }
    ASSERT_I64_EQ(histogram_bucket(duration_ns(0)), 0);
    ASSERT_I64_EQ(histogram_bucket(DURATION_FOREVER), HISTOGRAM_BUCKETS - 1);
}

/* GOAL    the quantiles of a known law come out, though a third of the samples was stopped
 *         at random ages; without the correction they would not.
 * METHOD  Exp(10 ms), stopped at Exp(20 ms): p95 is 29.96 ms. */
static void
sketch_censored_samples_do_not_bend_the_curve(void)
{
    struct rng rng;
    rng_init(&rng, 2);
    instant_t now = { 0 };
    sketch_init(&sketch, now);
    for (int i = 0; i < 50000; i++) {
        duration_t value = draw_exp_ms(&rng, 10);
        duration_t stop = draw_exp_ms(&rng, 20);
        sketch_record(&sketch, now, duration_min(value, stop), value.ns <= stop.ns);
    }
    sketch_curve(&sketch, now, &curve);
    duration_t p95;
    CU_ASSERT_TRUE_FATAL(curve_quantile(&curve, 0.95, &p95));
    CU_ASSERT_DOUBLE_EQUAL((double) p95.ns * 1e-6, 29.96, 1.0);
    CU_ASSERT_DOUBLE_EQUAL(curve_survival(&curve, duration_ms(10)), exp(-1), 0.01);
}

/* GOAL    what nobody was let finish is unknown, and said to be. */
static void
sketch_unknown_quantile_is_told(void)
{
    instant_t now = { 0 };
    sketch_init(&sketch, now);
    for (int i = 0; i < 100; i++) {
        sketch_record(&sketch, now, duration_ms(5), /* is_done= */ i < 90);
        sketch_record(&sketch, now, duration_ms(20), /* is_done= */ false);
    }
    sketch_curve(&sketch, now, &curve);
    duration_t value;
    CU_ASSERT_TRUE(curve_quantile(&curve, 0.4, &value));
    CU_ASSERT_FALSE(curve_quantile(&curve, 0.95, &value));
}

/* GOAL    a replica dies and its copies are stopped when their hedges win: the quantile
 *         moves by less than a quarter, instead of chasing the race's whole time.
 * METHOD  Exp(10 ms); a tenth of the copies hang, and are stopped at 30 ms + Exp(10 ms). */
static void
sketch_dead_replica_does_not_ratchet(void)
{
    struct rng rng;
    rng_init(&rng, 3);
    instant_t now = { 0 };
    sketch_init(&sketch, now);
    double first_ms = 0;
    for (int phase = 0; phase < 2; phase++) {
        for (int i = 0; i < 20000; i++) {
            bool hangs = phase == 1 && rng_chance(&rng, 0.01);
            duration_t value = hangs ? DURATION_FOREVER : draw_exp_ms(&rng, 10);
            duration_t stop = duration_ns(30000000 + draw_exp_ms(&rng, 10).ns);
            sketch_record(&sketch, now, duration_min(value, stop), value.ns <= stop.ns);
        }
        sketch_curve(&sketch, now, &curve);
        duration_t p95;
        CU_ASSERT_TRUE_FATAL(curve_quantile(&curve, 0.95, &p95));
        if (phase == 0) {
            first_ms = (double) p95.ns * 1e-6;
        } else {
            CU_ASSERT_DOUBLE_EQUAL((double) p95.ns * 1e-6, first_ms, first_ms / 4);
        }
    }
}

/* GOAL    samples are forgotten after all windows have passed. */
static void
sketch_old_samples_are_forgotten(void)
{
    instant_t now = { 0 };
    sketch_init(&sketch, now);
    sketch_record(&sketch, now, duration_ms(5), true);
    now = instant_add(now, duration_s(SKETCH_WINDOW_S * (SKETCH_WINDOWS - 1)));
    sketch_record(&sketch, now, duration_ms(6), true);
    ASSERT_I64_EQ(sketch.done_count, 2);
    now = instant_add(now, duration_s(SKETCH_WINDOW_S));
    sketch_curve(&sketch, now, &curve);
    ASSERT_I64_EQ(curve.done_count, 1);
    now = instant_add(now, duration_s(3600));
    sketch_curve(&sketch, now, &curve);
    ASSERT_I64_EQ(curve.done_count, 0);
    ASSERT_I64_EQ(curve.known_count, 0);
}

static const struct test tests[] = {
    TEST(histogram_buckets_hold_what_they_say),
    TEST(sketch_censored_samples_do_not_bend_the_curve),
    TEST(sketch_unknown_quantile_is_told),
    TEST(sketch_dead_replica_does_not_ratchet),
    TEST(sketch_old_samples_are_forgotten),
};
TEST_MAIN("sketch", tests)

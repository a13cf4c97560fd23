/* SPDX-License-Identifier: MIT
 *
 * common/pure/law.h - how long work takes, as a law of chance.
 *
 *     const:MS   exp:MEAN   lognormal:MEAN,SD   pareto:ALPHA,MIN   bimodal:SHARE,A,B
 *     stall:MS,SHARE,MORE
 *
 * in milliseconds; ";PxF" behind it makes a share P of the draws F times as long
 * ("lognormal:5,2;0.05x10").  bimodal gives A with probability SHARE, else B, each
 * exponentially distributed; stall gives MS, and with probability SHARE MORE on top.
 *
 * The simulator's workers and the `sleep` handler draw from the same laws, so that a model
 * and real processes can be compared.
 *
 * REJECTED  the C library's drand48: its sequence is not promised to be the same elsewhere.
 */
#ifndef COMMON_PURE_LAW_H
#define COMMON_PURE_LAW_H

#include "common/pure/err.h"
#include "common/pure/rng.h"
#include "common/pure/units.h"

enum law_kind {
    LAW_CONST,
    LAW_EXP,
    LAW_LOGNORMAL,
    LAW_PARETO,
    LAW_BIMODAL,
    LAW_STALL
};

struct law {
    enum law_kind kind;
    double a;
    double b;
    double c;
    double jitter_share;
    double jitter_factor;
};

/* Errors: INVALID. */
err_t law_parse(const char *text, struct law *ret_law) MUST_USE;
double law_draw_ms(const struct law *law, struct rng *rng);
/* The same in two halves, where the copies of one job share the first and not the second. */
double law_draw_base_ms(const struct law *law, struct rng *rng);
double law_draw_factor(const struct law *law, struct rng *rng);
double law_mean_ms(const struct law *law);

#endif

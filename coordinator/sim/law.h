/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/law.h - how long work takes, as a law of chance.
 *
 *     const:MS   exp:MEAN   lognormal:MEAN,SD   pareto:ALPHA,MIN   bimodal:SHARE,A,B
 *
 * in milliseconds; ";PxF" behind it makes a share P of the draws F times as long
 * ("lognormal:5,2;0.05x10").  bimodal gives A with probability SHARE, else B, each
 * exponentially distributed.
 */
#ifndef COORDINATOR_SIM_LAW_H
#define COORDINATOR_SIM_LAW_H

#include "common/pure/err.h"
#include "common/pure/rng.h"
#include "common/pure/units.h"

enum law_kind {
    LAW_CONST,
    LAW_EXP,
    LAW_LOGNORMAL,
    LAW_PARETO,
    LAW_BIMODAL
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
double law_mean_ms(const struct law *law);

#endif

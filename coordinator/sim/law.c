/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/law.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct law_name {
    const char *name;
    enum law_kind kind;
    int parameters_count;
};

static const struct law_name names[] = {
    { "const", LAW_CONST, 1 },
    { "exp", LAW_EXP, 1 },
    { "lognormal", LAW_LOGNORMAL, 2 },
    { "pareto", LAW_PARETO, 2 },
    { "bimodal", LAW_BIMODAL, 3 },
};

static const double two_pi = 6.283185307179586;

err_t
law_parse(const char *text, struct law *ret_law)
{
    struct law law = { .jitter_factor = 1 };
    const char *colon = strchr(text, ':');
    const char *jitter = strchr(text, ';');
    if (colon == NULL) {
        return ERR_INVALID;
    }
    if (jitter != NULL &&
        (sscanf(jitter + 1, "%lfx%lf", &law.jitter_share, &law.jitter_factor) != 2 ||
            law.jitter_share < 0 || law.jitter_share > 1 || law.jitter_factor <= 0)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strlen(names[i].name) != (size_t) (colon - text) ||
            strncmp(names[i].name, text, (size_t) (colon - text)) != 0) {
            continue;
        }
        law.kind = names[i].kind;
        int count = sscanf(colon + 1, "%lf,%lf,%lf", &law.a, &law.b, &law.c);
        if (count != names[i].parameters_count || law.a <= 0 || law.b < 0 || law.c < 0) {
            return ERR_INVALID;
        }
        *ret_law = law;
        return ERR_OK;
    }
    return ERR_INVALID;
}

static double
draw_exp(double mean, struct rng *rng)
{
    return -mean * log1p(-rng_unit(rng));
}

static double
draw_normal(struct rng *rng)
{
    double radius = sqrt(-2 * log1p(-rng_unit(rng)));
    return radius * cos(two_pi * rng_unit(rng));
}

/* sigma^2 of the logarithm, from mean and deviation of the value. */
static double
log_variance(const struct law *law)
{
    return log1p(law->b * law->b / (law->a * law->a));
}

double
law_draw_ms(const struct law *law, struct rng *rng)
{
    double value = law->a;
    switch (law->kind) {
    case LAW_CONST: break;
    case LAW_EXP: value = draw_exp(law->a, rng); break;
    case LAW_LOGNORMAL: {
        double variance = log_variance(law);
        value = exp(log(law->a) - variance / 2 + sqrt(variance) * draw_normal(rng));
        break;
    }
    case LAW_PARETO: value = law->b * pow(1 - rng_unit(rng), -1 / law->a); break;
    case LAW_BIMODAL: value = draw_exp(rng_chance(rng, law->a) ? law->b : law->c, rng); break;
    }
    return rng_chance(rng, law->jitter_share) ? value * law->jitter_factor : value;
}

double
law_mean_ms(const struct law *law)
{
    double mean = law->a;
    switch (law->kind) {
    case LAW_CONST:
    case LAW_EXP:
    case LAW_LOGNORMAL: break;
    case LAW_PARETO: mean = law->a > 1 ? law->a * law->b / (law->a - 1) : INFINITY; break;
    case LAW_BIMODAL: mean = law->a * law->b + (1 - law->a) * law->c; break;
    }
    return mean * (1 + law->jitter_share * (law->jitter_factor - 1));
}

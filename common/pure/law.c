/* SPDX-License-Identifier: MIT */
#include "common/pure/law.h"

#include "common/pure/check.h"

#include <math.h>
#include <stdlib.h>
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
    { "stall", LAW_STALL, 3 },
};

static const double two_pi = 6.283185307179586;

/* Reads "1,2.5,3" up to its end or a ';'; false: something else stands there. */
static bool
parse_numbers(const char *text, double numbers[3], int count, const char **ret_end)
{
    for (int i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtod(text, &end);
        if (end == text || !isfinite(numbers[i]) || numbers[i] < 0) {
            return false;
        }
        text = end;
        if (i + 1 < count && *text++ != ',') {
            return false;
        }
    }
    *ret_end = text;
    return true;
}

static bool
parse_jitter(const char *text, struct law *law)
{
    char *end;
    law->jitter_share = strtod(text, &end);
    if (end == text || *end != 'x') {
        return false;
    }
    text = end + 1;
    law->jitter_factor = strtod(text, &end);
    return end != text && *end == '\0' && law->jitter_share >= 0 && law->jitter_share <= 1 &&
           law->jitter_factor > 0 && isfinite(law->jitter_factor);
}

err_t
law_parse(const char *text, struct law *ret_law)
{
    struct law law = { .jitter_factor = 1 };
    const char *colon = strchr(text, ':');
    size_t name_size = colon != NULL ? (size_t) (colon - text) : 0;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strlen(names[i].name) != name_size ||
            strncmp(names[i].name, text, name_size) != 0) {
            continue;
        }
        double numbers[3] = { 0 };
        const char *end;
        if (!parse_numbers(colon + 1, numbers, names[i].parameters_count, &end) ||
            (*end == ';' && !parse_jitter(end + 1, &law)) || (*end != ';' && *end != '\0')) {
            return ERR_INVALID;
        }
        law.kind = names[i].kind;
        law.a = numbers[0];
        law.b = numbers[1];
        law.c = numbers[2];
        bool is_share_first = law.kind == LAW_BIMODAL && law.a > 1;
        if (law.a <= 0 || is_share_first || (law.kind == LAW_STALL && law.b > 1)) {
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
law_draw_base_ms(const struct law *law, struct rng *rng)
{
    switch (law->kind) {
    case LAW_CONST: return law->a;
    case LAW_EXP: return draw_exp(law->a, rng);
    case LAW_LOGNORMAL: {
        double variance = log_variance(law);
        return exp(log(law->a) - variance / 2 + sqrt(variance) * draw_normal(rng));
    }
    case LAW_PARETO: return law->b * pow(1 - rng_unit(rng), -1 / law->a);
    case LAW_BIMODAL: return draw_exp(rng_chance(rng, law->a) ? law->b : law->c, rng);
    case LAW_STALL: return law->a + (rng_chance(rng, law->b) ? law->c : 0);
    }
    CHECK_UNREACHABLE();
}

double
law_draw_factor(const struct law *law, struct rng *rng)
{
    return rng_chance(rng, law->jitter_share) ? law->jitter_factor : 1;
}

double
law_draw_ms(const struct law *law, struct rng *rng)
{
    double base_ms = law_draw_base_ms(law, rng);
    return base_ms * law_draw_factor(law, rng);
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
    case LAW_STALL: mean = law->a + law->b * law->c; break;
    }
    return mean * (1 + law->jitter_share * (law->jitter_factor - 1));
}

/* SPDX-License-Identifier: MIT
 *
 * GOAL    every law is read as it is written, draws what it says, and nothing else is read.
 * METHOD  means of many draws against law_mean_ms; texts that are almost laws.
 */
#include "common/pure/law.h"
#include "tests/support/cunit_main.h"

#include <math.h>

static double
mean_of_draws(const struct law *law, uint32_t draws_count)
{
    struct rng rng;
    rng_init(&rng, 7);
    double sum = 0;
    for (uint32_t i = 0; i < draws_count; i++) {
        sum += law_draw_ms(law, &rng);
    }
    return sum / draws_count;
}

static void
law_draws_have_the_mean_that_it_tells(void)
{
    static const char *const texts[] = { "const:3", "exp:10", "lognormal:5,2",
        "lognormal:5,2;0.05x10", "pareto:3,2", "bimodal:0.9,25,250", "stall:2,0.1,50",
        "exp:25;0.01x15" };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct law law;
        CU_ASSERT_EQUAL_FATAL(law_parse(texts[i], &law), ERR_OK);
        double mean = law_mean_ms(&law);
        CU_ASSERT(fabs(mean_of_draws(&law, 400000) / mean - 1) < 0.02);
    }
}

static void
law_known_means_are_told(void)
{
    struct law law;
    CU_ASSERT_EQUAL(law_parse("lognormal:5,2;0.05x10", &law), ERR_OK);
    CU_ASSERT_DOUBLE_EQUAL(law_mean_ms(&law), 7.25, 1e-9);
    CU_ASSERT_EQUAL(law_parse("stall:2,0.1,50", &law), ERR_OK);
    CU_ASSERT_DOUBLE_EQUAL(law_mean_ms(&law), 7, 1e-9);
    CU_ASSERT_EQUAL(law_parse("pareto:1,2", &law), ERR_OK);
    CU_ASSERT(isinf(law_mean_ms(&law)));
}

static void
law_halves_make_the_whole(void)
{
    struct law law;
    CU_ASSERT_EQUAL_FATAL(law_parse("exp:10;0.5x3", &law), ERR_OK);
    struct rng whole;
    struct rng halves;
    rng_init(&whole, 3);
    rng_init(&halves, 3);
    for (int i = 0; i < 1000; i++) {
        double base_ms = law_draw_base_ms(&law, &halves);
        CU_ASSERT_EQUAL(law_draw_ms(&law, &whole), base_ms * law_draw_factor(&law, &halves));
    }
}

static void
law_what_is_no_law_is_refused(void)
{
    static const char *const texts[] = { "", ":", "exp", "exp:", "exp:x", "exp:-1", "exp:0",
        "exp:1,2", "exp:1 ", "lognormal:5", "lognormal:5,", "lognormal:5,2,3", "weird:1",
        "exp:1;", "exp:1;x", "exp:1;0.5", "exp:1;2x3", "exp:1;0.5x0", "exp:1;0.5x2x",
        "bimodal:1.5,1,2", "stall:1,2,3", "exp:inf", "exp:nan", "EXP:1" };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct law law = { .a = -7 };
        CU_ASSERT_EQUAL(law_parse(texts[i], &law), ERR_INVALID);
        CU_ASSERT_EQUAL(law.a, -7);
    }
}

static const struct test tests[] = {
    TEST(law_draws_have_the_mean_that_it_tells),
    TEST(law_known_means_are_told),
    TEST(law_halves_make_the_whole),
    TEST(law_what_is_no_law_is_refused),
};
TEST_MAIN("law", tests)

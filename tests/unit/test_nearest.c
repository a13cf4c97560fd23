/* SPDX-License-Identifier: MIT */
#include "common/pure/nearest.h"

#include "common/pure/check.h"
#include "tests/support/cunit_main.h"

static const char *
nearest_of(const char *typed)
{
    static const char *const known[] = { "run", "cancel", "explain", "workers", "health",
        "jobs.timeout", "jobs.timeout_max" };
    struct nearest nearest;
    nearest_init(&nearest, typed);
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        nearest_offer(&nearest, known[i]);
    }
    return nearest_word(&nearest);
}

static void
nearest_distance_counts_typing_errors(void)
{
    ASSERT_I64_EQ(nearest_distance("", ""), 0);
    ASSERT_I64_EQ(nearest_distance("run", "run"), 0);
    ASSERT_I64_EQ(nearest_distance("run", "RUN"), 0);
    ASSERT_I64_EQ(nearest_distance("", "run"), 3);
    ASSERT_I64_EQ(nearest_distance("rn", "run"), 1);
    ASSERT_I64_EQ(nearest_distance("runn", "run"), 1);
    ASSERT_I64_EQ(nearest_distance("ran", "run"), 1);
    ASSERT_I64_EQ(nearest_distance("urn", "run"), 1);
    ASSERT_I64_EQ(nearest_distance("kitten", "sitting"), 3);
    /* Symmetric, also with swaps. */
    ASSERT_I64_EQ(nearest_distance("ca", "abc"), nearest_distance("abc", "ca"));
}

/* GOAL    a slip finds its word, another word finds nothing. */
static void
nearest_slip_finds_its_word(void)
{
    ASSERT_STR_EQ(nearest_of("cancle"), "cancel");
    ASSERT_STR_EQ(nearest_of("explian"), "explain");
    ASSERT_STR_EQ(nearest_of("worker"), "workers");
    ASSERT_STR_EQ(nearest_of("jobs.timout"), "jobs.timeout");
    ASSERT_STR_EQ(nearest_of("timeout"), "jobs.timeout");
    CU_ASSERT_PTR_NULL(nearest_of("deploy"));
    CU_ASSERT_PTR_NULL(nearest_of("x"));
}

static void
nearest_word_past_its_bound_is_never_near(void)
{
    char longer[NEAREST_WORD_SIZE_MAX + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    ASSERT_I64_EQ(nearest_distance(longer, longer), UINT32_MAX);
    CU_ASSERT_PTR_NULL(nearest_of(longer));
    longer[NEAREST_WORD_SIZE_MAX] = '\0';
    ASSERT_I64_EQ(nearest_distance(longer, longer), 0);
}

static const struct test tests[] = {
    TEST(nearest_distance_counts_typing_errors),
    TEST(nearest_slip_finds_its_word),
    TEST(nearest_word_past_its_bound_is_never_near),
};
TEST_MAIN("nearest", tests)

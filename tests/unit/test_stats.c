/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/stats.h"

#include "tests/support/cunit_main.h"

#include <stdlib.h>

static void
add(struct stats *stats, int64_t took_us, unsigned attempts, const char *winner)
{
    struct hedgerow_reply reply = { .took_us = took_us, .attempts = attempts };
    snprintf(reply.winner, sizeof reply.winner, "%s", winner);
    stats_add(stats, &reply);
}

/* GOAL    a percentile is a value that was measured: the nearest rank. */
static void
stats_quantiles_are_nearest_ranks(void)
{
    struct stats stats = { 0 };
    ASSERT_I64_EQ(stats_quantile_us(&stats, .5), 0);
    for (int64_t i = 100; i >= 1; i--) {
        add(&stats, i * 1000, 1, "primary/w1");
    }
    ASSERT_I64_EQ(stats_quantile_us(&stats, .5), 50000);
    ASSERT_I64_EQ(stats_quantile_us(&stats, .9), 90000);
    ASSERT_I64_EQ(stats_quantile_us(&stats, .99), 99000);
    ASSERT_I64_EQ(stats_quantile_us(&stats, 1), 100000);
    ASSERT_I64_EQ(stats_quantile_us(&stats, .001), 1000);
    stats_fini(&stats);
}

static void
stats_line_counts_what_failed_and_who_won(void)
{
    struct stats stats = { 0 };
    add(&stats, 1500, 1, "primary/w1");
    add(&stats, 2500, 2, "hedge/w2");
    add(&stats, 3500, 2, "primary/w1");
    struct hedgerow_reply failed = { .outcome = HEDGEROW_DEADLINE, .took_us = 99999 };
    stats_add(&stats, &failed);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    stats_print(&stats, 2000000, stream);
    fclose(stream);
    ASSERT_STR_EQ(text,
        "count=4 ok=3 failed=1 p50_ms=2.50 p90_ms=3.50 p99_ms=3.50 max_ms=3.50 hedged=2 "
        "hedge_wins=1 seconds=2.00\n");
    free(text);
    stats_fini(&stats);
}

static const struct test tests[] = {
    TEST(stats_quantiles_are_nearest_ranks),
    TEST(stats_line_counts_what_failed_and_who_won),
};
TEST_MAIN("stats", tests)

/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/stats.h"

#include "common/pure/check.h"

#include <stdlib.h>
#include <string.h>

void
stats_fini(struct stats *stats)
{
    free(stats->took_us);
    *stats = (struct stats){ 0 };
}

void
stats_add(struct stats *stats, const struct hedgerow_reply *reply)
{
    if (reply->outcome != HEDGEROW_OK) {
        stats->failed_count++;
        return;
    }
    if (stats->count == stats->room) {
        size_t room = stats->room > 0 ? stats->room * 2 : 1024;
        int64_t *took_us = realloc(stats->took_us, room * sizeof *took_us);
        CHECK(took_us != NULL);
        stats->took_us = took_us;
        stats->room = room;
    }
    stats->took_us[stats->count++] = reply->took_us;
    stats->hedged_count += reply->attempts > 1;
    stats->hedge_wins_count += strncmp(reply->winner, "hedge", 5) == 0;
}

static int
compare(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return (*a > *b) - (*a < *b);
}

int64_t
stats_quantile_us(struct stats *stats, double q)
{
    CHECK(q > 0);
    CHECK(q <= 1);
    if (stats->count == 0) {
        return 0;
    }
    qsort(stats->took_us, stats->count, sizeof stats->took_us[0], compare);
    double rank = q * (double) stats->count;
    size_t index = (size_t) rank;
    if ((double) index == rank && index > 0) {
        index--;
    }
    return stats->took_us[index < stats->count ? index : stats->count - 1];
}

void
stats_print(struct stats *stats, int64_t elapsed_us, FILE *stream)
{
    fprintf(stream, "count=%zu ok=%zu failed=%zu", stats->count + stats->failed_count,
        stats->count, stats->failed_count);
    fprintf(stream, " p50_ms=%.2f p90_ms=%.2f p99_ms=%.2f max_ms=%.2f",
        (double) stats_quantile_us(stats, .5) / 1e3,
        (double) stats_quantile_us(stats, .9) / 1e3,
        (double) stats_quantile_us(stats, .99) / 1e3,
        (double) stats_quantile_us(stats, 1) / 1e3);
    fprintf(stream, " hedged=%zu hedge_wins=%zu seconds=%.2f\n", stats->hedged_count,
        stats->hedge_wins_count, (double) elapsed_us / 1e6);
    fflush(stream);
}

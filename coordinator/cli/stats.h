/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/stats.h - how long many jobs took: count, percentiles, hedges.
 *
 * Every sample is kept, so that a percentile is one of the values that were measured
 * (nearest rank), not an estimate.
 *
 * THREADS  one at a time.      MEMORY  8 bytes a job.
 */
#ifndef COORDINATOR_CLI_STATS_H
#define COORDINATOR_CLI_STATS_H

#include "coordinator/client/hedgerow.h"

#include <stdbool.h>
#include <stdio.h>

struct stats {
    int64_t *took_us; /* of jobs that succeeded */
    size_t count;
    size_t room;
    size_t failed_count;
    size_t hedged_count;     /* jobs of more than one copy */
    size_t hedge_wins_count; /* that a later copy won */
};

void stats_fini(struct stats *stats);
void stats_add(struct stats *stats, const struct hedgerow_reply *reply);
/* The q-quantile (0 < q <= 1) in microseconds; 0 without samples.  Sorts them. */
int64_t stats_quantile_us(struct stats *stats, double q);
/* "count=500 ok=500 failed=0 p50_ms=... max_ms=... hedged=27 hedge_wins=21 seconds=2.31" */
void stats_print(struct stats *stats, int64_t elapsed_us, FILE *stream);

#endif

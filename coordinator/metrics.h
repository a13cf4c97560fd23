/* SPDX-License-Identifier: MIT
 *
 * coordinator/metrics.h - the Prometheus text of core, links and process.
 *
 * Names and units follow Prometheus (base units, _total).  No label carries a job; series
 * of a worker go when it goes.
 *
 * THREADS  loop
 */
#ifndef COORDINATOR_METRICS_H
#define COORDINATOR_METRICS_H

#include "coordinator/core/core.h"
#include "coordinator/durable.h"
#include "coordinator/link/link.h"

struct metrics_sources {
    const struct core *core;
    const struct links_counters *links;
    const struct durable *durable; /* NULL: none */
    uint64_t bytes_held;           /* inputs and results */
    duration_t uptime;
};

void metrics_write(const struct metrics_sources *sources,
    void (*write)(void *out, const char *text), void *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/samples.h - what each copy of late was like, for `hedgerow tune`.
 *
 * A ring for each handler: the last samples_max copies that ended, in the order of their
 * ends, numbered from 1 without a gap.  A copy that was stopped, or lost, is censored: it
 * would have taken longer than `took`.
 *
 * MEMORY     samples_max for each handler, allocated in core_new(); a page of it is touched
 *            when the handler has so many
 * REJECTED   the histograms of learn.c: they forget in half a minute, and they know nothing
 *            of arrivals, queues and sizes
 */
#ifndef COORDINATOR_CORE_SAMPLES_H
#define COORDINATOR_CORE_SAMPLES_H

#include "coordinator/core/state.h"

size_t samples_memory_size(const struct core_config *config);
/* A copy ended. */
void samples_take(struct core *core, const struct attempt *attempt);

#endif

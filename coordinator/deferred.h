/* SPDX-License-Identifier: MIT
 *
 * coordinator/deferred.h - what a command made happen at once, until the core can hear it.
 *
 * A copy that its link did not take is BUSY, a worker that was given up is DOWN; both come
 * out of a step whose commands are not all taken, so they wait in this ring.
 *
 * INVARIANTS  Q1  one BUSY at most for each copy that is live, one DOWN for each worker:
 *                 so it can be made large enough, and nothing is ever dropped
 * THREADS     loop
 * MEMORY      copies_max + workers_max entries of 32 bytes, made in deferred_init
 * REJECTED    the bound of sends in one step: while what waits is fed, each further step may
 *             send as many again
 */
#ifndef COORDINATOR_DEFERRED_H
#define COORDINATOR_DEFERRED_H

#include "coordinator/core/core.h"

struct deferred_entry {
    worker_link_t link;
    job_id_t job;
    uint32_t attempt; /* 0: the worker is down */
};

struct deferred {
    struct deferred_entry *entries;
    uint32_t max;
    uint32_t first;
    uint32_t count;
};

/* Errors: NO_MEMORY. */
err_t deferred_init(struct deferred *deferred, const struct core_config *config) MUST_USE;
void deferred_fini(struct deferred *deferred);
size_t deferred_memory_size(const struct core_config *config);
void deferred_push_busy(struct deferred *deferred, const struct attempt_ref *ref);
void deferred_push_down(struct deferred *deferred, worker_link_t link);
/* The oldest; there must be one. */
struct core_event deferred_take(struct deferred *deferred);

#endif

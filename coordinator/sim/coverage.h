/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/coverage.h - which event met which state: what the seeds have tried.
 *
 *   copy    state of the copy that a frame names x what the frame says
 *   job     state of the job that a client names x what the client wants
 *   worker  state of the worker that a connection names x what became of it
 *
 * Clean seeds prove nothing about a pair that they never reached, so `--coverage` prints
 * the count of each, and a test wants every one that can be.
 *
 * OWNERSHIP  of who asked for it; a world only counts in it.   THREADS  one.
 */
#ifndef COORDINATOR_SIM_COVERAGE_H
#define COORDINATOR_SIM_COVERAGE_H

#include "coordinator/core/core.h"

#include <stdio.h>

#define COVERAGE_COPY_STATES   (ATTEMPT_UNREACHABLE + 6)
#define COVERAGE_COPY_EVENTS   10
#define COVERAGE_JOB_STATES    (JOB_DEADLINE_EXCEEDED + 8)
#define COVERAGE_JOB_EVENTS    5
#define COVERAGE_WORKER_STATES (WORKER_DEAD + 2)
#define COVERAGE_WORKER_EVENTS 6

struct world;

struct coverage {
    uint64_t copy[COVERAGE_COPY_STATES][COVERAGE_COPY_EVENTS];
    uint64_t job[COVERAGE_JOB_STATES][COVERAGE_JOB_EVENTS];
    uint64_t worker[COVERAGE_WORKER_STATES][COVERAGE_WORKER_EVENTS];
};

/* Before the core hears it. */
void
coverage_note(struct coverage *coverage, struct world *world, const struct core_event *event);
/* One line for each pair: "copy RUNNING BUSY 4711". */
void coverage_print(const struct coverage *coverage, FILE *out);

#endif

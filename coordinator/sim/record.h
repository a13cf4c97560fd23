/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/record.h - samples that a coordinator recorded, as a workload to play again.
 *
 *   lines of GET /v1/hedging/{h}/samples --> record_read() --> arrivals, in their order
 *                                                         '--> law of service: first copies,
 *                                                              and those of later ones
 *
 * A copy that was stopped tells only that it would have taken longer; the law is the product
 * limit over both kinds (Kaplan and Meier).  What is left when all later ones were stopped is
 * put at the longest time seen: a tail that nobody saw cannot be invented.
 *
 * Service is all that passed from the frame's leaving to the reply's coming, but for the
 * worker's queue: the queue comes out of the model again, the way there and back does not.
 *
 * MEMORY  RECORD_SAMPLES_MAX lines
 */
#ifndef COORDINATOR_SIM_RECORD_H
#define COORDINATOR_SIM_RECORD_H

#include "common/pure/err.h"
#include "coordinator/sim/tail.h"

#include <stdio.h>

#define RECORD_SAMPLES_MAX   100000
#define RECORD_QUANTILES     4096
#define RECORD_COPIES_MIN    100 /* so many later copies make a law of their own */
#define RECORD_LINE_SIZE_MAX 1024

struct record_span {
    double ms;
    bool is_done; /* else: censored */
};

struct record {
    struct record_span *first;
    uint32_t first_count;
    struct record_span *later; /* hedges and races */
    uint32_t later_count;
    double *arrivals_ms;
    uint32_t arrivals_count;
    double *gaps_ms;
    double first_ms[RECORD_QUANTILES];
    double later_ms[RECORD_QUANTILES];
    uint32_t censored_count;
    uint32_t bad_lines_count;
    struct tail_record played; /* borrows from here */
};

/* Errors: NO_MEMORY, INVALID (too few samples, or none of one that was let finish). */
err_t record_read(struct record *record, FILE *stream) MUST_USE;
void record_fini(struct record *record);
/* Requests a second. */
double record_rate(const struct record *record);

/* For tests: the law's quantiles out of count spans, which are sorted. */
void record_fit(
    struct record_span *spans, uint32_t count, double ret_quantiles_ms[RECORD_QUANTILES]);

#endif

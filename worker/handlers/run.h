/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/run.h - one run of a handler: what it is given, and what it says.
 *
 *     static void
 *     upper_run(struct run *run, void *user)
 *     {
 *         size_t size;
 *         const uint8_t *input = run_input(run, &size);
 *         ...
 *         run_reply(run, bytes, size, "text/plain");
 *     }
 *
 * A handler runs on a fiber of its own, under a ctx with the job's remaining time, so it
 * is written straight on: what waits, parks.  Whoever burns CPU calls hr_cancelled() every
 * now and then and returns when it is true; nothing needs to be said then.  The last word
 * counts; a handler that returns without one, and was not stopped, has failed.
 *
 * CPU TIME    A fiber moves between threads, so the CPU time of a run is what is told:
 *             built-in handlers measure their own stretches between two parks with
 *             run_cpu_begin/_end (CLOCK_THREAD_CPUTIME_ID), processes bring the rusage of
 *             their whole tree.  What a handler does outside of such stretches, and what
 *             the kernel does for the worker's own pipes and sockets, is not counted.
 * OWNERSHIP   the input is borrowed for the run; replies are copied
 * THREADS     the run's own fiber; run_charge_cpu: one at a time
 * MEMORY      a result is bounded by result_size_max
 */
#ifndef WORKER_HANDLERS_RUN_H
#define WORKER_HANDLERS_RUN_H

#include "common/pure/err.h"
#include "common/pure/id.h"
#include "common/pure/units.h"
#include "worker/sched/sched.h"

#define RUN_MESSAGE_SIZE_MAX 160
#define RUN_TYPE_SIZE_MAX    128

enum run_outcome {
    RUN_SILENT,
    RUN_REPLIED,
    RUN_FAILED_RETRYABLE, /* another copy may well succeed */
    RUN_FAILED_FINAL      /* it would fail anywhere */
};

/* The agent fills it in; a handler goes through the functions. */
struct run {
    const char *handler;
    job_id_t job;
    uint32_t attempt;
    const uint8_t *input;
    size_t input_size;
    const char *content_type;
    const char *traceparent;
    struct hr_ctx *ctx; /* ends at the job's deadline and when the copy is stopped */
    duration_t cancel_grace;
    size_t result_size_max;

    enum run_outcome outcome;
    char message[RUN_MESSAGE_SIZE_MAX];
    char result_type[RUN_TYPE_SIZE_MAX];
    uint8_t *result; /* owned */
    size_t result_size;
    int64_t cpu_ns;
    int64_t cpu_began_ns;
};

const uint8_t *run_input(const struct run *run, size_t *ret_size);

/* A result past the bound becomes a final failure that names it. */
void run_reply(struct run *run, const void *bytes, size_t size, const char *content_type);
/* The same without a copy: bytes came from malloc and are taken. */
void run_reply_take(struct run *run, uint8_t *bytes, size_t size, const char *content_type);
void run_fail(struct run *run, bool is_retryable, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Until the deadline, ns; HR_NEVER for none. */
int64_t run_remaining_ns(const struct run *run);

/* Measure a stretch that does not park. */
void run_cpu_begin(struct run *run);
void run_cpu_end(struct run *run);
void run_charge_cpu(struct run *run, int64_t cpu_ns);

/* Frees the result. */
void run_fini(struct run *run);

#endif

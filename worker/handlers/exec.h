/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/exec.h - the handler that is a command of the operator's choice.
 *
 *     handlers.exec.thumb: "@idempotent convert - -thumbnail 256 png:-"
 *
 * The command is run by /bin/sh -c, once for each run: the input is its stdin, what it
 * writes to stdout is the result.  Leading words with an @ say what the handler is:
 *
 *     @idempotent  may run more than once: it may be hedged, retried, re-dispatched
 *     @cpu         burns CPU: one at a time for each core
 *
 *     exit 0              the result is what was written
 *     exit 75             a retryable failure (EX_TEMPFAIL)
 *     other exit codes    a final failure, with the end of stderr in its message
 *     killed from outside (SIGKILL, SIGTERM)  a retryable failure; by another signal: final
 *     too much output     a final failure that names the bound; the command is stopped
 *
 * Its environment is PATH, HOME, LANG, LC_ALL, TZ and TMPDIR of the worker, and
 * HEDGEROW_HANDLER, HEDGEROW_JOB_ID, HEDGEROW_ATTEMPT, HEDGEROW_REMAINING_MS, TRACEPARENT.
 * stderr goes to the worker's log, line by line, at most 64 KiB for a run.
 *
 * When the run's ctx ends (cancel, deadline) the process group gets SIGTERM, and after the
 * job's grace SIGKILL; so does every process that it left behind when it ends.  The run
 * ends when none is left.
 *
 * THREADS  exec_add: main, before the first job.  Runs are on fibers.
 * CPU      the rusage of the whole tree of processes
 */
#ifndef WORKER_HANDLERS_EXEC_H
#define WORKER_HANDLERS_EXEC_H

#include "worker/handlers/registry.h"
#include "worker/handlers/spawn.h"

/* helper is borrowed for the registry's life.  Errors: INVALID (the name; an unknown
 * @word; no command), EXISTS, FULL, NO_MEMORY. */
err_t exec_add(struct registry *registry, struct spawn_helper *helper, const char *name,
    const char *command) MUST_USE;

#endif

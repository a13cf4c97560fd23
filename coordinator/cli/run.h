/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/run.h - `hedgerow run`: one job, or many.
 *
 *     run.c       the command line, one job, Ctrl-C
 *     run_each.c  many jobs, some at a time, and how long they took
 */
#ifndef COORDINATOR_CLI_RUN_H
#define COORDINATOR_CLI_RUN_H

#include "coordinator/cli/options.h"
#include "coordinator/client/hedgerow.h"

#define RUN_CONCURRENCY_MAX 256
#define RUN_REPEAT_MAX      1000000

struct run_options {
    struct options common;
    struct hedgerow_call call;
    const char *handler;
    char **words; /* the inputs, as they were written */
    unsigned words_count;
    unsigned concurrency;
    unsigned repeat;
    bool is_each;
    bool has_summary;
};

/* Returns the exit code. */
int run_each(const struct run_options *options);

#endif

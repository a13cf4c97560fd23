/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/call_options.h - how a job is to be run: the flags of run and submit.
 */
#ifndef COORDINATOR_CLI_CALL_OPTIONS_H
#define COORDINATOR_CLI_CALL_OPTIONS_H

#include "coordinator/cli/options.h"
#include "coordinator/client/hedgerow.h"

#define CALL_COPIES_MAX 5

/* Its input is a struct hedgerow_call, which it initialises. */
extern const struct argp call_options_argp;
#define CALL_OPTIONS_CHILD                                     \
    {                                                          \
        &call_options_argp, 0, "How the job is to be run:", 10 \
    }

#endif

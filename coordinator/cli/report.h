/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/report.h - say how a call failed, and what to do next.
 */
#ifndef COORDINATOR_CLI_REPORT_H
#define COORDINATOR_CLI_REPORT_H

#include "coordinator/cli/options.h"
#include "coordinator/client/hedgerow.h"

/* Returns the exit code.  handler: of the job, or NULL; the client may be asked for the
 * names that exist.  With -o json the problem goes to stdout too. */
int report_failure(struct hedgerow_client *client, const struct options *options,
    const char *handler, const struct hedgerow_reply *reply);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/connect.h - a client for the coordinator that the command line names, with
 * the token that it names.
 */
#ifndef COORDINATOR_CLI_CONNECT_H
#define COORDINATOR_CLI_CONNECT_H

#include "coordinator/cli/options.h"
#include "coordinator/client/hedgerow.h"

/* NULL without memory.  A token file that cannot be read ends the process with CLI_USAGE:
 * nothing has been started yet. */
struct hedgerow_client *connect_client(const struct options *options);

#endif

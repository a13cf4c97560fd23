/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/signals.h - Ctrl-C: the first asks the job to stop, the second leaves.
 */
#ifndef COORDINATOR_CLI_SIGNALS_H
#define COORDINATOR_CLI_SIGNALS_H

#include "coordinator/client/hedgerow.h"

/* SIGINT, SIGTERM and SIGHUP raise the interrupt, which lives as long as the process; once
 * more, and the process ends with CLI_INTERRUPTED.  NULL: said why on stderr. */
struct hedgerow_interrupt *signals_catch(void);

#endif

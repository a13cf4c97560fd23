/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/state.h - what one command leaves for the next: the latest job's id.
 *
 * `hedgerow explain --last` explains it.  One line, "ID SERVER", in hedgerow/last-job below
 * $XDG_STATE_HOME or ~/.local/state; replaced as a whole.  A machine without a home has no
 * memory, and no error.
 */
#ifndef COORDINATOR_CLI_STATE_H
#define COORDINATOR_CLI_STATE_H

#include "coordinator/client/hedgerow.h"

#include <stdbool.h>

void state_save_last(const char *job_id, const char *server);
/* false: none is known for this server. */
bool state_load_last(const char *server, char job_id[HEDGEROW_ID_SIZE]);

#endif

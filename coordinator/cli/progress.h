/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/progress.h - show that a job is waited for, when somebody watches.
 *
 * Nothing at all when stderr is no terminal or --quiet holds, nor for the first second: most
 * jobs are over by then.  The line is cleared before anything else is written.
 *
 * THREADS  start and stop on one thread; the line is drawn by a thread of its own, since the
 *          call that waits blocks.
 */
#ifndef COORDINATOR_CLI_PROGRESS_H
#define COORDINATOR_CLI_PROGRESS_H

#include <stdbool.h>

struct progress;

/* NULL: nothing is shown.  text is borrowed until the stop. */
struct progress *progress_start(const char *text, bool is_quiet);
/* Accepts NULL. */
void progress_stop(struct progress *progress);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/child.h - one process that `hedgerow dev` keeps: start, relay, stop.
 *
 *     child --stdout, stderr--> pipe --line by line--> "worker-1    | ts=... level=info ..."
 *
 * INVARIANTS  a child never outlives its parent: the kernel kills it (PR_SET_PDEATHSIG), be
 *             the parent killed with -9.  What it started itself is its own to clear away.
 *             It sits in a process group of its own, so that a terminal's Ctrl-C reaches
 *             only the parent, which stops everything in order.
 * THREADS     the loop's, and always the same: the kernel watches the thread that started
 *             the child, not the process.
 * MEMORY      a longer line than CHILD_LINE_SIZE_MAX is relayed in pieces.
 */
#ifndef COORDINATOR_CLI_CHILD_H
#define COORDINATOR_CLI_CHILD_H

#include "common/edge/loop.h"
#include "coordinator/cli/out.h"

#include <sys/types.h>

#define CHILD_LINE_SIZE_MAX 4096
#define CHILD_ENV_MAX       12
#define CHILD_ARGS_MAX      12
#define CHILD_TEXT_SIZE_MAX 4200 /* of an argument or a variable; holds a path */

struct child;

/* name: in front of each line, borrowed for the child's life.  path: of the program. */
err_t child_new(struct loop *loop, const char *name, const char *path, enum out_color color,
    struct child **ret_child) MUST_USE;
/* Kills what still runs. */
void child_free(struct child *child);

/* For the next start: an argument; a variable beside those of this process. */
void child_add_argument(struct child *child, const char *text);
void child_set_env(struct child *child, const char *name, const char *value);

err_t child_start(struct child *child) MUST_USE;
/* 0: does not run. */
pid_t child_pid(const struct child *child);
const char *child_name(const struct child *child);
/* To the process, or to all of its group. */
void child_signal(struct child *child, int signal_number);
void child_signal_group(struct child *child, int signal_number);
/* true once after it ended: *ret_status as waitpid(2) says. */
bool child_reap(struct child *child, int *ret_status);

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/spawn.h - start commands, and leave no process behind.
 *
 *      worker (many threads)         helper (one thread)      nanny (one for each command)
 *      spawn_start -- request, fds -->  fork  ----------------> fork --> command
 *           ^                                                     | \      (own session
 *           '------- control: STOP down, the report up -----------'  \      and group)
 *                                                          adopts <---'-- grandchildren
 *
 * A process with threads cannot fork safely, so main forks a small helper before it starts
 * any; a keeper stands between them, and forks another when the helper is killed
 * (keeper.h).  For each command the helper forks a nanny, a child subreaper: whatever the
 * command forks, also twice and in a session of its own, comes back to the nanny when its
 * parent dies.  The nanny stops the group with SIGTERM and then SIGKILL, and reports only
 * when it has no child left: when the report is there, so is silence.
 *
 * Who dies takes its own with it: the worker's end closes the helper's socket and every
 * control channel, and a nanny that reads that end kills at once; a command whose nanny
 * dies gets SIGKILL from the kernel (PDEATHSIG), and its orphans fall to the helper.
 *
 * THREADS    spawn_helper_start: before there are any; spawn_start: any
 * OWNERSHIP  the caller keeps its descriptors, spawn_start passes copies
 * ERRORS     spawn_start: AGAIN (the helper is behind: try again), CLOSED (all are gone),
 *            TOO_BIG (arguments and environment), NO_MEMORY, IO
 * REJECTED   fork in the worker: locks of other threads stay locked in the child.
 *            posix_spawn in the worker: it cannot make a subreaper or a session that
 *            outlives an exec, and the worker would inherit every orphan of every command.
 *            A cgroup for each command: not writable in an unprivileged container.
 */
#ifndef WORKER_HANDLERS_SPAWN_H
#define WORKER_HANDLERS_SPAWN_H

#include "common/pure/err.h"

#include <stdint.h>

#define SPAWN_REQUEST_SIZE_MAX (32 * 1024) /* arguments and environment, with their zeroes */
#define SPAWN_STRINGS_MAX      64          /* of each of them, the final NULL included */

struct spawn_helper;

err_t spawn_helper_start(struct spawn_helper **ret_helper) MUST_USE;
/* Kill what still runs, wait for the helper's end. */
void spawn_helper_stop(struct spawn_helper *helper);

struct spawn_command {
    const char *const *argv;        /* argv[0]: an absolute path */
    const char *const *environment; /* "NAME=value"; all that the command gets */
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
};

/* The control channel (non-blocking) is the caller's to close, which kills what runs. */
err_t spawn_start(struct spawn_helper *helper, const struct spawn_command *command,
    int *ret_control_fd) MUST_USE;
/* SIGTERM to the group now, SIGKILL to all after the grace.  Threads: any; never blocks. */
void spawn_stop(int control_fd, uint32_t grace_ms);

/* Read it from the control channel: one message, then the end of the channel. */
struct spawn_report {
    int32_t start_errno;  /* not 0: it never ran */
    int32_t wait_status;  /* of waitpid(2) */
    int32_t killed_count; /* descendants that outlived the command and were killed */
    int32_t is_stopped;   /* a STOP or the worker's end came before its own */
    int64_t cpu_ns;       /* user and system, of the whole tree */
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/nanny.h - run one command, see to its end and to that of all it forked.
 *
 * Private to spawn.c: it runs in a process of its own, forked from the helper.
 */
#ifndef WORKER_HANDLERS_NANNY_H
#define WORKER_HANDLERS_NANNY_H

#include "worker/handlers/spawn.h"

#include <sys/types.h>

struct nanny_command {
    char **argv;
    char **environment;
    int stdio_fds[3];
    int control_fd;
};

_Noreturn void nanny_main(const struct nanny_command *command);
void nanny_report(int control_fd, const struct spawn_report *report);
/* Block SIGCHLD and get it from a descriptor; -1 with errno. */
int nanny_watch_children(void);
/* Kill every child that is not in the list. */
void nanny_kill_children_but(const pid_t *spared, uint32_t spared_count);
/* Returns how many of them it wrote. */
uint32_t nanny_list_children(pid_t *pids, uint32_t count_max);
/* Until this process has no child any more: wait for nannies a while, then kill. */
void nanny_kill_children(void);

#endif

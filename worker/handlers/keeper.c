/* SPDX-License-Identifier: MIT */
#include "worker/handlers/keeper.h"

#include "worker/handlers/nanny.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARED_MAX    4096
#define FORK_AGAIN_MS 100

/* Who is not to be killed as an orphan: the helper first, then nannies of dead helpers. */
static struct {
    pid_t pids[SPARED_MAX];
    uint32_t count;
} spared;

/* The worker's end of the socket is closed. */
static bool
worker_is_gone(int socket_fd, int wait_ms)
{
    struct pollfd fd = { .fd = socket_fd };
    return poll(&fd, 1, wait_ms) > 0 && (fd.revents & POLLHUP) != 0;
}

/* false: the worker is gone. */
static bool
start_helper(int socket_fd, void (*helper_main)(int socket_fd))
{
    for (;;) {
        pid_t pid = fork();
        if (pid == 0) {
            helper_main(socket_fd);
            _exit(0);
        }
        if (pid > 0) {
            spared.pids[0] = pid;
            return true;
        }
        if (worker_is_gone(socket_fd, FORK_AGAIN_MS)) {
            return false;
        }
    }
}

static void
forget(pid_t pid)
{
    for (uint32_t i = 1; i < spared.count; i++) {
        if (spared.pids[i] == pid) {
            spared.pids[i] = spared.pids[--spared.count];
            return;
        }
    }
}

/* Wait for one end.  false: the helper ended by itself. */
static bool
wait_one(int socket_fd, void (*helper_main)(int socket_fd))
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0) {
        return true; /* EINTR; there is always a child */
    }
    if (pid != spared.pids[0]) {
        forget(pid);
        if (!WIFEXITED(status)) {
            nanny_kill_children_but(spared.pids, spared.count); /* it left orphans */
        }
        return true;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return false;
    }
    /* Its children are ours now, and all of them nannies. */
    spared.count = 1 + nanny_list_children(spared.pids + 1, SPARED_MAX - 1);
    return start_helper(socket_fd, helper_main);
}

void
keeper_main(int socket_fd, void (*helper_main)(int socket_fd))
{
    prctl(PR_SET_NAME, "hedgerow-keep");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int signal_fd = nanny_watch_children(); /* blocks SIGCHLD, as nanny_kill_children wants */
    if (signal_fd >= 0) {
        close(signal_fd);
    }
    spared.count = 1;
    if (start_helper(socket_fd, helper_main)) {
        while (wait_one(socket_fd, helper_main)) {
        }
    }
    nanny_kill_children();
    _exit(0);
}

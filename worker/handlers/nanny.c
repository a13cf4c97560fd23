/* SPDX-License-Identifier: MIT
 *
 * Why no process is left:
 *
 *   - The leader's group is killed while the leader is not reaped yet, so that its number
 *     cannot have become somebody else's.
 *   - A descendant that left the group is our child as soon as its parent is dead: exit
 *     hands children over before it wakes the waiter.  So "kill all children, reap, until
 *     there is no child" ends only when there is no descendant.
 */
#include "worker/handlers/nanny.h"

#include "common/sys/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_HIGH_FD 10
#define SWEEP_STEP_MS 5
#define NANNIES_MS    3000 /* the helper's patience with nannies that are killing */

struct nanny {
    pid_t leader;
    int control_fd;
    int signal_fd;
    instant_t kill_at;
    struct spawn_report report;
};

static _Noreturn void
become_command(const struct nanny_command *command, int error_fd, pid_t nanny_pid);

void
nanny_report(int control_fd, const struct spawn_report *report)
{
    ssize_t sent = send(control_fd, report, sizeof *report, MSG_NOSIGNAL);
    (void) sent; /* the worker has closed its end: nobody asks */
}

/* ---- the command --------------------------------------------------------------------- */

/* 0, or the errno of what failed; once it returns the command has its own session. */
static int
start_leader(const struct nanny_command *command, pid_t *ret_leader)
{
    int error_pipe[2];
    int error = 0;
    pid_t nanny_pid = getpid();
    if (pipe2(error_pipe, O_CLOEXEC) != 0) {
        return errno;
    }
    pid_t leader = fork();
    if (leader < 0) {
        error = errno;
    }
    if (leader == 0) {
        become_command(command, error_pipe[1], nanny_pid);
    }
    close(error_pipe[1]);
    ssize_t size = 0;
    do {
        size = leader > 0 ? read(error_pipe[0], &error, sizeof error) : 0;
    } while (size < 0 && errno == EINTR);
    close(error_pipe[0]);
    *ret_leader = leader;
    return error;
}

static void
reset_signals(void)
{
    for (int number = 1; number < SIGRTMAX; number++) {
        signal(number, SIG_DFL); /* fails for KILL, STOP and libc's own: as they are */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
become_command(const struct nanny_command *command, int error_fd, pid_t nanny_pid)
{
    const struct rlimit no_core = { 0, 0 };
    int error = 0;
    int high[4] = { -1, -1, -1, -1 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != nanny_pid) {
        _exit(127); /* it died before that line */
    }
    setsid();
    reset_signals();
    umask(077);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* First out of the way: a descriptor may sit on 0, 1 or 2 itself. */
    for (int i = 0; i < 4 && error == 0; i++) {
        high[i] =
            fcntl(i < 3 ? command->stdio_fds[i] : error_fd, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
        error = high[i] < 0 ? errno : 0;
    }
    for (int i = 0; i < 3 && error == 0; i++) {
        error = dup2(high[i], i) < 0 ? errno : 0;
    }
    /* The worker's own are close-on-exec; those that it inherited need not be. */
    if (close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0 && error == 0 &&
        errno != ENOSYS) {
        error = errno;
    }
    if (error == 0) {
        execve(command->argv[0], command->argv, command->environment);
        error = errno;
    }
    ssize_t told = write(high[3] >= 0 ? high[3] : error_fd, &error, sizeof error);
    (void) told;
    _exit(127);
}

/* ---- children ------------------------------------------------------------------------ */

static pid_t
parent_of(const char *pid_text)
{
    char path[300];
    char stat[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid_text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t size = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (size <= 0) {
        return -1;
    }
    stat[size] = '\0';
    /* "pid (name) state ppid ...": the name may hold anything, also parentheses. */
    const char *after_name = strrchr(stat, ')');
    if (after_name == NULL || strlen(after_name) < 5) {
        return -1;
    }
    return (pid_t) strtol(after_name + 4, NULL, 10);
}

/* /proc/self/task/self/children would be faster, but not every kernel has it. */
static void
each_child(void (*visit)(pid_t pid, void *user), void *user)
{
    DIR *folder = opendir("/proc");
    if (folder == NULL) {
        return;
    }
    struct dirent *entry;
    pid_t self = getpid();
    while ((entry = readdir(folder)) != NULL) {
        bool is_number = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
        if (is_number && parent_of(entry->d_name) == self) {
            visit((pid_t) strtol(entry->d_name, NULL, 10), user);
        }
    }
    closedir(folder);
}

struct pid_list {
    const pid_t *spared;
    pid_t *found;
    uint32_t count;
    uint32_t count_max;
};

static void
kill_unless_spared(pid_t pid, void *user)
{
    const struct pid_list *list = user;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->spared[i] == pid) {
            return;
        }
    }
    kill(pid, SIGKILL);
}

void
nanny_kill_children_but(const pid_t *spared, uint32_t spared_count)
{
    struct pid_list list = { .spared = spared, .count = spared_count };
    each_child(kill_unless_spared, &list);
}

static void
write_down(pid_t pid, void *user)
{
    struct pid_list *list = user;
    if (list->count < list->count_max) {
        list->found[list->count++] = pid;
    }
}

uint32_t
nanny_list_children(pid_t *pids, uint32_t count_max)
{
    struct pid_list list = { .found = pids, .count_max = count_max };
    each_child(write_down, &list);
    return list.count;
}

/* SIGCHLD is blocked. */
static bool
child_ends_within(int ms)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    const struct timespec wait = { .tv_nsec = ms * 1000000L };
    return sigtimedwait(&child, NULL, &wait) == SIGCHLD;
}

int
nanny_watch_children(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &child, NULL);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void
nanny_kill_children(void)
{
    instant_t patience_ends = instant_add(clock_now(), duration_ms(NANNIES_MS));
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0) {
            return; /* ECHILD */
        }
        if (pid == 0 && !child_ends_within(SWEEP_STEP_MS) &&
            instant_reached(clock_now(), patience_ends)) {
            nanny_kill_children_but(NULL, 0);
        }
    }
}

/* Kill everything, reap everything. */
static void
sweep(struct nanny *nanny)
{
    kill(-nanny->leader, SIGKILL); /* the leader is not reaped: the number is still its own */
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0) {
            return; /* ECHILD: nobody is left */
        }
        if (pid == nanny->leader) {
            nanny->report.wait_status = status;
        } else if (pid > 0) {
            bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
            nanny->report.killed_count += is_killed ? 1 : 0;
        } else if (!child_ends_within(SWEEP_STEP_MS)) {
            nanny_kill_children_but(NULL, 0);
        }
    }
}

/* ---- waiting ------------------------------------------------------------------------- */

/* Leaves the leader unreaped; reaps orphans that ended by themselves. */
static bool
leader_has_ended(const struct nanny *nanny)
{
    for (;;) {
        siginfo_t info = { .si_pid = 0 };
        if (waitid(P_PID, (id_t) nanny->leader, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == nanny->leader) {
            return true;
        }
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return false;
        }
        if (info.si_pid != nanny->leader) {
            waitpid(info.si_pid, NULL, 0);
        }
    }
}

/* false: kill at once. */
static bool
hear_control(struct nanny *nanny)
{
    uint32_t grace_ms = 0;
    ssize_t size = recv(nanny->control_fd, &grace_ms, sizeof grace_ms, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    nanny->report.is_stopped = 1;
    if (size != sizeof grace_ms || grace_ms == 0) {
        return false; /* its other end is closed: the worker is gone, or wants it gone */
    }
    instant_t kill_at = instant_add(clock_now(), duration_ms(grace_ms));
    if (instant_is_never(nanny->kill_at)) {
        kill(-nanny->leader, SIGTERM);
        kill(-nanny->leader, SIGCONT); /* one that is stopped would not hear it */
    }
    nanny->kill_at = instant_min(nanny->kill_at, kill_at);
    return true;
}

static int
poll_ms(const struct nanny *nanny)
{
    if (instant_is_never(nanny->kill_at)) {
        return -1;
    }
    int64_t ns = instant_until(clock_now(), nanny->kill_at).ns;
    return (int) ((ns + 999999) / 1000000);
}

/* Until it is time to sweep. */
static void
watch(struct nanny *nanny)
{
    while (!leader_has_ended(nanny)) {
        struct pollfd fds[] = {
            { .fd = nanny->control_fd, .events = POLLIN },
            { .fd = nanny->signal_fd, .events = POLLIN },
        };
        int ready = poll(fds, ARRAY_COUNT(fds), poll_ms(nanny));
        if (ready > 0 && fds[0].revents != 0 && !hear_control(nanny)) {
            return;
        }
        if (ready > 0 && fds[1].revents != 0) {
            struct signalfd_siginfo info;
            ssize_t size = read(nanny->signal_fd, &info, sizeof info);
            (void) size; /* that it came is all we want to know */
        }
        if (instant_reached(clock_now(), nanny->kill_at)) {
            return;
        }
    }
}

_Noreturn void
nanny_main(const struct nanny_command *command)
{
    struct nanny nanny = { .control_fd = command->control_fd, .kill_at = INSTANT_NEVER };
    prctl(PR_SET_NAME, "hedgerow-nanny");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    nanny.signal_fd = nanny_watch_children();
    nanny.report.start_errno =
        nanny.signal_fd < 0 ? errno : start_leader(command, &nanny.leader);
    for (unsigned i = 0; i < ARRAY_COUNT(command->stdio_fds); i++) {
        close(command->stdio_fds[i]); /* or the worker would never read their end */
    }
    if (nanny.report.start_errno == 0) {
        watch(&nanny);
        sweep(&nanny);
        struct rusage used;
        getrusage(RUSAGE_CHILDREN, &used);
        nanny.report.cpu_ns =
            (int64_t) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000 +
            (int64_t) (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
    }
    nanny_report(nanny.control_fd, &nanny.report);
    _exit(0);
}

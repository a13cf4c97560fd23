/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_NAME_WIDTH 11

struct child {
    struct loop *loop;
    const char *name;
    const char *path;
    enum out_color color;
    pid_t pid;
    int pipe_fd;
    struct loop_watch *watch;
    char line[CHILD_LINE_SIZE_MAX];
    size_t line_size;
    char *arguments[CHILD_ARGS_MAX + 2]; /* the program's name first, NULL last */
    unsigned arguments_count;
    char *env[CHILD_ENV_MAX]; /* NAME=value */
    unsigned env_count;
};

static void on_readable(void *user);

err_t
child_new(struct loop *loop, const char *name, const char *path, enum out_color color,
    struct child **ret_child)
{
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL) {
        return ERR_NO_MEMORY;
    }
    child->loop = loop;
    child->name = name;
    child->path = path;
    child->color = color;
    child->pipe_fd = -1;
    child_add_argument(child, path);
    *ret_child = child;
    return ERR_OK;
}

static void
pipe_close(struct child *child)
{
    if (child->pipe_fd >= 0) {
        loop_watch_free(child->watch);
        child->watch = NULL;
        close(child->pipe_fd);
        child->pipe_fd = -1;
    }
}

void
child_free(struct child *child)
{
    if (child == NULL) {
        return;
    }
    if (child->pid > 0) {
        child_signal_group(child, SIGKILL);
        (void) waitpid(child->pid, NULL, 0);
    }
    pipe_close(child);
    for (unsigned i = 0; i < child->arguments_count; i++) {
        free(child->arguments[i]);
    }
    for (unsigned i = 0; i < child->env_count; i++) {
        free(child->env[i]);
    }
    free(child);
}

void
child_add_argument(struct child *child, const char *text)
{
    CHECK(child->arguments_count <= CHILD_ARGS_MAX);
    char *copy = strdup(text);
    CHECK(copy != NULL);
    child->arguments[child->arguments_count++] = copy;
}

void
child_set_env(struct child *child, const char *name, const char *value)
{
    char text[CHILD_TEXT_SIZE_MAX];
    size_t name_size = strlen(name);
    snprintf(text, sizeof text, "%s=%s", name, value);
    char *copy = strdup(text);
    CHECK(copy != NULL);
    for (unsigned i = 0; i < child->env_count; i++) {
        if (strncmp(child->env[i], text, name_size + 1) == 0) {
            free(child->env[i]);
            child->env[i] = copy;
            return;
        }
    }
    CHECK(child->env_count < CHILD_ENV_MAX);
    child->env[child->env_count++] = copy;
}

/* In the child, between fork and exec: only what is safe there. */
static void
child_become(struct child *child, pid_t parent, int pipe_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127); /* it died before the kernel was asked */
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(pipe_fd, STDOUT_FILENO) < 0 ||
        dup2(pipe_fd, STDERR_FILENO) < 0) {
        _exit(127);
    }
    for (unsigned i = 0; i < child->env_count; i++) {
        putenv(child->env[i]); /* one thread forked: its heap is whole */
    }
    execv(child->path, child->arguments);
    static const char text[] = "cannot be executed\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void) written;
    _exit(127);
}

err_t
child_start(struct child *child)
{
    CHECK(child->pid == 0);
    pipe_close(child);
    child->line_size = 0;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_from_errno(errno);
    }
    (void) fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->pipe_fd = ends[0];
    err_t err = loop_watch_new(child->loop, ends[0], on_readable, child, &child->watch);
    if (err == ERR_OK) {
        pid_t parent = getpid();
        pid_t pid = fork();
        if (pid == 0) {
            child_become(child, parent, ends[1]);
        }
        if (pid < 0) {
            err = err_from_errno(errno);
        } else {
            child->pid = pid;
            setpgid(pid, pid); /* also here: whoever comes first */
        }
    }
    close(ends[1]);
    if (err != ERR_OK) {
        pipe_close(child);
    }
    return err;
}

pid_t
child_pid(const struct child *child)
{
    return child->pid;
}

const char *
child_name(const struct child *child)
{
    return child->name;
}

void
child_signal(struct child *child, int signal_number)
{
    if (child->pid > 0) {
        (void) kill(child->pid, signal_number);
    }
}

void
child_signal_group(struct child *child, int signal_number)
{
    if (child->pid > 0) {
        (void) kill(-child->pid, signal_number);
    }
}

/* ---- what it says ------------------------------------------------------------------------ */

static void
line_relay(struct child *child, const char *text, size_t size)
{
    char line[CHILD_LINE_SIZE_MAX + 64];
    int written =
        snprintf(line, sizeof line, "%s%-*s |%s %.*s\n", out_begin(stderr, child->color),
            CHILD_NAME_WIDTH, child->name, out_end(stderr), (int) size, text);
    if (written > 0) {
        size_t line_size = (size_t) written < sizeof line ? (size_t) written : sizeof line - 1;
        fwrite(line, 1, line_size, stderr);
        fflush(stderr);
    }
}

static void
lines_relay(struct child *child, bool is_end)
{
    size_t from = 0;
    for (size_t i = 0; i < child->line_size; i++) {
        if (child->line[i] == '\n') {
            line_relay(child, child->line + from, i - from);
            from = i + 1;
        }
    }
    size_t left = child->line_size - from;
    bool is_full = from == 0 && left == sizeof child->line;
    if (left > 0 && (is_end || is_full)) {
        line_relay(child, child->line + from, left);
        left = 0;
    }
    memmove(child->line, child->line + from, left);
    child->line_size = left;
}

/* true at the end of the stream. */
static bool
pipe_drain(struct child *child)
{
    for (;;) {
        ssize_t got = read(child->pipe_fd, child->line + child->line_size,
            sizeof child->line - child->line_size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0;
        }
        child->line_size += (size_t) got;
        lines_relay(child, /* is_end= */ false);
    }
}

static void
on_readable(void *user)
{
    struct child *child = user;
    if (pipe_drain(child)) {
        lines_relay(child, /* is_end= */ true);
        pipe_close(child);
    }
}

bool
child_reap(struct child *child, int *ret_status)
{
    if (child->pid == 0 || waitpid(child->pid, ret_status, WNOHANG) != child->pid) {
        return false;
    }
    child->pid = 0;
    if (child->pipe_fd >= 0) {
        /* What it started may hold the pipe for longer: take what is there. */
        (void) pipe_drain(child);
        lines_relay(child, /* is_end= */ true);
        pipe_close(child);
    }
    return true;
}

/* SPDX-License-Identifier: MIT */
#include "worker/handlers/spawn.h"

#include "worker/handlers/keeper.h"
#include "worker/handlers/nanny.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_FDS_COUNT 4 /* stdin, stdout, stderr, control */
#define NANNIES_MAX       4096

struct spawn_helper {
    pid_t pid; /* the keeper's */
    int socket_fd;
};

/* The helper's own; the worker never looks at it. */
static struct {
    pid_t pids[NANNIES_MAX];
    uint32_t count;
} nannies;

/* On the wire: this head, then argc + envc strings with their zeroes. */
struct request_head {
    uint32_t argc;
    uint32_t envc;
};

struct request {
    struct nanny_command command;
    int fds[REQUEST_FDS_COUNT];
    char *argv[SPAWN_STRINGS_MAX];
    char *environment[SPAWN_STRINGS_MAX];
    char bytes[sizeof(struct request_head) + SPAWN_REQUEST_SIZE_MAX + 1];
};

static void ignore_signals(void);
static void helper_main(int socket_fd);

err_t
spawn_helper_start(struct spawn_helper **ret_helper)
{
    int pair[2];
    struct spawn_helper *helper = calloc(1, sizeof *helper);
    if (helper == NULL) {
        return ERR_NO_MEMORY;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        err_t err = err_from_errno(errno);
        free(helper);
        return err;
    }
    pid_t pid = fork();
    if (pid < 0) {
        err_t err = err_from_errno(errno);
        close(pair[0]);
        close(pair[1]);
        free(helper);
        return err;
    }
    if (pid == 0) {
        close(pair[0]);
        ignore_signals();
        keeper_main(pair[1], helper_main);
    }
    close(pair[1]);
    *helper = (struct spawn_helper){ .pid = pid, .socket_fd = pair[0] };
    *ret_helper = helper;
    return ERR_OK;
}

void
spawn_helper_stop(struct spawn_helper *helper)
{
    if (helper == NULL) {
        return;
    }
    close(helper->socket_fd);
    while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(helper);
}

/* ---- the worker's side --------------------------------------------------------------- */

static err_t
pack_strings(const char *const *strings, char *bytes, size_t *size, uint32_t *ret_count)
{
    uint32_t count = 0;
    for (; strings[count] != NULL; count++) {
        size_t left = SPAWN_REQUEST_SIZE_MAX - *size;
        size_t string_size = strlen(strings[count]) + 1;
        if (string_size > left || count + 1 >= SPAWN_STRINGS_MAX) {
            return ERR_TOO_BIG;
        }
        memcpy(bytes + *size, strings[count], string_size);
        *size += string_size;
    }
    *ret_count = count;
    return ERR_OK;
}

static err_t
send_request(const struct spawn_helper *helper, const void *bytes, size_t size,
    const int fds[REQUEST_FDS_COUNT])
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int) * REQUEST_FDS_COUNT)];
    } control = { .bytes = { 0 } };
    struct iovec iov = { .iov_base = (void *) (uintptr_t) bytes, .iov_len = size };
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * REQUEST_FDS_COUNT);
    memcpy(CMSG_DATA(rights), fds, sizeof(int) * REQUEST_FDS_COUNT);
    if (sendmsg(helper->socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
        return ERR_OK;
    }
    int error = errno;
    if (error == EAGAIN || error == ENOBUFS || error == ETOOMANYREFS) {
        return ERR_AGAIN;
    }
    return error == EPIPE || error == ECONNRESET ? ERR_CLOSED : err_from_errno(error);
}

err_t
spawn_start(
    struct spawn_helper *helper, const struct spawn_command *command, int *ret_control_fd)
{
    CHECK(command->argv[0] != NULL);

    struct request_head head;
    size_t size = 0;
    int pair[2] = { -1, -1 };
    char *bytes = malloc(sizeof head + SPAWN_REQUEST_SIZE_MAX);
    err_t err = ERR_NO_MEMORY;
    if (bytes == NULL) {
        goto done;
    }
    err = pack_strings(command->argv, bytes + sizeof head, &size, &head.argc);
    if (err == ERR_OK) {
        err = pack_strings(command->environment, bytes + sizeof head, &size, &head.envc);
    }
    if (err != ERR_OK) {
        goto done;
    }
    memcpy(bytes, &head, sizeof head);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        err = err_from_errno(errno);
        goto done;
    }
    const int fds[REQUEST_FDS_COUNT] = { command->stdin_fd, command->stdout_fd,
        command->stderr_fd, pair[1] };
    err = send_request(helper, bytes, sizeof head + size, fds);

done:
    free(bytes);
    if (pair[1] >= 0) {
        close(pair[1]);
    }
    if (err == ERR_OK) {
        *ret_control_fd = pair[0];
    } else if (pair[0] >= 0) {
        close(pair[0]);
    }
    return err;
}

void
spawn_stop(int control_fd, uint32_t grace_ms)
{
    /* Fails only when the nanny has ended: then there is nothing to stop. */
    ssize_t sent = send(control_fd, &grace_ms, sizeof grace_ms, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void) sent;
}

/* ---- the helper ---------------------------------------------------------------------- */

static bool
unpack_strings(struct request *request, size_t *at, size_t size, uint32_t count, char **strings)
{
    if (count >= SPAWN_STRINGS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        char *end = memchr(request->bytes + *at, '\0', size - *at);
        if (end == NULL) {
            return false;
        }
        strings[i] = request->bytes + *at;
        *at = (size_t) (end - request->bytes) + 1;
    }
    strings[count] = NULL;
    return true;
}

static void
close_fds(struct request *request)
{
    for (unsigned i = 0; i < REQUEST_FDS_COUNT; i++) {
        if (request->fds[i] >= 0) {
            close(request->fds[i]);
            request->fds[i] = -1;
        }
    }
}

static bool
unpack_request(struct request *request, size_t size)
{
    struct request_head head;
    size_t at = sizeof head;
    if (size < sizeof head || request->fds[REQUEST_FDS_COUNT - 1] < 0) {
        return false;
    }
    memcpy(&head, request->bytes, sizeof head);
    if (head.argc == 0 || !unpack_strings(request, &at, size, head.argc, request->argv) ||
        !unpack_strings(request, &at, size, head.envc, request->environment)) {
        return false;
    }
    request->command = (struct nanny_command){
        .argv = request->argv,
        .environment = request->environment,
        .stdio_fds = { request->fds[0], request->fds[1], request->fds[2] },
        .control_fd = request->fds[3],
    };
    return true;
}

/* false: the worker is gone. */
static bool
receive_request(int socket_fd, struct request *request, size_t *ret_size)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int) * REQUEST_FDS_COUNT)];
    } control;
    struct iovec iov = { .iov_base = request->bytes, .iov_len = sizeof request->bytes - 1 };
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    for (unsigned i = 0; i < REQUEST_FDS_COUNT; i++) {
        request->fds[i] = -1;
    }
    ssize_t size;
    do {
        size = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size <= 0) {
        return false;
    }
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights != NULL && rights->cmsg_type == SCM_RIGHTS) {
        memcpy(request->fds, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
    }
    *ret_size = (size_t) size;
    return true;
}

static bool
forget_nanny(pid_t pid)
{
    for (uint32_t i = 0; i < nannies.count; i++) {
        if (nannies.pids[i] == pid) {
            nannies.pids[i] = nannies.pids[--nannies.count];
            return true;
        }
    }
    return false;
}

/* A nanny ends when it has no child left; one that was killed leaves orphans, and only such
 * a one.  So who is our child and no nanny is to go; and when one has gone, its children
 * have become ours: look again. */
static void
reap_nannies(void)
{
    bool has_orphans = false;
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        bool was_nanny = forget_nanny(pid);
        has_orphans = has_orphans || !was_nanny || !WIFEXITED(status);
    }
    if (has_orphans) {
        nanny_kill_children_but(nannies.pids, nannies.count);
    }
}

static void
serve_request(struct request *request, size_t size, int socket_fd)
{
    struct spawn_report report = { .start_errno = EPROTO };
    if (unpack_request(request, size)) {
        pid_t pid = -1;
        report.start_errno = EAGAIN;
        if (nannies.count < NANNIES_MAX) {
            pid = fork();
            report.start_errno = pid < 0 ? errno : 0;
        }
        if (pid == 0) {
            close(socket_fd); /* or the helper would never see the worker's end through it */
            nanny_main(&request->command);
        }
        if (pid > 0) {
            nannies.pids[nannies.count++] = pid;
        }
    }
    if (report.start_errno != 0 && request->fds[REQUEST_FDS_COUNT - 1] >= 0) {
        nanny_report(request->fds[REQUEST_FDS_COUNT - 1], &report);
    }
    close_fds(request);
}

/* Ctrl-C goes to the whole foreground group: the worker drains, we must outlast it. */
static void
ignore_signals(void)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1,
        SIGUSR2 };
    for (unsigned i = 0; i < ARRAY_COUNT(ignored); i++) {
        signal(ignored[i], SIG_IGN);
    }
}

static void
helper_main(int socket_fd)
{
    static struct request request;
    prctl(PR_SET_NAME, "hedgerow-spawn");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int signal_fd = nanny_watch_children();

    bool is_wanted = signal_fd >= 0;
    while (is_wanted) {
        struct pollfd fds[] = {
            { .fd = socket_fd, .events = POLLIN },
            { .fd = signal_fd, .events = POLLIN },
        };
        size_t size;
        if (poll(fds, ARRAY_COUNT(fds), -1) < 0) {
            continue; /* EINTR */
        }
        if (fds[1].revents != 0) {
            struct signalfd_siginfo info;
            ssize_t got = read(signal_fd, &info, sizeof info);
            (void) got;
            reap_nannies();
        }
        if (fds[0].revents != 0) {
            is_wanted = receive_request(socket_fd, &request, &size);
            if (is_wanted) {
                serve_request(&request, size, socket_fd);
            }
        }
    }
    /* Every nanny reads the end of its control channel now, and kills. */
    nanny_kill_children();
    _exit(0);
}

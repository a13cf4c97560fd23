/* SPDX-License-Identifier: MIT
 *
 * worker/sched/io.c - calls on descriptors that park the fiber instead of the thread.
 *
 * Each tries its system call first and waits only after EAGAIN.  The calls stand in noinline
 * functions of their own, because errno's address is the thread's and a compiler may keep it
 * over a park, after which the fiber runs on another thread.
 */
#include "worker/sched/ctx.h"
#include "worker/sched/netpoll.h"

#include "common/pure/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One attempt at something on fd: a result, or a negative errno. */
struct attempt {
    int64_t (*call)(int fd, const struct attempt *attempt);
    enum netpoll_side side;
    void *bytes;
    size_t size;
};

static __attribute__((noinline)) int64_t
call_read(int fd, const struct attempt *attempt)
{
    ssize_t done = read(fd, attempt->bytes, attempt->size);
    return done >= 0 ? done : -errno;
}

static __attribute__((noinline)) int64_t
call_write(int fd, const struct attempt *attempt)
{
    ssize_t done = write(fd, attempt->bytes, attempt->size);
    return done >= 0 ? done : -errno;
}

static __attribute__((noinline)) int64_t
call_accept(int fd, const struct attempt *attempt)
{
    (void) attempt;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return accepted >= 0 ? accepted : -errno;
}

/* Has a connect that was begun come to an end? */
static __attribute__((noinline)) int64_t
call_connected(int fd, const struct attempt *attempt)
{
    (void) attempt;
    int error_number = 0;
    socklen_t size = sizeof error_number;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size) != 0) {
        return -errno;
    }
    if (error_number != 0) {
        return -error_number;
    }
    if (getpeername(fd, (struct sockaddr *) &peer, &peer_size) == 0) {
        return 0;
    }
    return errno == ENOTCONN ? -EAGAIN : -errno;
}

static int64_t
until_done(int fd, const struct attempt *attempt, int64_t deadline)
{
    for (;;) {
        int64_t err = hr_ctx_err(hr_ctx_self());
        if (err != 0) {
            return err;
        }
        int64_t done = attempt->call(fd, attempt);
        if (done == -EINTR) {
            continue;
        }
        if (done != -EAGAIN) {
            return done;
        }
        err = netpoll_wait(fd, attempt->side, deadline);
        if (err != 0) {
            return err;
        }
    }
}

int64_t
hr_read(int fd, void *bytes, size_t size, int64_t deadline)
{
    struct attempt attempt = { call_read, NETPOLL_READ, bytes, size };
    return until_done(fd, &attempt, deadline);
}

int64_t
hr_write(int fd, const void *bytes, size_t size, int64_t deadline)
{
    struct attempt attempt = { call_write, NETPOLL_WRITE, (void *) (uintptr_t) bytes, size };
    return until_done(fd, &attempt, deadline);
}

int
hr_wait_readable(int fd, int64_t deadline)
{
    int err = hr_ctx_err(hr_ctx_self());
    return err != 0 ? err : netpoll_wait(fd, NETPOLL_READ, deadline);
}

int64_t
hr_accept(int fd, int64_t deadline)
{
    struct attempt attempt = { call_accept, NETPOLL_READ, NULL, 0 };
    return until_done(fd, &attempt, deadline);
}

static __attribute__((noinline)) int
connect_begin(int fd, const struct sockaddr *address, uint32_t size)
{
    if (connect(fd, address, size) == 0) {
        return 0;
    }
    int error_number = errno;
    return error_number == EINTR ? -EINPROGRESS : -error_number;
}

int
hr_connect(int fd, const struct sockaddr *address, uint32_t size, int64_t deadline)
{
    int err = hr_ctx_err(hr_ctx_self());
    if (err == 0) {
        err = connect_begin(fd, address, size);
    }
    if (err != -EINPROGRESS) {
        return err;
    }
    struct attempt attempt = { call_connected, NETPOLL_WRITE, NULL, 0 };
    return (int) until_done(fd, &attempt, deadline);
}

/* ---- dial by name ---- */

struct lookup {
    const char *host;
    const char *port;
    struct addrinfo *found;
    int err;
};

/* On a thread of the blocking pool: the resolver blocks, and wants more than 12 KiB. */
static void
look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    int err = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    lookup->err = err == 0            ? 0
                  : err == EAI_MEMORY ? -ENOMEM
                  : err == EAI_AGAIN  ? -EAGAIN
                                      : -ENOENT;
}

static int
dial_one(const struct addrinfo *each, int64_t deadline)
{
    int fd =
        socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, each->ai_protocol);
    if (fd < 0) {
        return -EMFILE;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int err = hr_connect(fd, each->ai_addr, each->ai_addrlen, deadline);
    if (err == 0) {
        return fd;
    }
    hr_fd_forget(fd);
    close(fd);
    return err;
}

int
hr_dial(const char *host, uint16_t port, int64_t deadline)
{
    char port_text[8];
    snprintf(port_text, sizeof port_text, "%u", port);
    struct lookup lookup = { .host = host, .port = port_text };
    int err = hr_blocking(look_up, &lookup);
    if (err == 0) {
        err = lookup.err;
    }
    int result = err != 0 ? err : -EADDRNOTAVAIL;
    for (struct addrinfo *each = lookup.found; each != NULL; each = each->ai_next) {
        result = dial_one(each, deadline);
        if (result >= 0 || result == -ETIMEDOUT || result == -ECANCELED) {
            break;
        }
    }
    if (lookup.found != NULL) {
        freeaddrinfo(lookup.found);
    }
    return result;
}

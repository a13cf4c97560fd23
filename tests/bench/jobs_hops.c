/* SPDX-License-Identifier: MIT
 *
 * tests/bench/jobs_hops.c - the limit of benchmark J: the same two hops with nothing in them.
 *
 *     jobs_hops front PORT BACK_PORT...   forwards each 128 bytes to one of the backs and
 *                                         the reply back, over one connection to each
 *     jobs_hops back PORT                 echoes
 *
 * Plain epoll, one thread each; what is ready together leaves in one write, as on our
 * links.  A frame between the two is 4 bytes of connection number and 128 bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_SIZE   128
#define FRAME_SIZE  (4 + BODY_SIZE)
#define BUFFER_SIZE (1024 * FRAME_SIZE)
#define FDS_MAX     4096
#define BACKS_MAX   8

enum role {
    ROLE_NONE,
    ROLE_LISTENER,
    ROLE_CLIENT,
    ROLE_BACK
};

struct peer {
    enum role role;
    size_t in_size;
    size_t out_size;
    char *in;
    char *out;
};

static struct peer peers[FDS_MAX];
static int backs[BACKS_MAX];
static int backs_count;
static int next_back;
static int dirty[FDS_MAX]; /* have something to write */
static int dirty_count;

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "jobs_hops: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void
add_peer(int epoll_fd, int fd, enum role role)
{
    if (fd < 0 || fd >= FDS_MAX) {
        die("descriptor");
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peers[fd] =
        (struct peer){ .role = role, .in = malloc(BUFFER_SIZE), .out = malloc(BUFFER_SIZE) };
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static int
open_port(uint16_t port, bool listens)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listens) {
        if (bind(fd, (struct sockaddr *) &address, sizeof address) != 0 ||
            listen(fd, 1024) != 0) {
            die("listen");
        }
    } else if (connect(fd, (struct sockaddr *) &address, sizeof address) != 0) {
        die("connect");
    }
    return fd;
}

static void
put(int fd, const void *bytes, size_t size)
{
    struct peer *peer = &peers[fd];
    if (peer->out_size + size > BUFFER_SIZE) {
        die("a buffer is full");
    }
    if (peer->out_size == 0) {
        dirty[dirty_count++] = fd;
    }
    memcpy(peer->out + peer->out_size, bytes, size);
    peer->out_size += size;
}

/* One whole unit from the front of fd's input: 0 when there is none. */
static size_t
take_unit(int fd, const char *bytes, size_t size)
{
    uint32_t number = (uint32_t) fd;
    switch (peers[fd].role) {
    case ROLE_CLIENT:
        if (backs_count == 0) { /* we are a back, and this is our front */
            if (size < FRAME_SIZE) {
                return 0;
            }
            put(fd, bytes, FRAME_SIZE);
            return FRAME_SIZE;
        }
        if (size < BODY_SIZE) {
            return 0;
        }
        next_back = (next_back + 1) % backs_count;
        put(backs[next_back], &number, 4);
        put(backs[next_back], bytes, BODY_SIZE);
        return BODY_SIZE;
    case ROLE_BACK:
        if (size < FRAME_SIZE) {
            return 0;
        }
        memcpy(&number, bytes, 4);
        if (number < FDS_MAX && peers[number].role == ROLE_CLIENT) {
            put((int) number, bytes + 4, BODY_SIZE);
        }
        return FRAME_SIZE;
    case ROLE_NONE:
    case ROLE_LISTENER: break;
    }
    return 0;
}

static void
on_readable(int epoll_fd, int fd)
{
    struct peer *peer = &peers[fd];
    if (peer->role == ROLE_LISTENER) {
        add_peer(epoll_fd, accept4(fd, NULL, NULL, SOCK_CLOEXEC), ROLE_CLIENT);
        return;
    }
    ssize_t got = read(fd, peer->in + peer->in_size, BUFFER_SIZE - peer->in_size);
    if (got <= 0) {
        close(fd);
        free(peer->in);
        free(peer->out);
        *peer = (struct peer){ .role = ROLE_NONE };
        return;
    }
    peer->in_size += (size_t) got;
    size_t used = 0;
    size_t unit;
    while ((unit = take_unit(fd, peer->in + used, peer->in_size - used)) > 0) {
        used += unit;
    }
    peer->in_size -= used;
    memmove(peer->in, peer->in + used, peer->in_size);
}

static void
flush_all(void)
{
    for (int i = 0; i < dirty_count; i++) {
        struct peer *peer = &peers[dirty[i]];
        if (peer->role != ROLE_NONE && peer->out_size > 0) {
            if (write(dirty[i], peer->out, peer->out_size) != (ssize_t) peer->out_size) {
                die("write");
            }
            peer->out_size = 0;
        }
    }
    dirty_count = 0;
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: jobs_hops front PORT BACK_PORT... | jobs_hops back PORT\n");
        return 2;
    }
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 3; i < argc && backs_count < BACKS_MAX; i++) {
        int fd = open_port((uint16_t) strtoul(argv[i], NULL, 10), false);
        add_peer(epoll_fd, fd, ROLE_BACK);
        backs[backs_count++] = fd;
    }
    int listener = open_port((uint16_t) strtoul(argv[2], NULL, 10), true);
    add_peer(epoll_fd, listener, ROLE_LISTENER);
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < count; i++) {
            on_readable(epoll_fd, events[i].data.fd);
        }
        flush_all();
    }
}

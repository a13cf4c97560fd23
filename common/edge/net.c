/* SPDX-License-Identifier: MIT */
#include "common/edge/net.h"

#include "common/sys/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BACKLOG      1024
#define STARVED_REST duration_ms(100)
#define PARTS_MAX    8
/* Bytes that one connection may read in one turn before others get theirs. */
#define TURN_SIZE_MAX (256 * 1024)

struct net_listener {
    struct evconnlistener *listener;
    struct loop_timer *rest_timer;
    int spare_fd;
    uint16_t port;
    bool is_loopback;
    uint64_t starved_count;
    void (*on_accept)(void *user, int fd, const struct net_peer *peer);
    void *user;
};

struct net_conn {
    struct bufferevent *bev;
    struct evbuffer *input;
    struct evbuffer *output;
    struct net_events events;
    void *user;
    int fd;
    unsigned depth; /* callbacks of this connection on the stack */
    bool is_dead;   /* freed within one of them */
    bool is_paused;
    bool has_ended;
    bool is_broken;
};

/* ---- listener ------------------------------------------------------------------------- */

static struct net_peer
peer_of(const struct sockaddr *address)
{
    struct net_peer peer = { 0 };
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *) address;
        memcpy(peer.address + 10, "\xff\xff", 2);
        memcpy(peer.address + 12, &v4->sin_addr, 4);
        peer.is_loopback = peer.address[12] == 127;
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *) address;
        memcpy(peer.address, &v6->sin6_addr, 16);
        peer.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
                           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && peer.address[12] == 127);
    }
    return peer;
}

static void
on_connection(struct evconnlistener *evl, evutil_socket_t fd, struct sockaddr *address,
    int address_size, void *user)
{
    struct net_listener *listener = user;
    (void) evl;
    (void) address_size;
    int on = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct net_peer peer = peer_of(address);
    listener->on_accept(listener->user, fd, &peer);
}

/* Give the spare away to hang up on one client, so that it does not wait for an answer that
 * cannot come; then rest, for level-triggered readiness would bring us back at once. */
static void
on_accept_error(struct evconnlistener *evl, void *user)
{
    int error_number = errno;
    struct net_listener *listener = user;
    bool is_starved = error_number == EMFILE || error_number == ENFILE ||
                      error_number == ENOMEM || error_number == ENOBUFS;
    if (!is_starved) {
        return; /* the client's own failure, such as ECONNABORTED */
    }
    listener->starved_count++;
    if (listener->spare_fd >= 0) {
        close(listener->spare_fd);
        int fd = accept4(evconnlistener_get_fd(evl), NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        }
    }
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    evconnlistener_disable(evl);
    loop_timer_arm(listener->rest_timer, instant_add(clock_now(), STARVED_REST));
}

static void
on_rested(void *user)
{
    struct net_listener *listener = user;
    if (listener->spare_fd < 0) {
        listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    evconnlistener_enable(listener->listener);
}

/* Split "host:port"; the host is NULL for every interface. */
static err_t
split_address(const char *address, char *host, size_t host_room, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon[1] == '\0') {
        return ERR_INVALID;
    }
    const char *start = address;
    size_t size = (size_t) (colon - address);
    if (size >= 2 && address[0] == '[' && colon[-1] == ']') {
        start++;
        size -= 2;
    } else if (memchr(address, ':', size) != NULL) {
        return ERR_INVALID; /* an IPv6 address needs its brackets */
    }
    for (const char *digit = colon + 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return ERR_INVALID;
        }
    }
    if (size >= host_room || strlen(colon + 1) > 5 || strtol(colon + 1, NULL, 10) > 65535) {
        return ERR_INVALID;
    }
    memcpy(host, start, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return ERR_OK;
}

static err_t
resolve(const char *address, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    char host[256];
    const char *port;
    err_t err = split_address(address, host, sizeof host, &port);
    if (err != ERR_OK) {
        return err;
    }
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    if (getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found) != 0) {
        return ERR_NOT_FOUND;
    }
    memcpy(ret_address, found->ai_addr, found->ai_addrlen);
    *ret_size = found->ai_addrlen;
    freeaddrinfo(found);
    return ERR_OK;
}

static err_t
bind_and_listen(const char *address, int *ret_fd)
{
    struct sockaddr_storage where;
    socklen_t where_size;
    err_t err = resolve(address, &where, &where_size);
    if (err != ERR_OK) {
        return err;
    }
    int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    int on = 1;
    int off = 0;
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where.ss_family == AF_INET6) {
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, (const struct sockaddr *) &where, where_size) != 0 ||
        listen(fd, BACKLOG) != 0) {
        err = err_from_errno(errno);
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static void
look_where_bound(struct net_listener *listener, int fd)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    CHECK(getsockname(fd, (struct sockaddr *) &bound, &size) == 0);
    const struct sockaddr_in6 *v6 = (const void *) &bound;
    const struct sockaddr_in *v4 = (const void *) &bound;
    listener->port = ntohs(bound.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
    listener->is_loopback = peer_of((const struct sockaddr *) &bound).is_loopback;
}

err_t
net_listen(struct loop *loop, const char *address,
    void (*on_accept)(void *user, int fd, const struct net_peer *peer), void *user,
    struct net_listener **ret_listener)
{
    struct net_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        return ERR_NO_MEMORY;
    }
    int fd = -1;
    listener->spare_fd = -1;
    listener->on_accept = on_accept;
    listener->user = user;
    err_t err = bind_and_listen(address, &fd);
    if (err != ERR_OK) {
        goto fail;
    }
    look_where_bound(listener, fd);
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    err = loop_timer_new(loop, on_rested, listener, &listener->rest_timer);
    if (err != ERR_OK) {
        goto fail;
    }
    listener->listener = evconnlistener_new(loop_base(loop), on_connection, listener,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, /* backlog, listening: */ 0, fd);
    if (listener->listener == NULL) {
        err = ERR_NO_MEMORY;
        goto fail;
    }
    evconnlistener_set_error_cb(listener->listener, on_accept_error);
    *ret_listener = listener;
    return ERR_OK;

fail:
    if (fd >= 0) {
        close(fd);
    }
    net_listener_free(listener);
    return err;
}

void
net_listener_free(struct net_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->listener != NULL) {
        evconnlistener_free(listener->listener);
    }
    loop_timer_free(listener->rest_timer);
    if (listener->spare_fd >= 0) {
        close(listener->spare_fd);
    }
    free(listener);
}

uint16_t
net_listener_port(const struct net_listener *listener)
{
    return listener->port;
}

bool
net_listener_is_loopback(const struct net_listener *listener)
{
    return listener->is_loopback;
}

uint64_t
net_listener_starved_count(const struct net_listener *listener)
{
    return listener->starved_count;
}

/* ---- connection: what happens --------------------------------------------------------- */

static void
conn_destroy(struct net_conn *conn)
{
    bufferevent_free(conn->bev);
    /* Not left to libevent, which frees bufferevents a turn later: a descriptor that is
     * given back now can serve the next client now. */
    close(conn->fd);
    free(conn);
}

static void
conn_enter(struct net_conn *conn)
{
    conn->depth++;
}

static void
conn_leave(struct net_conn *conn)
{
    conn->depth--;
    if (conn->is_dead && conn->depth == 0) {
        conn_destroy(conn);
    }
}

static void
conn_end(struct net_conn *conn, enum net_end end)
{
    bool is_news = end == NET_END_RESET ? !conn->is_broken : !conn->has_ended;
    if (conn->is_dead || !is_news) {
        return;
    }
    conn->has_ended = true;
    conn->is_broken = end == NET_END_RESET;
    conn_enter(conn);
    conn->events.on_end(conn->user, end);
    conn_leave(conn);
}

static void
on_readable(struct bufferevent *bev, void *user)
{
    struct net_conn *conn = user;
    (void) bev;
    conn_enter(conn);
    conn->events.on_data(conn->user);
    conn_leave(conn);
}

static void
on_written(struct bufferevent *bev, void *user)
{
    struct net_conn *conn = user;
    (void) bev;
    conn_enter(conn);
    conn->events.on_drained(conn->user);
    conn_leave(conn);
}

static void
on_event(struct bufferevent *bev, short what, void *user)
{
    (void) bev;
    conn_end(user, (what & BEV_EVENT_ERROR) != 0 ? NET_END_RESET : NET_END_HANGUP);
}

/* ---- connection: what is asked for ---------------------------------------------------- */

err_t
net_conn_new(struct loop *loop, int fd, const struct net_events *events, void *user,
    struct net_conn **ret_conn)
{
    struct net_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return ERR_NO_MEMORY;
    }
    struct bufferevent *bev = bufferevent_socket_new(loop_base(loop), fd, 0);
    if (bev == NULL) {
        free(conn);
        return ERR_NO_MEMORY;
    }
    *conn = (struct net_conn){ .bev = bev,
        .input = bufferevent_get_input(bev),
        .output = bufferevent_get_output(bev),
        .events = *events,
        .user = user,
        .fd = fd };
    bufferevent_setcb(bev, on_readable, on_written, on_event, conn);
    if (bufferevent_enable(bev, EV_READ | EV_WRITE) != 0) {
        bufferevent_free(bev);
        free(conn);
        return ERR_NO_MEMORY;
    }
    *ret_conn = conn;
    return ERR_OK;
}

void
net_conn_free(struct net_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    CHECK(!conn->is_dead);
    conn->is_dead = true;
    bufferevent_setcb(conn->bev, NULL, NULL, NULL, NULL);
    (void) bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
    if (conn->depth == 0) {
        conn_destroy(conn);
    }
}

void
net_conn_pause(struct net_conn *conn, bool is_paused)
{
    if (conn->is_paused == is_paused) {
        return;
    }
    conn->is_paused = is_paused;
    if (is_paused) {
        (void) bufferevent_disable(conn->bev, EV_READ);
    } else {
        (void) bufferevent_enable(conn->bev, EV_READ);
    }
}

size_t
net_conn_unread(const struct net_conn *conn)
{
    return evbuffer_get_length(conn->input);
}

size_t
net_conn_peek(struct net_conn *conn, size_t max, const uint8_t **ret_bytes)
{
    size_t size = evbuffer_get_length(conn->input);
    size = size < max ? size : max;
    if (size == 0) {
        return 0;
    }
    const uint8_t *bytes = evbuffer_pullup(conn->input, (ev_ssize_t) size);
    if (bytes == NULL) {
        return 0;
    }
    *ret_bytes = bytes;
    return size;
}

void
net_conn_drop(struct net_conn *conn, size_t size)
{
    CHECK(size <= evbuffer_get_length(conn->input));
    CHECK(evbuffer_drain(conn->input, size) == 0);
}

size_t
net_conn_take(struct net_conn *conn, void *to, size_t size)
{
    size_t taken = 0;
    if (evbuffer_get_length(conn->input) > 0) {
        int removed = evbuffer_remove(conn->input, to, size);
        CHECK(removed >= 0);
        taken = (size_t) removed;
    }
    /* libevent reads 4096 bytes at a time; megabytes deserve better. */
    size_t turn = size < TURN_SIZE_MAX ? size : TURN_SIZE_MAX;
    while (taken < turn && !conn->has_ended) {
        ssize_t got = recv(conn->fd, (uint8_t *) to + taken, turn - taken, MSG_DONTWAIT);
        if (got <= 0) {
            break; /* an end or an error comes again, to on_event */
        }
        taken += (size_t) got;
    }
    return taken;
}

/* What the socket takes at once; 0 too when it is broken, which is told by on_event. */
static size_t
send_now(const struct net_conn *conn, const struct net_bytes *parts, size_t parts_count)
{
    struct iovec pieces[PARTS_MAX];
    for (size_t i = 0; i < parts_count; i++) {
        pieces[i] = (struct iovec){ .iov_base = (void *) (uintptr_t) parts[i].at,
            .iov_len = parts[i].size };
    }
    const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = parts_count };
    ssize_t sent = sendmsg(conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? (size_t) sent : 0;
}

err_t
net_conn_write(struct net_conn *conn, const struct net_bytes *parts, size_t parts_count)
{
    CHECK(parts_count <= PARTS_MAX);

    size_t sent = 0;
    if (evbuffer_get_length(conn->output) == 0) {
        sent = send_now(conn, parts, parts_count);
    }
    for (size_t i = 0; i < parts_count; i++) {
        size_t skipped = sent < parts[i].size ? sent : parts[i].size;
        sent -= skipped;
        if (skipped == parts[i].size) {
            continue;
        }
        const uint8_t *rest = (const uint8_t *) parts[i].at + skipped;
        if (evbuffer_add(conn->output, rest, parts[i].size - skipped) != 0) {
            return ERR_NO_MEMORY;
        }
    }
    return ERR_OK;
}

size_t
net_conn_unsent(const struct net_conn *conn)
{
    return evbuffer_get_length(conn->output);
}

void
net_conn_shut(struct net_conn *conn)
{
    CHECK(net_conn_unsent(conn) == 0);
    (void) shutdown(conn->fd, SHUT_WR);
}

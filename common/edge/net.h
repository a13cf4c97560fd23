/* SPDX-License-Identifier: MIT
 *
 * common/edge/net.h - TCP listeners and connections on libevent's bufferevents.
 *
 * The only file that knows event2/bufferevent.h, buffer.h and listener.h is net.c.  What
 * libevent does not do by itself, and a server that meets strangers needs:
 *
 *     running out of files   a spare descriptor is kept: a client that cannot be served is
 *                            hung up on, and the listener rests for 100 ms (libevent spins)
 *     one write for one      bytes are written right away while nothing waits before them;
 *     answer                 bufferevents keep only what the socket did not take
 *
 * An end is heard only behind the bytes before it: whoever wants to hear it must read on,
 * and drop what it cannot keep.  A full window keeps even the FIN on the other side.
 *
 * A client that closes only its sending half looks like one that has gone, and is treated
 * so.
 *
 * OWNERSHIP  net_conn_new takes the descriptor on success.  Every call of a connection is
 *            allowed inside of its callbacks, net_conn_free too.
 * THREADS    loop
 * MEMORY     libevent's buffers: what the user leaves unread, up to 16 KiB more, and what
 *            was not sent
 * REJECTED   deferred callbacks (BEV_OPT_DEFER_CALLBACKS): one more turn of the loop for
 *            each request
 *            read watermarks: at the high one libevent 2.1.12 calls on_data over and over
 *            EV_CLOSED without reading: misses resets, and spins (libevent #1038)
 */
#ifndef COMMON_EDGE_NET_H
#define COMMON_EDGE_NET_H

#include "common/edge/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- listeners ------------------------------------------------------------------------ */

/* Who connected, to count by. */
struct net_peer {
    uint8_t address[16]; /* IPv6, or IPv4 mapped into it */
    bool is_loopback;
};

struct net_listener;

/* address: "host:port", "[v6]:port", ":port" (every interface); port 0: any.  on_accept owns
 * fd (non-blocking, close-on-exec, without Nagle's delay).
 * Errors: INVALID (not an address), NOT_FOUND (no such host), IN_USE, PERMISSION, NO_MEMORY,
 * FULL, IO. */
err_t net_listen(struct loop *loop, const char *address,
    void (*on_accept)(void *user, int fd, const struct net_peer *peer), void *user,
    struct net_listener **ret_listener) MUST_USE;
void net_listener_free(struct net_listener *listener);
uint16_t net_listener_port(const struct net_listener *listener);
/* Only this machine can connect to it. */
bool net_listener_is_loopback(const struct net_listener *listener);
/* How often accept(2) found no free descriptor, or no memory. */
uint64_t net_listener_starved_count(const struct net_listener *listener);

/* ---- connections ---------------------------------------------------------------------- */

enum net_end {
    NET_END_HANGUP, /* the other side sends no more */
    NET_END_RESET   /* the connection is broken */
};

struct net_events {
    size_t read_max;                /* unread bytes at which reading pauses */
    void (*on_data)(void *user);    /* there are unread bytes that were not there before */
    void (*on_drained)(void *user); /* all that was written has left, after some had to wait */
    /* A hangup once, a reset once, nothing after a reset.  Unread bytes stay readable. */
    void (*on_end)(void *user, enum net_end end);
};

struct net_bytes {
    const void *at;
    size_t size;
};

struct net_conn;

/* Errors: NO_MEMORY (fd stays yours). */
err_t net_conn_new(struct loop *loop, int fd, const struct net_events *events, void *user,
    struct net_conn **ret_conn) MUST_USE;
/* Closes it; unsent bytes are lost. */
void net_conn_free(struct net_conn *conn);

/* Stop reading, and hear no end, until it is taken back; for a user who has enough. */
void net_conn_pause(struct net_conn *conn, bool is_paused);
size_t net_conn_unread(const struct net_conn *conn);
/* Borrow at most max unread bytes in one piece, until the next call; returns how many. */
size_t net_conn_peek(struct net_conn *conn, size_t max, const uint8_t **ret_bytes);
void net_conn_drop(struct net_conn *conn, size_t size);
/* Move at most size bytes to the caller, from the socket itself once none are unread. */
size_t net_conn_take(struct net_conn *conn, void *to, size_t size);

/* Copies what the socket does not take at once.  Errors: NO_MEMORY; a broken connection is
 * told by on_end, later. */
err_t net_conn_write(
    struct net_conn *conn, const struct net_bytes *parts, size_t parts_count) MUST_USE;
size_t net_conn_unsent(const struct net_conn *conn);
/* Nothing more will be written: the other side hears the end. */
void net_conn_shut(struct net_conn *conn);

#endif

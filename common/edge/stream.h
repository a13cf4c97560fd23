/* SPDX-License-Identifier: MIT
 *
 * common/edge/stream.h - byte streams between processes: the one file that knows NNG.
 *
 * tcp://host:port, ipc:///path and abstract://name, on NNG's nng_stream.  A stream has one
 * reader, who waits for stream_fd in a loop of his own (libevent's, the scheduler's) and
 * then reads; and takes one send at a time, out of the caller's bytes.
 *
 *                       stream_read, on_sent ...
 *     accept/dial -> bound ------------------------> on_broken? -> stream_close -> on_gone
 *
 * INVARIANTS  S1  every posted operation holds a reference, the owner holds one
 *             S2  nothing that waits is posted after the close, and both happen under one
 *                 mutex (in NNG a receive posted after the close never completes)
 *             S3  on_gone is the last callback; bytes given to a send are free then
 *             S4  from its end on (the peer's, a failure, stream_shut) stream_fd is readable,
 *                 and stream_read says why
 * OWNERSHIP   whoever is handed the stream binds it, and calls stream_close exactly once,
 *             also after on_broken
 * THREADS     calls: any, also from callbacks, but for the two _free, which wait for running
 *             callbacks; read and its like: one reader, before stream_close.  Callbacks:
 *             NNG's threads; on_gone perhaps inside stream_close.  Nothing is called back
 *             while stream_send is still running below it.
 *             LOCKS: a mutex of its own, held over NNG's post and close, not over callbacks.
 * ERRORS      INVALID (url), IN_USE, PERMISSION, NO_MEMORY, REFUSED, UNREACHABLE, CLOSED, IO
 * REJECTED    NNG's sockets: in 1.5.2 closing a busy pipe blocks its only reaper thread for
 *             good, and the routing protocols drop silently.  aio timeouts: one kills a TLS
 *             stream; whoever waits has a timer and calls stream_close.
 *             Receives with a callback: NNG's poller, its task thread, and then a wake of
 *             who reads are three threads for each frame; a socket of our own is one.
 *             Using it before a fork: NNG aborts in the child.
 */
#ifndef COMMON_EDGE_STREAM_H
#define COMMON_EDGE_STREAM_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PEER_SIZE_MAX 64

struct stream;
struct stream_listener;
struct stream_dialer;

struct stream_events {
    void *user;
    void (*on_sent)(void *user); /* all of it, after a stream_send that was false */
    void (*on_broken)(void *user, err_t why); /* a send failed */
    void (*on_gone)(void *user);
};

/* End the library's threads, once nothing of this file is in use; not needed before an exit,
 * but then every descriptor and byte is given back. */
void stream_shutdown(void);

/* Before the first read or send. */
void stream_bind(struct stream *stream, const struct stream_events *events);
/* Readable while there is something to read, or the end; forget it before stream_close. */
int stream_fd(const struct stream *stream);
/* Up to size bytes, of those that are there.  Errors: AGAIN (none), what ended it. */
err_t
stream_read(struct stream *stream, uint8_t *bytes, size_t size, size_t *ret_size) MUST_USE;
/* For who waits for edges: look before sleeping, and before reading (to read nothing is
 * dear: NNG begins to poll). */
bool stream_is_readable(struct stream *stream);
/* All of size bytes; one at a time.  True: the kernel took them at once, and nothing is
 * called back; false: on_sent follows, or the stream's end. */
bool stream_send(struct stream *stream, const uint8_t *bytes, size_t size);
/* End it, but keep it: whoever reads is woken, and closes it. */
void stream_shut(struct stream *stream);
void stream_close(struct stream *stream);
/* Where the other end is, for people. */
void stream_peer(const struct stream *stream, char text[STREAM_PEER_SIZE_MAX]);
/* It is on this machine. */
bool stream_is_local(const struct stream *stream);

/* on_accepted owns the stream. */
err_t stream_listener_new(const char *url, void (*on_accepted)(void *user, struct stream *),
    void *user, struct stream_listener **ret_listener) MUST_USE;
void stream_listener_free(struct stream_listener *listener);
uint16_t stream_listener_port(const struct stream_listener *listener);
bool stream_listener_is_local(const struct stream_listener *listener);

/* on_dialed owns the stream, unless err says that there is none. */
err_t stream_dialer_new(const char *url,
    void (*on_dialed)(void *user, err_t err, struct stream *stream), void *user,
    struct stream_dialer **ret_dialer) MUST_USE;
/* One at a time; resolves the name anew. */
void stream_dialer_dial(struct stream_dialer *dialer);
/* A dial that runs is called back (CLOSED) before this returns. */
void stream_dialer_free(struct stream_dialer *dialer);

#endif

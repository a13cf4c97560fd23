/* SPDX-License-Identifier: MIT
 *
 * NNG 1.5.2's rules for streams, which this file keeps for everybody:
 *
 *   post     lock; closing? unlock, return; refs++; set_iov; nng_stream_recv/send; unlock
 *   close    lock; closing? unlock, return; closing = true; nng_stream_close; unlock
 *   callback error: close.  Always drop the operation's reference at the end.
 *   last     nng_stream_free (asynchronous, legal in a callback), nng_aio_reap twice, free
 *
 * Callbacks never run inside a post (NNG hands completions to its task threads), so holding
 * the mutex over a post is safe.  Sends and receives are partial; TCP_NODELAY is off unless
 * it is asked for.
 *
 * An operation that completes costs a hop to a task thread, and a receive that waits one more
 * from the thread that polls; unless its aio has no callback.  So reads and sends are tried
 * with such an aio (try_now), and what waits for the socket is the caller's own loop, on a
 * duplicate of its descriptor.  NNG does not tell that one: sock.h finds it.
 */
#include "common/edge/stream.h"

#include "common/edge/one_core.h"
#include "common/edge/relay.h"
#include "common/edge/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS_MIN 10
#define ACCEPT_PAUSE_MS_MAX 100

struct stream {
    pthread_mutex_t mutex; /* guards refs, is_closing, relay and every post */
    unsigned refs;
    bool is_closing;
    nng_stream *nng;
    int fd;
    struct relay *relay; /* of a transport whose socket is not found (ipc); else NULL */
    nng_aio *relay_aio;
    nng_aio *read_aio; /* the reader's; has no callback: see try_now */
    nng_aio *send_aio;
    nng_aio *try_aio;    /* the same for sends */
    uint8_t *send_bytes; /* of the running send: what is left */
    size_t send_size;
    struct stream_events events;
};

struct stream_listener {
    nng_stream_listener *nng;
    nng_aio *aio;
    void (*on_accepted)(void *user, struct stream *stream);
    void *user;
    nng_duration pause_ms; /* after a failed accept: EMFILE would spin */
    bool is_pausing;
};

struct stream_dialer {
    nng_stream_dialer *nng;
    nng_aio *aio;
    void (*on_dialed)(void *user, err_t err, struct stream *stream);
    void *user;
};

static err_t
err_from_nng(int code)
{
    static const err_t table[] = {
        [NNG_ENOMEM] = ERR_NO_MEMORY,
        [NNG_ENOFILES] = ERR_FULL,
        [NNG_EINVAL] = ERR_INVALID,
        [NNG_EADDRINVAL] = ERR_INVALID,
        [NNG_ENOTSUP] = ERR_UNSUPPORTED,
        [NNG_EADDRINUSE] = ERR_IN_USE,
        [NNG_EPERM] = ERR_PERMISSION,
        [NNG_ECONNREFUSED] = ERR_REFUSED,
        [NNG_ENOENT] = ERR_REFUSED, /* an ipc path that nobody listens on */
        [NNG_EUNREACHABLE] = ERR_UNREACHABLE,
        [NNG_ETIMEDOUT] = ERR_TIMEOUT,
        [NNG_ECLOSED] = ERR_CLOSED,
        [NNG_ECONNSHUT] = ERR_CLOSED,
        [NNG_ECONNRESET] = ERR_CLOSED,
        [NNG_ECONNABORTED] = ERR_CLOSED,
        [NNG_ECANCELED] = ERR_CLOSED,
    };
    if (code == 0) {
        return ERR_OK;
    }
    bool is_known = (unsigned) code < ARRAY_COUNT(table) && table[code] != ERR_OK;
    return is_known ? table[code] : ERR_IO;
}

/* ---- streams ------------------------------------------------------------------------- */

static void on_relayed(void *user);
static void on_send(void *user);

/* For a stream that was never bound, or is half made. */
static void
stream_destroy(struct stream *stream)
{
    nng_stream_free(stream->nng);
    nng_aio *const aios[] = { stream->read_aio, stream->send_aio, stream->try_aio,
        stream->relay_aio };
    for (unsigned i = 0; i < ARRAY_COUNT(aios); i++) {
        if (aios[i] != NULL) {
            nng_aio_reap(aios[i]);
        }
    }
    if (stream->relay == NULL && stream->fd >= 0) {
        close(stream->fd);
    }
    relay_free(stream->relay);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

static void
ignore_gone(void *user)
{
    (void) user;
}

/* NNG's form of an address in the system's. */
static struct sockaddr_storage
address_of(const nng_sockaddr *from)
{
    struct sockaddr_storage to = { .ss_family = AF_UNSPEC };
    if (from->s_family == NNG_AF_INET) {
        struct sockaddr_in *v4 = (void *) &to;
        v4->sin_family = AF_INET;
        v4->sin_port = from->s_in.sa_port;
        v4->sin_addr.s_addr = from->s_in.sa_addr;
    } else if (from->s_family == NNG_AF_INET6) {
        struct sockaddr_in6 *v6 = (void *) &to;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = from->s_in6.sa_port;
        memcpy(&v6->sin6_addr, from->s_in6.sa_addr, sizeof v6->sin6_addr);
    } else if (from->s_family == NNG_AF_IPC || from->s_family == NNG_AF_ABSTRACT) {
        to.ss_family = AF_UNIX;
    }
    return to;
}

/* Of which is NNG_OPT_LOCADDR or NNG_OPT_REMADDR; AF_UNSPEC when it has none. */
static struct sockaddr_storage
address_get(nng_stream *nng, const char *which)
{
    nng_sockaddr address = { .s_family = NNG_AF_UNSPEC };
    (void) nng_stream_get_addr(nng, which, &address);
    return address_of(&address);
}

/* What a reader waits for: a duplicate of NNG's socket, which stays what it is when NNG
 * closes its own; or a relay's, where there is none to be found. */
static bool
open_fd(struct stream *stream)
{
    const struct sockaddr_storage local = address_get(stream->nng, NNG_OPT_LOCADDR);
    const struct sockaddr_storage remote = address_get(stream->nng, NNG_OPT_REMADDR);
    stream->fd = sock_find_dup(&local, &remote);
    if (stream->fd >= 0) {
        return true;
    }
    if (relay_new(&stream->relay) != ERR_OK) {
        return false;
    }
    stream->fd = stream->relay->fd;
    return nng_aio_alloc(&stream->relay_aio, on_relayed, stream) == 0;
}

/* Takes nng also when it fails. */
static struct stream *
stream_of(nng_stream *nng)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        nng_stream_free(nng);
        return NULL;
    }
    pthread_mutex_init(&stream->mutex, NULL);
    stream->nng = nng;
    stream->refs = 1;
    stream->events.on_gone = ignore_gone;
    if (!open_fd(stream) || nng_aio_alloc(&stream->read_aio, NULL, NULL) != 0 ||
        nng_aio_alloc(&stream->send_aio, on_send, stream) != 0 ||
        nng_aio_alloc(&stream->try_aio, NULL, NULL) != 0) {
        stream_destroy(stream);
        return NULL;
    }
    return stream;
}

static void
unref(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    CHECK(stream->refs > 0);
    bool is_last = --stream->refs == 0;
    pthread_mutex_unlock(&stream->mutex);
    if (is_last) {
        const struct stream_events events = stream->events;
        stream_destroy(stream);
        events.on_gone(events.user);
    }
}

static void
hand_over(struct stream *stream, nng_aio *aio, void *bytes, size_t size)
{
    nng_iov iov = { .iov_buf = bytes, .iov_len = size };
    CHECK(nng_aio_set_iov(aio, 1, &iov) == 0);
    if (aio == stream->read_aio || aio == stream->relay_aio) {
        nng_stream_recv(stream->nng, aio);
    } else {
        nng_stream_send(stream->nng, aio);
    }
}

/* With the mutex held. */
static void
post(struct stream *stream, nng_aio *aio, void *bytes, size_t size)
{
    if (!stream->is_closing) {
        stream->refs++; /* S1 */
        hand_over(stream, aio, bytes, size);
    }
}

void
stream_bind(struct stream *stream, const struct stream_events *events)
{
    stream->events = *events;
    if (stream->relay != NULL) {
        pthread_mutex_lock(&stream->mutex);
        post(stream, stream->relay_aio, stream->relay->bytes, RELAY_SIZE);
        pthread_mutex_unlock(&stream->mutex);
    }
}

/* True for the first one. */
static bool
shut(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool is_first = !stream->is_closing;
    if (is_first) {
        stream->is_closing = true; /* S2 */
        nng_stream_close(stream->nng);
        if (stream->relay != NULL) {
            relay_end(stream->relay, ERR_CLOSED); /* S4: perhaps no receive was posted */
        }
    }
    pthread_mutex_unlock(&stream->mutex);
    return is_first;
}

static void
on_send(void *user)
{
    struct stream *stream = user;
    int code = nng_aio_result(stream->send_aio);
    size_t size = nng_aio_count(stream->send_aio);
    if (code != 0) {
        if (shut(stream)) {
            stream->events.on_broken(stream->events.user, err_from_nng(code));
        }
    } else {
        CHECK(size <= stream->send_size);
        stream->send_bytes += size;
        stream->send_size -= size;
        if (stream->send_size > 0) {
            pthread_mutex_lock(&stream->mutex);
            post(stream, stream->send_aio, stream->send_bytes, stream->send_size);
            pthread_mutex_unlock(&stream->mutex);
        } else {
            stream->events.on_sent(stream->events.user);
        }
    }
    unref(stream);
}

/* Do what the kernel can do now, on this thread: an aio that has no callback completes within
 * the post, or is called off.  NNG makes one system call for each post: one that was called
 * off moved nothing.  After the close it moves nothing either. */
static int
try_now(struct stream *stream, nng_aio *aio, void *bytes, size_t size, size_t *ret_size)
{
    hand_over(stream, aio, bytes, size);
    nng_aio_cancel(aio); /* does nothing when it is done */
    nng_aio_wait(aio);
    int code = nng_aio_result(aio);
    *ret_size = code == 0 ? nng_aio_count(aio) : 0;
    return code;
}

/* ---- reading ------------------------------------------------------------------------- */

int
stream_fd(const struct stream *stream)
{
    return stream->fd;
}

static void
on_relayed(void *user)
{
    struct stream *stream = user;
    int code = nng_aio_result(stream->relay_aio);
    size_t size = nng_aio_count(stream->relay_aio);
    pthread_mutex_lock(&stream->mutex);
    if (code == 0 && size > 0) {
        relay_fill(stream->relay, size);
    } else {
        relay_end(stream->relay, err_from_nng(code != 0 ? code : NNG_ECONNSHUT));
    }
    pthread_mutex_unlock(&stream->mutex);
    unref(stream);
}

static err_t
read_relayed(struct stream *stream, uint8_t *bytes, size_t size, size_t *ret_size)
{
    pthread_mutex_lock(&stream->mutex);
    err_t err = relay_read(stream->relay, bytes, size, ret_size);
    if (err == ERR_OK && relay_is_empty(stream->relay)) {
        post(stream, stream->relay_aio, stream->relay->bytes, RELAY_SIZE);
    }
    pthread_mutex_unlock(&stream->mutex);
    return err;
}

bool
stream_is_readable(struct stream *stream)
{
    if (stream->relay == NULL) {
        return sock_look(stream->fd) != SOCK_NOTHING;
    }
    pthread_mutex_lock(&stream->mutex);
    bool is_readable = !relay_is_empty(stream->relay);
    pthread_mutex_unlock(&stream->mutex);
    return is_readable;
}

err_t
stream_read(struct stream *stream, uint8_t *bytes, size_t size, size_t *ret_size)
{
    CHECK(size > 0);
    if (stream->relay != NULL) {
        return read_relayed(stream, bytes, size, ret_size);
    }
    int code = NNG_ECANCELED;
    enum sock_look look = SOCK_BYTES;
    /* NNG also takes nothing once it has seen the socket's end by itself.  So look; and when
     * there is something, it may have come just now: once more. */
    for (int i = 0; i < 2 && code == NNG_ECANCELED && look == SOCK_BYTES; i++) {
        code = try_now(stream, stream->read_aio, bytes, size, ret_size);
        look = code == NNG_ECANCELED ? sock_look(stream->fd) : look;
    }
    if (code == 0 && *ret_size > 0) {
        return ERR_OK;
    }
    if (code == NNG_ECANCELED && look == SOCK_NOTHING) {
        return ERR_AGAIN;
    }
    return err_from_nng(code != 0 ? code : NNG_ECONNSHUT);
}

/* ---- sending ------------------------------------------------------------------------- */

bool
stream_send(struct stream *stream, const uint8_t *bytes, size_t size)
{
    CHECK(size > 0);
    bool is_done = false;
    pthread_mutex_lock(&stream->mutex);
    if (!stream->is_closing) {
        uint8_t *rest = (uint8_t *) (uintptr_t) bytes; /* NNG's iov is not const */
        size_t sent_size = 0;
        /* An error comes again, with a callback, when the rest is posted. */
        (void) try_now(stream, stream->try_aio, rest, size, &sent_size);
        CHECK(sent_size <= size);
        is_done = sent_size == size;
        stream->send_bytes = rest + sent_size;
        stream->send_size = size - sent_size;
        if (!is_done) {
            post(stream, stream->send_aio, stream->send_bytes, stream->send_size);
        }
    }
    pthread_mutex_unlock(&stream->mutex);
    return is_done;
}

void
stream_shut(struct stream *stream)
{
    shut(stream);
}

void
stream_close(struct stream *stream)
{
    shut(stream);
    unref(stream);
}

bool
stream_is_local(const struct stream *stream)
{
    const struct sockaddr_storage address = address_get(stream->nng, NNG_OPT_REMADDR);
    return sock_address_is_local(&address);
}

void
stream_peer(const struct stream *stream, char text[STREAM_PEER_SIZE_MAX])
{
    const struct sockaddr_storage address = address_get(stream->nng, NNG_OPT_REMADDR);
    sock_address_text(&address, text, STREAM_PEER_SIZE_MAX);
}

void
stream_shutdown(void)
{
    nng_fini();
}

/* ---- listening ----------------------------------------------------------------------- */

static void
on_accept(void *user)
{
    struct stream_listener *listener = user;
    int code = nng_aio_result(listener->aio);
    if (listener->is_pausing) {
        listener->is_pausing = false;
        if (code == 0) {
            nng_stream_listener_accept(listener->nng, listener->aio);
        }
        return;
    }
    if (code == 0) {
        listener->pause_ms = ACCEPT_PAUSE_MS_MIN;
        struct stream *stream = stream_of(nng_aio_get_output(listener->aio, 0));
        if (stream != NULL) {
            listener->on_accepted(listener->user, stream);
        }
        nng_stream_listener_accept(listener->nng, listener->aio);
        return;
    }
    if (code == NNG_ECLOSED || code == NNG_ECANCELED) {
        return;
    }
    listener->is_pausing = true;
    nng_duration pause_ms = listener->pause_ms;
    listener->pause_ms =
        pause_ms * 2 < ACCEPT_PAUSE_MS_MAX ? pause_ms * 2 : ACCEPT_PAUSE_MS_MAX;
    nng_sleep_aio(pause_ms, listener->aio);
}

err_t
stream_listener_new(const char *url, void (*on_accepted)(void *user, struct stream *),
    void *user, struct stream_listener **ret_listener)
{
    struct stream_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        return ERR_NO_MEMORY;
    }
    *listener = (struct stream_listener){
        .on_accepted = on_accepted, .user = user, .pause_ms = ACCEPT_PAUSE_MS_MIN
    };
    one_core_begin();
    int code = nng_stream_listener_alloc(&listener->nng, url);
    one_core_end();
    if (code == 0) {
        /* Not every transport has them. */
        nng_stream_listener_set_bool(listener->nng, NNG_OPT_TCP_NODELAY, true);
        nng_stream_listener_set_int(listener->nng, NNG_OPT_IPC_PERMISSIONS, 0600);
        code = nng_aio_alloc(&listener->aio, on_accept, listener);
    }
    if (code == 0) {
        code = nng_stream_listener_listen(listener->nng);
    }
    if (code != 0) {
        stream_listener_free(listener);
        return err_from_nng(code);
    }
    nng_stream_listener_accept(listener->nng, listener->aio);
    *ret_listener = listener;
    return ERR_OK;
}

void
stream_listener_free(struct stream_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->nng != NULL) {
        nng_stream_listener_close(listener->nng);
    }
    if (listener->aio != NULL) {
        nng_aio_stop(listener->aio);
        nng_aio_free(listener->aio);
    }
    if (listener->nng != NULL) {
        nng_stream_listener_free(listener->nng);
    }
    free(listener);
}

uint16_t
stream_listener_port(const struct stream_listener *listener)
{
    int port = 0;
    int code = nng_stream_listener_get_int(listener->nng, NNG_OPT_TCP_BOUND_PORT, &port);
    return code == 0 ? (uint16_t) port : 0;
}

bool
stream_listener_is_local(const struct stream_listener *listener)
{
    nng_sockaddr address = { .s_family = NNG_AF_UNSPEC };
    (void) nng_stream_listener_get_addr(listener->nng, NNG_OPT_LOCADDR, &address);
    const struct sockaddr_storage local = address_of(&address);
    return sock_address_is_local(&local);
}

/* ---- dialing ------------------------------------------------------------------------- */

static void
on_dial(void *user)
{
    struct stream_dialer *dialer = user;
    int code = nng_aio_result(dialer->aio);
    struct stream *stream = NULL;
    if (code == 0) {
        stream = stream_of(nng_aio_get_output(dialer->aio, 0));
        code = stream == NULL ? NNG_ENOMEM : 0;
    }
    dialer->on_dialed(dialer->user, err_from_nng(code), stream);
}

err_t
stream_dialer_new(const char *url,
    void (*on_dialed)(void *user, err_t err, struct stream *stream), void *user,
    struct stream_dialer **ret_dialer)
{
    struct stream_dialer *dialer = calloc(1, sizeof *dialer);
    if (dialer == NULL) {
        return ERR_NO_MEMORY;
    }
    dialer->on_dialed = on_dialed;
    dialer->user = user;
    one_core_begin();
    int code = nng_stream_dialer_alloc(&dialer->nng, url);
    one_core_end();
    if (code == 0) {
        nng_stream_dialer_set_bool(dialer->nng, NNG_OPT_TCP_NODELAY, true);
        code = nng_aio_alloc(&dialer->aio, on_dial, dialer);
    }
    if (code != 0) {
        stream_dialer_free(dialer);
        return err_from_nng(code);
    }
    *ret_dialer = dialer;
    return ERR_OK;
}

void
stream_dialer_dial(struct stream_dialer *dialer)
{
    nng_stream_dialer_dial(dialer->nng, dialer->aio);
}

void
stream_dialer_free(struct stream_dialer *dialer)
{
    if (dialer == NULL) {
        return;
    }
    if (dialer->nng != NULL) {
        nng_stream_dialer_close(dialer->nng);
    }
    if (dialer->aio != NULL) {
        nng_aio_stop(dialer->aio);
        nng_aio_free(dialer->aio);
    }
    if (dialer->nng != NULL) {
        nng_stream_dialer_free(dialer->nng);
    }
    free(dialer);
}

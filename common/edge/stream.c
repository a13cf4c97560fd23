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
 */
#include "common/edge/stream.h"

#include "common/edge/one_core.h"

#include <arpa/inet.h>
#include <nng/nng.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPT_PAUSE_MS_MIN 10
#define ACCEPT_PAUSE_MS_MAX 100

struct stream {
    pthread_mutex_t mutex; /* guards refs, is_closing and every post */
    unsigned refs;
    bool is_closing;
    nng_stream *nng;
    nng_aio *recv_aio;
    nng_aio *send_aio;
    nng_aio *try_aio;    /* has no callback: see try_send */
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
    static const struct {
        int code;
        err_t err;
    } table[] = {
        { 0, ERR_OK },
        { NNG_ENOMEM, ERR_NO_MEMORY },
        { NNG_ENOFILES, ERR_FULL },
        { NNG_EINVAL, ERR_INVALID },
        { NNG_EADDRINVAL, ERR_INVALID },
        { NNG_ENOTSUP, ERR_UNSUPPORTED },
        { NNG_EADDRINUSE, ERR_IN_USE },
        { NNG_EPERM, ERR_PERMISSION },
        { NNG_ECONNREFUSED, ERR_REFUSED },
        { NNG_ENOENT, ERR_REFUSED }, /* an ipc path that nobody listens on */
        { NNG_EUNREACHABLE, ERR_UNREACHABLE },
        { NNG_ETIMEDOUT, ERR_TIMEOUT },
        { NNG_ECLOSED, ERR_CLOSED },
        { NNG_ECONNSHUT, ERR_CLOSED },
        { NNG_ECONNRESET, ERR_CLOSED },
        { NNG_ECONNABORTED, ERR_CLOSED },
        { NNG_ECANCELED, ERR_CLOSED },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(table); i++) {
        if (table[i].code == code) {
            return table[i].err;
        }
    }
    return ERR_IO;
}

/* ---- streams ------------------------------------------------------------------------- */

static void on_recv(void *user);
static void on_send(void *user);

/* For a stream that was never bound, or is half made. */
static void
stream_destroy(struct stream *stream)
{
    nng_stream_free(stream->nng);
    if (stream->recv_aio != NULL) {
        nng_aio_reap(stream->recv_aio);
    }
    if (stream->send_aio != NULL) {
        nng_aio_reap(stream->send_aio);
    }
    if (stream->try_aio != NULL) {
        nng_aio_reap(stream->try_aio);
    }
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

static void
ignore_gone(void *user)
{
    (void) user;
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
    if (nng_aio_alloc(&stream->recv_aio, on_recv, stream) != 0 ||
        nng_aio_alloc(&stream->send_aio, on_send, stream) != 0 ||
        nng_aio_alloc(&stream->try_aio, NULL, NULL) != 0) {
        stream_destroy(stream);
        return NULL;
    }
    nng_aio_set_timeout(stream->recv_aio, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(stream->send_aio, NNG_DURATION_INFINITE);
    return stream;
}

void
stream_bind(struct stream *stream, const struct stream_events *events)
{
    stream->events = *events;
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
post(struct stream *stream, nng_aio *aio, void *bytes, size_t size)
{
    pthread_mutex_lock(&stream->mutex);
    if (!stream->is_closing) {
        stream->refs++; /* S1 */
        nng_iov iov = { .iov_buf = bytes, .iov_len = size };
        CHECK(nng_aio_set_iov(aio, 1, &iov) == 0);
        if (aio == stream->recv_aio) {
            nng_stream_recv(stream->nng, aio);
        } else {
            nng_stream_send(stream->nng, aio);
        }
    }
    pthread_mutex_unlock(&stream->mutex);
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
    }
    pthread_mutex_unlock(&stream->mutex);
    return is_first;
}

static void
on_recv(void *user)
{
    struct stream *stream = user;
    int code = nng_aio_result(stream->recv_aio);
    size_t size = nng_aio_count(stream->recv_aio);
    if (code != 0 || size == 0) {
        if (shut(stream)) {
            stream->events.on_broken(stream->events.user, err_from_nng(code));
        }
    } else {
        stream->events.on_received(stream->events.user, size);
    }
    unref(stream);
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
            post(stream, stream->send_aio, stream->send_bytes, stream->send_size);
        } else {
            stream->events.on_sent(stream->events.user);
        }
    }
    unref(stream);
}

/* Write what the kernel takes now.  A send that completes costs a hop to a task thread, unless
 * its aio has no callback; so this one has none, and is called off when it did not complete
 * within the post.  NNG writes once for each post: one that was called off wrote nothing.
 * With the mutex held. */
static size_t
try_send(struct stream *stream, uint8_t *bytes, size_t size)
{
    nng_iov iov = { .iov_buf = bytes, .iov_len = size };
    CHECK(nng_aio_set_iov(stream->try_aio, 1, &iov) == 0);
    nng_stream_send(stream->nng, stream->try_aio);
    nng_aio_cancel(stream->try_aio); /* does nothing when it is done */
    nng_aio_wait(stream->try_aio);
    /* An error comes again, with a callback, when the rest is posted. */
    return nng_aio_result(stream->try_aio) == 0 ? nng_aio_count(stream->try_aio) : 0;
}

void
stream_recv(struct stream *stream, uint8_t *bytes, size_t size)
{
    CHECK(size > 0);
    post(stream, stream->recv_aio, bytes, size);
}

bool
stream_send(struct stream *stream, const uint8_t *bytes, size_t size)
{
    CHECK(size > 0);
    bool is_done = false;
    pthread_mutex_lock(&stream->mutex);
    if (!stream->is_closing) {
        uint8_t *rest = (uint8_t *) (uintptr_t) bytes; /* NNG's iov is not const */
        size_t sent_size = try_send(stream, rest, size);
        CHECK(sent_size <= size);
        is_done = sent_size == size;
        stream->send_bytes = rest + sent_size;
        stream->send_size = size - sent_size;
    }
    pthread_mutex_unlock(&stream->mutex);
    if (!is_done) {
        post(stream, stream->send_aio, stream->send_bytes, stream->send_size);
    }
    return is_done;
}

void
stream_close(struct stream *stream)
{
    shut(stream);
    unref(stream);
}

static bool
address_is_local(const nng_sockaddr *address)
{
    static const uint8_t loopback6[16] = { [15] = 1 };
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (address->s_family == NNG_AF_INET) {
        return (ntohl(address->s_in.sa_addr) >> 24) == 127;
    }
    if (address->s_family == NNG_AF_INET6) {
        const uint8_t *bytes = address->s_in6.sa_addr;
        return memcmp(bytes, loopback6, sizeof loopback6) == 0 ||
               (memcmp(bytes, mapped, sizeof mapped) == 0 && bytes[12] == 127);
    }
    return address->s_family == NNG_AF_IPC || address->s_family == NNG_AF_ABSTRACT;
}

bool
stream_is_local(const struct stream *stream)
{
    nng_sockaddr address;
    return nng_stream_get_addr(stream->nng, NNG_OPT_REMADDR, &address) == 0 &&
           address_is_local(&address);
}

void
stream_peer(const struct stream *stream, char text[STREAM_PEER_SIZE_MAX])
{
    nng_sockaddr address;
    char host[INET6_ADDRSTRLEN] = "?";
    if (nng_stream_get_addr(stream->nng, NNG_OPT_REMADDR, &address) != 0) {
        address.s_family = NNG_AF_UNSPEC;
    }
    if (address.s_family == NNG_AF_INET) {
        inet_ntop(AF_INET, &address.s_in.sa_addr, host, sizeof host);
        snprintf(text, STREAM_PEER_SIZE_MAX, "%s:%u", host, ntohs(address.s_in.sa_port));
    } else if (address.s_family == NNG_AF_INET6) {
        inet_ntop(AF_INET6, address.s_in6.sa_addr, host, sizeof host);
        snprintf(text, STREAM_PEER_SIZE_MAX, "[%s]:%u", host, ntohs(address.s_in6.sa_port));
    } else {
        snprintf(text, STREAM_PEER_SIZE_MAX, "local");
    }
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
    nng_sockaddr address;
    return nng_stream_listener_get_addr(listener->nng, NNG_OPT_LOCADDR, &address) == 0 &&
           address_is_local(&address);
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

#ifdef __SANITIZE_THREAD__
/* NNG's TCP dialer is counted with atomics inside a library that is not instrumented: its last
 * connection, on the reaper thread, destroys a mutex that our thread locked before its own
 * (atomic) release, and the sanitizer cannot see why that is in order
 * (nni_posix_tcp_dialer_rele).  Mutexes of ours that are destroyed too early are still
 * found, by the free that follows. */
const char *__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *
__tsan_default_suppressions(void)
{
    return "race_top:pthread_mutex_destroy\n";
}
#endif

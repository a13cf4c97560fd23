/* SPDX-License-Identifier: MIT
 *
 *             dial              dialed                 WELCOME
 *   WAITING --------> DIALING ----------> CONNECTED (is_up) ...
 *      ^                 | failed             | GOODBYE, broken, no heartbeat
 *      '---- on_down ----+--------------------'
 *           (loop)     LOST  (once the stream is gone, so no other callback runs)
 *
 * A fiber reads, decodes and calls the agent back: the fibers that it starts for a batch of
 * jobs run next, on the same thread, and then it writes what they had to say at once.  So a
 * job that comes and goes costs a poll, a read and a write, and wakes no thread.  The loop's
 * thread only keeps the time and dials.
 *
 * What is said waits for the reader until each of the batch has ended or parked.  One that
 * burns the CPU instead does not hold the rest up for long: within a millisecond (sysmon.c)
 * its proc, with the reader in its queue, is another thread's.
 *
 * LOCKS  link->mutex guards session and state; NNG's post and close happen below it
 *        (stream.h's mutex); callbacks happen without it.
 */
#include "worker/link.h"

#include "common/edge/crypto.h"
#include "common/edge/stream.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "proto/session.h"
#include "worker/sched/sched.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REDIAL_MS_MIN 100
#define REDIAL_MS_MAX 5000
/* A STARTED may wait so long for company: a short job's RESULT takes it along. */
#define LAZY_NS 2000000

enum state {
    WAITING,
    DIALING,
    CONNECTED,
    CLOSING, /* the stream is closed, and not gone yet */
    LOST     /* gone, or never there: the loop tells it */
};

struct worker_link {
    struct worker_link_events events; /* constant */
    struct worker_link_config config;
    uint8_t token[WIRE_TOKEN_SIZE_MAX];
    struct stream_dialer *dialer;
    struct loop_wake *wake;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* for those who wait: all was sent, or the link was lost */
    enum state state;
    struct stream *stream; /* NULL: it has ended, or there is none */
    struct stream *read;   /* the same, until its reader has closed it */
    struct session *session;
    err_t why;
    duration_t heartbeat; /* of the coordinator that was there last */
    uint32_t missed_max;
    bool is_stopping;
    bool is_receiving;       /* a batch is being handed out: what is sent leaves at its end */
    bool is_lazy;            /* a fiber will flush within LAZY_NS */
    bool said_goodbye;       /* do not dial again */
    unsigned failures_count; /* in a row */

    /* Written under the mutex; read without it by those who only want to know. */
    atomic_bool is_up;

    struct loop_timer *timer; /* from here on: the loop thread's */
    instant_t redial_at;
};

/* With the mutex held.  Wakes the reader, who closes the stream. */
static void
end_stream(struct worker_link *link, err_t why)
{
    if (link->stream != NULL) {
        stream_shut(link->stream);
        link->stream = NULL;
        link->state = CLOSING;
        link->why = why;
        atomic_store_explicit(&link->is_up, false, memory_order_relaxed);
        pthread_cond_broadcast(&link->changed);
    }
}

/* With the mutex held. */
static void
flush(struct worker_link *link)
{
    const uint8_t *bytes;
    size_t size;
    if (link->stream == NULL || link->is_receiving) {
        return;
    }
    while (session_stage(link->session, clock_now(), &bytes, &size)) {
        if (!stream_send(link->stream, bytes, size)) {
            return; /* the rest when on_sent comes */
        }
        session_written(link->session);
    }
    if (session_is_idle(link->session)) {
        pthread_cond_broadcast(&link->changed);
    }
}

/* ---- the reader's fiber -------------------------------------------------------------- */

/* Call the agent back with one message.  Without the mutex: it sends from here. */
static void
tell(struct worker_link *link, enum session_event event, const struct wire_msg *msg)
{
    if (event == SESSION_IS_UP) {
        link->events.on_up(link->events.user, session_epoch(link->session));
    } else if (msg->kind != WIRE_GOODBYE) {
        link->events.on_message(link->events.user, msg);
    }
}

/* With the mutex held, but not while the agent is called.  An error ends the link. */
static err_t
take_messages(struct worker_link *link)
{
    while (link->stream != NULL) {
        enum session_event event;
        const struct wire_msg *msg;
        err_t err = session_next(link->session, clock_now(), &event, &msg);
        if (err != ERR_OK || event == SESSION_IDLE) {
            return err;
        }
        if (event == SESSION_IS_UP) {
            atomic_store_explicit(&link->is_up, true, memory_order_relaxed);
            link->failures_count = 0;
            link->heartbeat = session_heartbeat(link->session);
            link->missed_max = session_missed_max(link->session);
        }
        if (event == SESSION_MESSAGE && msg->kind == WIRE_GOODBYE) {
            log_warn("the coordinator closes the link", LOG_STR("reason", msg->goodbye.reason));
            bool was_up = atomic_load_explicit(&link->is_up, memory_order_relaxed);
            return was_up ? ERR_CLOSED : ERR_REFUSED;
        }
        pthread_mutex_unlock(&link->mutex);
        tell(link, event, msg);
        pthread_mutex_lock(&link->mutex);
    }
    return ERR_OK;
}

/* Read once, and hand out what came. */
static void
receive(struct worker_link *link)
{
    uint8_t *bytes;
    size_t size;
    size_t got_size = 0;
    pthread_mutex_lock(&link->mutex);
    err_t err = session_space(link->session, &bytes, &size);
    if (err == ERR_OK) {
        err = stream_read(link->read, bytes, size, &got_size);
    }
    if (err == ERR_OK) {
        session_received(link->session, got_size);
        link->is_receiving = true;
        err = take_messages(link);
    }
    if (err != ERR_OK && err != ERR_AGAIN) {
        link->is_receiving = false;
        flush(link); /* the GOODBYE that tells why */
        end_stream(link, err);
    }
    pthread_mutex_unlock(&link->mutex);
}

/* Write what the batch had to say, and a PONG, a CREDIT.  False: it is over. */
static bool
end_batch(struct worker_link *link)
{
    pthread_mutex_lock(&link->mutex);
    link->is_receiving = false;
    flush(link);
    bool is_open = link->stream != NULL;
    pthread_mutex_unlock(&link->mutex);
    return is_open;
}

static void
read_on_fiber(void *user)
{
    struct worker_link *link = user;
    struct stream *stream = link->read;
    int fd = stream_fd(stream);
    while (end_batch(link)) {
        if (stream_is_readable(stream)) {
            receive(link);
            hr_yield();
        } else {
            (void) hr_wait_readable(fd, HR_NEVER); /* failed: then reading does, too */
        }
    }
    hr_fd_forget(fd);
    stream_close(stream); /* not link->read: the link may be gone within */
}

/* ---- NNG's threads ------------------------------------------------------------------- */

static void
on_sent(void *user)
{
    struct worker_link *link = user;
    pthread_mutex_lock(&link->mutex);
    session_written(link->session);
    flush(link);
    pthread_mutex_unlock(&link->mutex);
}

static void
on_broken(void *user, err_t why)
{
    struct worker_link *link = user;
    pthread_mutex_lock(&link->mutex);
    end_stream(link, why == ERR_OK ? ERR_CLOSED : why);
    pthread_mutex_unlock(&link->mutex);
}

/* With the mutex held. */
static void
become_lost(struct worker_link *link)
{
    link->state = LOST;
    pthread_cond_broadcast(&link->changed);
    loop_wake_post(link->wake);
}

static void
on_gone(void *user)
{
    struct worker_link *link = user;
    pthread_mutex_lock(&link->mutex);
    become_lost(link);
    pthread_mutex_unlock(&link->mutex);
}

/* With the mutex held. */
static err_t
begin_session(struct worker_link *link, struct stream *stream)
{
    struct session_config config = { .side = SESSION_WORKER,
        .crypto = { .hmac = crypto_hmac_sha256, .equal = crypto_equal },
        .token = link->config.token,
        .token_size = link->config.token_size,
        .hello = &link->config.hello };
    crypto_random(config.nonce, sizeof config.nonce);
    err_t err = session_new(&config, clock_now(), &link->session);
    if (err != ERR_OK) {
        return err;
    }
    const struct stream_events events = {
        .user = link, .on_sent = on_sent, .on_broken = on_broken, .on_gone = on_gone
    };
    stream_bind(stream, &events);
    link->stream = stream;
    link->read = stream;
    link->state = CONNECTED;
    return ERR_OK;
}

static void
on_dialed(void *user, err_t err, struct stream *stream)
{
    struct worker_link *link = user;
    pthread_mutex_lock(&link->mutex);
    if (err == ERR_OK) {
        err = link->is_stopping ? ERR_CLOSED : begin_session(link, stream);
    }
    if (err != ERR_OK) {
        link->why = err;
        become_lost(link);
    } else {
        loop_wake_post(link->wake); /* it keeps the handshake's time */
    }
    pthread_mutex_unlock(&link->mutex);
    if (err != ERR_OK) {
        if (stream != NULL) {
            stream_close(stream);
        }
    } else if (hr_go_ctx(NULL, read_on_fiber, link, "link reader") != 0) {
        on_broken(link, ERR_FULL);
        stream_close(stream);
    }
}

/* ---- the loop's thread --------------------------------------------------------------- */

/* Full jitter: workers that lost one coordinator do not all come back at once. */
static duration_t
redial_wait(unsigned failures_count)
{
    unsigned doublings = failures_count < 6 ? failures_count : 6;
    uint32_t max_ms = REDIAL_MS_MIN << doublings;
    max_ms = max_ms < REDIAL_MS_MAX ? max_ms : REDIAL_MS_MAX;
    uint32_t random;
    crypto_random(&random, sizeof random);
    return duration_ms(1 + random % max_ms);
}

static void
tell_lost(struct worker_link *link)
{
    session_free(link->session); /* its stream is gone: nobody else holds it */
    link->session = NULL;
    link->state = WAITING;
    err_t why = link->why;
    link->redial_at = link->said_goodbye
                          ? INSTANT_NEVER
                          : instant_add(clock_now(), redial_wait(link->failures_count));
    link->failures_count++;
    pthread_mutex_unlock(&link->mutex);
    link->events.on_down(link->events.user, why);
    pthread_mutex_lock(&link->mutex);
}

/* When to look again. */
static instant_t
keep_time(struct worker_link *link)
{
    instant_t now = clock_now();
    instant_t next = INSTANT_NEVER;
    switch (link->state) {
    case WAITING:
        if (!instant_reached(now, link->redial_at)) {
            return link->redial_at;
        }
        link->state = DIALING;
        stream_dialer_dial(link->dialer);
        return INSTANT_NEVER;
    case CONNECTED: {
        err_t err = session_tick(link->session, now, &next);
        flush(link);
        if (err != ERR_OK) {
            end_stream(link, err);
            return INSTANT_NEVER;
        }
        return next;
    }
    case DIALING:
    case CLOSING:
    case LOST: break; /* a wake comes */
    }
    return next;
}

static void
on_time(void *user)
{
    struct worker_link *link = user;
    pthread_mutex_lock(&link->mutex);
    if (link->state == LOST) {
        tell_lost(link);
    }
    instant_t next = keep_time(link);
    pthread_mutex_unlock(&link->mutex);
    loop_timer_arm(link->timer, next);
}

/* ---- life ---------------------------------------------------------------------------- */

static err_t
new_parts(struct worker_link *link, struct loop *loop)
{
    err_t err = loop_wake_new(loop, on_time, link, &link->wake);
    if (err == ERR_OK) {
        err = loop_timer_new(loop, on_time, link, &link->timer);
    }
    if (err == ERR_OK) {
        err = stream_dialer_new(link->config.dial_url, on_dialed, link, &link->dialer);
    }
    return err;
}

err_t
worker_link_new(struct loop *loop, const struct worker_link_config *config,
    const struct worker_link_events *events, struct worker_link **ret_link)
{
    CHECK(config->token == NULL || config->token_size <= WIRE_TOKEN_SIZE_MAX);
    CHECK(config->hello.incarnation != 0);

    struct worker_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return ERR_NO_MEMORY;
    }
    link->events = *events;
    link->config = *config;
    link->config.hello.version = WIRE_VERSION_MAX;
    link->heartbeat = duration_ms(WIRE_HEARTBEAT_MS);
    link->missed_max = WIRE_HEARTBEATS_MISSED_MAX;
    if (config->token != NULL) {
        memcpy(link->token, config->token, config->token_size);
        link->config.token = link->token;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&link->mutex, NULL);
    err_t err = new_parts(link, loop);
    if (err != ERR_OK) {
        worker_link_free(link);
        return err;
    }
    link->redial_at = clock_now();
    loop_timer_arm(link->timer, link->redial_at);
    *ret_link = link;
    return ERR_OK;
}

void
worker_link_free(struct worker_link *link)
{
    if (link == NULL) {
        return;
    }
    pthread_mutex_lock(&link->mutex);
    link->is_stopping = true;
    pthread_mutex_unlock(&link->mutex);
    stream_dialer_free(link->dialer); /* no stream comes any more */
    pthread_mutex_lock(&link->mutex);
    if (link->stream != NULL) {
        session_close(link->session, "the worker stops");
        flush(link);
    }
    end_stream(link, ERR_CLOSED);
    while (link->state == CLOSING || link->is_lazy) { /* until the reader has closed it */
        pthread_cond_wait(&link->changed, &link->mutex);
    }
    pthread_mutex_unlock(&link->mutex);
    session_free(link->session);
    loop_timer_free(link->timer);
    loop_wake_free(link->wake);
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->mutex);
    free(link);
}

/* ---- what the agent asks for --------------------------------------------------------- */

static void
flush_later(void *user)
{
    struct worker_link *link = user;
    (void) hr_sleep(LAZY_NS);
    pthread_mutex_lock(&link->mutex);
    link->is_lazy = false;
    flush(link);
    pthread_cond_broadcast(&link->changed); /* worker_link_free waits for us */
    pthread_mutex_unlock(&link->mutex);
}

/* With the mutex held.  True: the caller starts flush_later, without it (hr_go may run
 * other fibers first, and they send, too). */
static bool
flush_lazily(struct worker_link *link)
{
    if (!hr_on_fiber()) {
        flush(link);
        return false;
    }
    bool is_first = !link->is_lazy;
    link->is_lazy = true;
    return is_first;
}

err_t
worker_link_send(struct worker_link *link, const struct wire_msg *msg)
{
    err_t err = ERR_CLOSED;
    bool must_start = false;
    pthread_mutex_lock(&link->mutex);
    if (link->stream != NULL && session_is_up(link->session)) {
        if (msg->kind == WIRE_GOODBYE) {
            session_close(link->session, msg->goodbye.reason);
            link->said_goodbye = true;
            atomic_store_explicit(&link->is_up, false, memory_order_relaxed);
            err = ERR_OK;
        } else {
            err = session_send(link->session, msg, INSTANT_NEVER, NULL);
        }
        if (msg->kind == WIRE_STARTED) {
            must_start = flush_lazily(link);
        } else {
            flush(link);
        }
    }
    pthread_mutex_unlock(&link->mutex);
    if (must_start && hr_go_ctx(NULL, flush_later, link, "link flush") != 0) {
        flush_later(link); /* no fiber is left: wait here instead */
    }
    return err;
}

bool
worker_link_is_up(const struct worker_link *link)
{
    return atomic_load_explicit(&link->is_up, memory_order_relaxed);
}

duration_t
worker_link_heartbeat(struct worker_link *link)
{
    pthread_mutex_lock(&link->mutex);
    duration_t heartbeat = link->heartbeat;
    pthread_mutex_unlock(&link->mutex);
    return heartbeat;
}

uint32_t
worker_link_missed_max(struct worker_link *link)
{
    pthread_mutex_lock(&link->mutex);
    uint32_t missed_max = link->missed_max;
    pthread_mutex_unlock(&link->mutex);
    return missed_max;
}

err_t
worker_link_flush(struct worker_link *link, instant_t deadline)
{
    const struct timespec when = { .tv_sec = deadline.ns / 1000000000,
        .tv_nsec = deadline.ns % 1000000000 };
    int code = 0;
    pthread_mutex_lock(&link->mutex);
    while (link->stream != NULL && !session_is_idle(link->session) && code == 0) {
        code = pthread_cond_timedwait(&link->changed, &link->mutex, &when);
    }
    err_t err = code == ETIMEDOUT ? ERR_TIMEOUT : ERR_OK;
    if (link->stream == NULL) {
        err = ERR_CLOSED;
    }
    pthread_mutex_unlock(&link->mutex);
    return err;
}

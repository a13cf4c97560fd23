/* SPDX-License-Identifier: MIT */
#include "proto/session.h"

#include "proto/assembly.h"
#include "proto/lanes.h"

#include <stdlib.h>
#include <string.h>

#define SPACE_MIN   4096
#define CREDIT_SIZE (WIRE_WINDOW_SIZE / 4) /* told when so much was consumed */

enum state {
    SHAKING,
    UP,
    OVER
};

struct session {
    enum session_side side;
    enum state state;
    uint64_t epoch;
    uint64_t incarnation;
    const struct wire_hello *hello; /* worker */
    uint8_t nonce[WIRE_NONCE_SIZE];
    struct shake shake;
    bool was_challenged; /* worker: HELLO is on its way */

    struct buffer in;
    size_t in_next;      /* bytes of it that were handed out */
    size_t in_want;      /* the frame that has begun, 0: not known */
    bool was_large;      /* since the last beat: a frame or message past SPACE_MIN came */
    bool may_shrink;     /* told by the beat, done when no bytes are borrowed */
    struct wire_msg msg; /* the one that is handed out */
    struct assembly assembly;
    uint32_t consumed_size; /* bulk not credited yet */

    struct lanes lanes;

    instant_t beat_at; /* SHAKING: when it took too long */
    duration_t heartbeat;
    uint32_t heartbeat_ms;
    uint32_t missed_max;
    uint32_t missed_count;
    bool was_heard; /* since the last beat */
    uint64_t ping_sequence;
    instant_t ping_at;
    duration_t rtt;
    struct session_counters counters;
};

/* ---- life ---------------------------------------------------------------------------- */

static err_t
send_challenge(struct session *session, const struct session_config *config)
{
    struct wire_msg msg = { .kind = WIRE_CHALLENGE,
        .challenge = { .epoch = config->epoch,
            .version_min = WIRE_VERSION_MIN,
            .version_max = WIRE_VERSION_MAX,
            .needs_token = config->token != NULL } };
    memcpy(msg.challenge.nonce, config->nonce, WIRE_NONCE_SIZE);
    uint8_t *frame;
    size_t size;
    err_t err = lanes_add_frame(&session->lanes, &msg, &frame, &size);
    return err == ERR_OK ? shake_add(&session->shake, frame, size) : err;
}

err_t
session_new(const struct session_config *config, instant_t now, struct session **ret_session)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return ERR_NO_MEMORY;
    }
    session->side = config->side;
    session->hello = config->hello;
    memcpy(session->nonce, config->nonce, WIRE_NONCE_SIZE);
    shake_init(&session->shake, &config->crypto, config->token, config->token_size);
    lanes_init(&session->lanes, config->on_bulk_done, config->user);
    session->beat_at = instant_add(now, duration_ms(WIRE_HANDSHAKE_MS_MAX));
    if (config->side == SESSION_COORDINATOR) {
        CHECK(config->epoch != 0);
        session->epoch = config->epoch;
        session->heartbeat_ms = config->heartbeat_ms;
        session->missed_max = config->missed_max;
        err_t err = send_challenge(session, config);
        if (err != ERR_OK) {
            session_free(session);
            return err;
        }
    } else {
        session->incarnation = config->hello->incarnation;
    }
    *ret_session = session;
    return ERR_OK;
}

void
session_free(struct session *session)
{
    if (session == NULL) {
        return;
    }
    lanes_fini(&session->lanes);
    shake_fini(&session->shake);
    assembly_fini(&session->assembly);
    buffer_fini(&session->in);
    free(session);
}

/* ---- handshake ----------------------------------------------------------------------- */

static err_t
send_ping(struct session *session, instant_t now)
{
    session->ping_sequence++;
    session->ping_at = now;
    return lanes_add_control(
        &session->lanes, &(struct wire_msg){ .kind = WIRE_PING,
                             .ping = { .sequence = session->ping_sequence } });
}

static err_t
become_up(struct session *session, instant_t now)
{
    CHECK(session->state == SHAKING);

    session->state = UP;
    shake_fini(&session->shake);
    session->heartbeat = duration_ms(session->heartbeat_ms);
    session->beat_at = instant_add(now, session->heartbeat);
    /* The first one now: the shell knows a distance before the first job comes back. */
    return session->side == SESSION_COORDINATOR ? send_ping(session, now) : ERR_OK;
}

/* Worker: prove who we are, if we can speak with this coordinator at all. */
static err_t
on_challenge(struct session *session, const uint8_t *frame, size_t size)
{
    const struct wire_challenge *challenge = &session->msg.challenge;
    if (session->was_challenged) {
        return ERR_BAD_KIND;
    }
    if (challenge->version_min > WIRE_VERSION_MAX ||
        challenge->version_max < WIRE_VERSION_MIN) {
        return ERR_BAD_VERSION;
    }
    if (challenge->needs_token != (session->shake.token != NULL)) {
        return ERR_AUTH; /* one of us is not set up: neither trusts the other */
    }
    session->was_challenged = true;
    session->epoch = challenge->epoch;
    uint32_t version =
        challenge->version_max < WIRE_VERSION_MAX ? challenge->version_max : WIRE_VERSION_MAX;
    err_t err = shake_add(&session->shake, frame, size);
    if (err != ERR_OK) {
        return err;
    }
    struct wire_msg msg = { .kind = WIRE_HELLO, .hello = *session->hello };
    msg.hello.version = version;
    memcpy(msg.hello.nonce, session->nonce, WIRE_NONCE_SIZE);
    memset(msg.hello.mac, 0, WIRE_MAC_SIZE);
    uint8_t *hello;
    size_t hello_size;
    err = lanes_add_frame(&session->lanes, &msg, &hello, &hello_size);
    return err == ERR_OK ? shake_sign(&session->shake, WIRE_HELLO, hello, hello_size) : err;
}

/* Coordinator: the worker proved itself; prove ourselves. */
static err_t
on_hello(struct session *session, const uint8_t *frame, size_t size, instant_t now)
{
    const struct wire_hello *hello = &session->msg.hello;
    err_t err = shake_verify(&session->shake, WIRE_HELLO, frame, size);
    if (err != ERR_OK) {
        return err;
    }
    if (hello->version < WIRE_VERSION_MIN || hello->version > WIRE_VERSION_MAX) {
        return ERR_BAD_VERSION;
    }
    session->incarnation = hello->incarnation;
    struct wire_msg msg = { .kind = WIRE_WELCOME,
        .welcome = { .version = hello->version,
            .heartbeat_ms = session->heartbeat_ms,
            .missed_max = session->missed_max } };
    uint8_t *welcome;
    size_t welcome_size;
    err = lanes_add_frame(&session->lanes, &msg, &welcome, &welcome_size);
    if (err == ERR_OK) {
        err = shake_sign(&session->shake, WIRE_WELCOME, welcome, welcome_size);
    }
    return err == ERR_OK ? become_up(session, now) : err;
}

static err_t
on_welcome(struct session *session, const uint8_t *frame, size_t size, instant_t now)
{
    if (!session->was_challenged) {
        return ERR_BAD_KIND;
    }
    err_t err = shake_verify(&session->shake, WIRE_WELCOME, frame, size);
    if (err != ERR_OK) {
        return err;
    }
    session->heartbeat_ms = session->msg.welcome.heartbeat_ms;
    session->missed_max = session->msg.welcome.missed_max;
    return become_up(session, now);
}

static err_t
shake_step(struct session *session, const uint8_t *frame, size_t size, instant_t now,
    enum session_event *ret_event)
{
    CHECK(session->state == SHAKING);
    enum wire_kind kind = session->msg.kind;
    err_t err = ERR_BAD_KIND;
    if (kind == WIRE_GOODBYE) {
        session->state = OVER;
        *ret_event = SESSION_MESSAGE;
        return ERR_OK;
    }
    if (session->side == SESSION_COORDINATOR && kind == WIRE_HELLO) {
        err = on_hello(session, frame, size, now);
    } else if (session->side == SESSION_WORKER && kind == WIRE_CHALLENGE) {
        return on_challenge(session, frame, size);
    } else if (session->side == SESSION_WORKER && kind == WIRE_WELCOME) {
        err = on_welcome(session, frame, size, now);
    }
    *ret_event = err == ERR_OK ? SESSION_IS_UP : SESSION_IDLE;
    return err;
}

/* ---- messages in --------------------------------------------------------------------- */

#define KIND(kind) (1u << WIRE_##kind)
static const uint32_t kinds_taken[] = {
    [SESSION_COORDINATOR] = KIND(CANCEL_ACK) | KIND(STARTED) | KIND(RESULT) |
                            KIND(RESULT_CHUNK) | KIND(BUSY) | KIND(LOAD) | KIND(DRAIN) |
                            KIND(CREDIT) | KIND(PING) | KIND(PONG) | KIND(GOODBYE) |
                            KIND(CLAIM),
    [SESSION_WORKER] = KIND(JOB) | KIND(JOB_CHUNK) | KIND(CANCEL) | KIND(CREDIT) | KIND(PING) |
                       KIND(PONG) | KIND(GOODBYE),
};

static uint32_t
bulk_size_of(const struct wire_msg *msg)
{
    if (msg->kind == WIRE_JOB) {
        return msg->job.bulk_size;
    }
    if (msg->kind == WIRE_RESULT) {
        return msg->result.bulk_size;
    }
    bool is_chunk = msg->kind == WIRE_JOB_CHUNK || msg->kind == WIRE_RESULT_CHUNK;
    return is_chunk ? msg->chunk.bulk_size : 0;
}

static err_t
credit(struct session *session, uint32_t size)
{
    session->consumed_size += size;
    if (session->consumed_size < CREDIT_SIZE) {
        return ERR_OK;
    }
    struct wire_msg msg = { .kind = WIRE_CREDIT,
        .credit = { .bytes = session->consumed_size } };
    session->consumed_size = 0;
    return lanes_add_control(&session->lanes, &msg);
}

/* JOB, RESULT and their chunks. */
static err_t
bulk_step(struct session *session, instant_t now, enum session_event *ret_event)
{
    struct wire_msg *msg = &session->msg;
    err_t err = ERR_OK;
    if (msg->kind == WIRE_JOB_CHUNK || msg->kind == WIRE_RESULT_CHUNK) {
        err = assembly_add(&session->assembly, &msg->chunk, now, msg);
        session->counters.orphans_count += err == ERR_NOT_FOUND;
        *ret_event = err == ERR_OK ? SESSION_MESSAGE : SESSION_IDLE;
        return err == ERR_NOT_FOUND || err == ERR_AGAIN ? ERR_OK : err;
    }
    uint32_t size = msg->kind == WIRE_JOB ? msg->job.input_size : msg->result.result_size;
    if (bulk_size_of(msg) < size) {
        session->was_large = true;
        return assembly_begin(&session->assembly, msg, now);
    }
    *ret_event = SESSION_MESSAGE;
    return ERR_OK;
}

static err_t
up_step(struct session *session, instant_t now, enum session_event *ret_event)
{
    struct wire_msg *msg = &session->msg;
    struct wire_msg pong = { .kind = WIRE_PONG, .ping = msg->ping };
    switch (msg->kind) {
    case WIRE_JOB:
    case WIRE_JOB_CHUNK:
    case WIRE_RESULT:
    case WIRE_RESULT_CHUNK: return bulk_step(session, now, ret_event);
    case WIRE_CREDIT:
        return lanes_credit(&session->lanes, msg->credit.bytes) ? ERR_OK : ERR_RANGE;
    case WIRE_PING: return lanes_add_control(&session->lanes, &pong);
    case WIRE_PONG:
        if (msg->ping.sequence == session->ping_sequence) {
            session->rtt = instant_since(now, session->ping_at);
        }
        return ERR_OK;
    case WIRE_CANCEL: assembly_drop(&session->assembly, &msg->cancel.id); break;
    case WIRE_GOODBYE: session->state = OVER; break;
    case WIRE_CANCEL_ACK:
    case WIRE_STARTED:
    case WIRE_CLAIM:
    case WIRE_BUSY:
    case WIRE_LOAD:
    case WIRE_DRAIN: break;
    case WIRE_NONE:
    case WIRE_CHALLENGE:
    case WIRE_HELLO:
    case WIRE_WELCOME:
    case WIRE_KIND_COUNT: CHECK_UNREACHABLE(); /* kinds_taken has none of them */
    }
    *ret_event = SESSION_MESSAGE;
    return ERR_OK;
}

static err_t
handle_frame(struct session *session, const uint8_t *frame, size_t size, instant_t now,
    enum session_event *ret_event)
{
    *ret_event = SESSION_IDLE;
    session->counters.frames_in_count++;
    err_t err = wire_decode(frame, size, &session->msg);
    if (err == ERR_BAD_KIND && session->state == UP) {
        session->counters.unknown_count++;
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return err;
    }
    if (session->state == SHAKING) {
        return shake_step(session, frame, size, now, ret_event);
    }
    if ((kinds_taken[session->side] >> session->msg.kind & 1) == 0) {
        return ERR_BAD_KIND;
    }
    /* N3: before assembling replaces the message. */
    err = credit(session, bulk_size_of(&session->msg));
    if (err != ERR_OK) {
        return err;
    }
    const struct wire_attempt *id = wire_msg_attempt(&session->msg);
    if (id != NULL &&
        (id->epoch != session->epoch || id->incarnation != session->incarnation)) {
        session->counters.stale_count++; /* N2 */
        return ERR_OK;
    }
    return up_step(session, now, ret_event);
}

/* The next whole frame, or none. */
static err_t
take_frame(struct session *session, const uint8_t **ret_frame, size_t *ret_size)
{
    const uint8_t *start = session->in.bytes + session->in_next;
    size_t left_size = session->in.size - session->in_next;
    struct wire_head head;
    *ret_frame = NULL;
    session->in_want = 0;
    if (left_size < WIRE_HEADER_SIZE) {
        return ERR_OK;
    }
    err_t err = wire_decode_head(start, &head);
    if (err != ERR_OK) {
        return err;
    }
    size_t size = WIRE_HEADER_SIZE + head.size;
    if (session->state == SHAKING && size > WIRE_FRAME_SIZE_UNAUTH_MAX) {
        return ERR_TOO_BIG; /* N1 */
    }
    if (left_size < size) {
        session->in_want = size;
        return ERR_OK;
    }
    session->in_next += size;
    *ret_frame = start;
    *ret_size = size;
    return ERR_OK;
}

err_t
session_next(struct session *session, instant_t now, enum session_event *ret_event,
    const struct wire_msg **ret_msg)
{
    *ret_event = SESSION_IDLE;
    *ret_msg = &session->msg;
    while (session->state != OVER) { /* each round takes a frame */
        const uint8_t *frame;
        size_t size;
        err_t err = take_frame(session, &frame, &size);
        if (err == ERR_OK && frame == NULL) {
            return ERR_OK;
        }
        if (err == ERR_OK) {
            err = handle_frame(session, frame, size, now, ret_event);
        }
        if (err != ERR_OK) {
            session_close(session, err_text(err));
            return err;
        }
        if (*ret_event != SESSION_IDLE) {
            return ERR_OK;
        }
    }
    return ERR_OK;
}

err_t
session_space(struct session *session, uint8_t **ret_bytes, size_t *ret_size)
{
    struct buffer *in = &session->in;
    buffer_trim(in, session->in_next);
    session->in_next = 0;
    if (session->may_shrink && in->size == 0) {
        buffer_fini(in);
        assembly_shrink(&session->assembly);
    }
    session->may_shrink = false;
    size_t room = SPACE_MIN;
    if (session->in_want > in->capacity) {
        /* All of the frame that has begun, and more behind it once we know the peer. */
        room = (session->state == SHAKING ? session->in_want : WIRE_FRAME_SIZE_MAX) - in->size;
        session->was_large = true;
    } else if (in->size < in->capacity) {
        room = in->capacity - in->size;
    }
    err_t err = buffer_reserve(in, room, WIRE_FRAME_SIZE_MAX + SPACE_MIN);
    if (err != ERR_OK) {
        return err;
    }
    *ret_bytes = in->bytes + in->size;
    *ret_size = in->capacity - in->size;
    return ERR_OK;
}

void
session_received(struct session *session, size_t size)
{
    CHECK(size <= session->in.capacity - session->in.size);
    session->in.size += size;
    session->counters.bytes_in_count += size;
    session->was_heard = true;
}

/* ---- messages out -------------------------------------------------------------------- */

err_t
session_send(
    struct session *session, const struct wire_msg *msg, instant_t deadline, const void *owner)
{
    if (session->state != UP) {
        return ERR_CLOSED;
    }
    __attribute__((uninitialized)) struct wire_msg filled;
    wire_msg_copy(&filled, msg);
    struct wire_attempt *id = wire_msg_attempt(&filled);
    if (id != NULL) {
        id->epoch = session->epoch;
        id->incarnation = session->incarnation;
    }
    if (msg->kind == WIRE_JOB || msg->kind == WIRE_RESULT) {
        return lanes_add_bulk(&session->lanes, &filled, deadline, owner);
    }
    return lanes_add_control(&session->lanes, &filled);
}

err_t
session_cancel(struct session *session, const struct wire_cancel *cancel)
{
    lanes_drop(&session->lanes, &cancel->id);
    struct wire_msg msg;
    msg.kind = WIRE_CANCEL;
    msg.cancel = *cancel;
    return session_send(session, &msg, INSTANT_NEVER, NULL);
}

void
session_close(struct session *session, const char *reason)
{
    if (session->state == OVER) {
        return;
    }
    session->state = OVER;
    struct wire_msg msg = { .kind = WIRE_GOODBYE };
    size_t size = strnlen(reason, sizeof msg.goodbye.reason - 1);
    memcpy(msg.goodbye.reason, reason, size);
    /* A lane that is full loses only the courtesy. */
    err_t err = lanes_add_control(&session->lanes, &msg);
    (void) err;
}

bool
session_stage(
    struct session *session, instant_t now, const uint8_t **ret_bytes, size_t *ret_size)
{
    return lanes_stage(&session->lanes, now, ret_bytes, ret_size);
}

void
session_written(struct session *session)
{
    lanes_written(&session->lanes);
}

bool
session_is_idle(const struct session *session)
{
    return lanes_is_idle(&session->lanes);
}

/* ---- time ---------------------------------------------------------------------------- */

/* Beats are counted, not seconds: whoever was stopped itself (SIGSTOP, a slow disk) finds a
 * late tick and waiting bytes, and must not call everybody else dead. */
err_t
session_tick(struct session *session, instant_t now, instant_t *ret_next)
{
    *ret_next = session->beat_at;
    if (session->state == OVER || !instant_reached(now, session->beat_at)) {
        return ERR_OK;
    }
    if (session->state == SHAKING) {
        session_close(session, err_text(ERR_TIMEOUT));
        return ERR_TIMEOUT;
    }
    session->missed_count = session->was_heard ? 0 : session->missed_count + 1;
    session->was_heard = false;
    if (session->missed_count >= session->missed_max) {
        session_close(session, err_text(ERR_TIMEOUT));
        return ERR_TIMEOUT;
    }
    session->beat_at = instant_add(now, session->heartbeat);
    *ret_next = session->beat_at;
    session->may_shrink = !session->was_large;
    session->was_large = false;
    lanes_shrink(&session->lanes);
    return session->side == SESSION_COORDINATOR ? send_ping(session, now) : ERR_OK;
}

bool
session_is_up(const struct session *session)
{
    return session->state == UP;
}

uint64_t
session_epoch(const struct session *session)
{
    return session->epoch;
}

duration_t
session_heartbeat(const struct session *session)
{
    return session->heartbeat;
}

uint32_t
session_missed_max(const struct session *session)
{
    return session->missed_max;
}

duration_t
session_rtt(const struct session *session)
{
    return session->rtt;
}

struct session_counters
session_counters(const struct session *session)
{
    struct session_counters counters = session->counters;
    counters.frames_out_count = session->lanes.frames_count;
    counters.bytes_out_count = session->lanes.bytes_count;
    counters.expired_count = session->lanes.expired_count;
    return counters;
}

void
session_check(const struct session *session)
{
    CHECK(session->in_next <= session->in.size);
    CHECK(session->in.size <= session->in.capacity);
    CHECK(session->consumed_size < CREDIT_SIZE);
    CHECK(session->assembly.bulk.size <= WIRE_BULK_SIZE_MAX);
    lanes_check(&session->lanes);
}

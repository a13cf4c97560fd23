/* SPDX-License-Identifier: MIT
 *
 * proto/session.h - one link's protocol: bytes in, messages out; messages in, bytes out.
 *
 * Pure: it knows no socket, no clock and no thread, so both ends of a link run in one test
 * in invented time.  A driver (coordinator/link, worker/link) moves the bytes:
 *
 *     session_space -> (recv) -> session_received -> session_next until IDLE
 *     session_send ... -> session_stage -> (send) -> session_written
 *     session_tick at the instant it asked for
 *
 *               CHALLENGE/HELLO/WELCOME         GOODBYE, or any error
 *     SHAKING ---------------------------> UP ------------------------> OVER
 *        '------------- WIRE_HANDSHAKE_MS_MAX, bad MAC, GOODBYE -----------^
 *
 * INVARIANTS  N1  before UP nothing but the handshake is taken, in small frames
 *             N2  every message handed out about an attempt has our epoch and incarnation
 *             N3  bulk is credited once its bytes are here, also when it is dropped
 * OWNERSHIP   a message and its bulk are borrowed until the next session_space or _next
 * THREADS     one at a time; the message handed out may be read beside session_send,
 *             _stage, _written and _tick
 * MEMORY      in: WIRE_FRAME_SIZE_MAX; out: see lanes.h; one WIRE_BULK_SIZE_MAX to assemble.
 *             An idle session gives all but itself back (session_tick).
 * ERRORS      those of wire_decode; AUTH, BAD_VERSION, TIMEOUT, CLOSED, FULL, NO_MEMORY
 */
#ifndef PROTO_SESSION_H
#define PROTO_SESSION_H

#include "common/pure/units.h"
#include "proto/shake.h"
#include "proto/wire.h"

struct session;

enum session_side {
    SESSION_COORDINATOR,
    SESSION_WORKER
};

struct session_config {
    enum session_side side;
    struct shake_crypto crypto;
    const uint8_t *token; /* borrowed for the session's life; NULL: none */
    size_t token_size;
    uint8_t nonce[WIRE_NONCE_SIZE]; /* random, new for each session */
    uint64_t epoch;                 /* coordinator: its own */
    uint32_t heartbeat_ms;          /* coordinator: it tells the worker, with missed_max */
    uint32_t missed_max;
    const struct wire_hello *hello; /* worker: borrowed for the session's life */
    /* Bulk given to session_send with an owner is not used any more. */
    void (*on_bulk_done)(void *user, const void *owner);
    void *user;
};

enum session_event {
    SESSION_IDLE,   /* needs more bytes */
    SESSION_IS_UP,  /* msg: the HELLO (coordinator) or the WELCOME (worker) */
    SESSION_MESSAGE /* whole, checked; GOODBYE is the last one */
};

struct session_counters {
    uint64_t frames_in_count;
    uint64_t frames_out_count;
    uint64_t bytes_in_count;
    uint64_t bytes_out_count;
    uint64_t stale_count;   /* another epoch or incarnation: dropped */
    uint64_t orphans_count; /* chunks of a job that was cancelled: dropped */
    uint64_t unknown_count; /* kinds of a newer peer: skipped */
    uint64_t expired_count; /* JOBs whose time was over before they were written */
};

err_t session_new(
    const struct session_config *config, instant_t now, struct session **ret_session) MUST_USE;
/* Hands back every bulk with an owner. */
void session_free(struct session *session);

/* Where to put received bytes; never empty. */
err_t session_space(struct session *session, uint8_t **ret_bytes, size_t *ret_size) MUST_USE;
void session_received(struct session *session, size_t size);
/* Any error ends the link; a GOODBYE that says why is then ready to be staged. */
err_t session_next(struct session *session, instant_t now, enum session_event *ret_event,
    const struct wire_msg **ret_msg) MUST_USE;

/* Epoch and incarnation are filled in.  JOB and RESULT: bulk holds all of it, borrowed until
 * on_bulk_done(owner), or copied when owner is NULL; deadline becomes a JOB's budget_us.
 * Errors: CLOSED (not up), FULL, NO_MEMORY, INVALID, RANGE, TOO_BIG. */
err_t session_send(struct session *session, const struct wire_msg *msg, instant_t deadline,
    const void *owner) MUST_USE;
/* CANCEL: also forgets what is left to write of that job. */
err_t session_cancel(struct session *session, const struct wire_cancel *cancel) MUST_USE;
/* Say GOODBYE; nothing can be sent after it. */
void session_close(struct session *session, const char *reason);

/* See lanes_stage, lanes_written. */
bool session_stage(
    struct session *session, instant_t now, const uint8_t **ret_bytes, size_t *ret_size);
void session_written(struct session *session);
/* Nothing left to write. */
bool session_is_idle(const struct session *session);

/* Heartbeat and time-outs.  Errors: TIMEOUT (dead, or the handshake took too long). */
err_t session_tick(struct session *session, instant_t now, instant_t *ret_next) MUST_USE;

bool session_is_up(const struct session *session);
/* The coordinator's; 0 before the handshake. */
uint64_t session_epoch(const struct session *session);
/* The coordinator's, for both sides; zero before the handshake. */
duration_t session_heartbeat(const struct session *session);
uint32_t session_missed_max(const struct session *session);
/* Of the last PING that was answered (coordinator); zero before. */
duration_t session_rtt(const struct session *session);
struct session_counters session_counters(const struct session *session);
void session_check(const struct session *session);

#endif

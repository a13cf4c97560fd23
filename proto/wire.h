/* SPDX-License-Identifier: MIT
 *
 * proto/wire.h - messages as plain structs, and their bytes.
 *
 * The trust boundary: wire_decode() bounds size, depth, field count and memory before it
 * allocates, unpacks with protobuf-c into an arena, range-checks every field and copies
 * into a plain struct.  No protobuf type leaves wire.c.
 *
 *   byte 0        4         5      6        8
 *        | length | version | kind | flags  | protobuf message of that kind, length bytes ... |
 *        | u32 le |   u8    |  u8  | u16 le |
 *
 * Bytes members (`bulk`) are borrowed: on decoding from the frame, on encoding from the
 * caller.  PROTOCOL.md draws who says what when.
 *
 * INVARIANTS  W1  what is decoded can be encoded, and means the same
 *             W2  text is valid UTF-8 without a NUL; names are printable ASCII, no blanks
 * THREADS     any; no state.  Encoding takes about 8 KiB of stack (a fiber may), decoding
 *             WIRE_ARENA_SIZE_MAX more: on no fiber with less than the default stack.
 * UNITS       budget_us and all *_us are microseconds.
 * MEMORY      none but the stack
 * ERRORS      TRUNCATED, TOO_BIG, BAD_VERSION, BAD_KIND, BAD_SIZE, BAD_MESSAGE, RANGE
 *             (decoding); INVALID, RANGE, FULL (encoding)
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "common/pure/err.h"
#include "common/pure/id.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_kind {
    WIRE_NONE,
    WIRE_CHALLENGE,  /* coordinator -> worker, first frame on a link */
    WIRE_HELLO,      /* worker -> coordinator */
    WIRE_WELCOME,    /* coordinator -> worker: the link is up */
    WIRE_JOB,        /* coordinator -> worker */
    WIRE_JOB_CHUNK,  /* input past the JOB frame */
    WIRE_CANCEL,     /* coordinator -> worker */
    WIRE_CANCEL_ACK, /* worker -> coordinator */
    WIRE_STARTED,    /* worker -> coordinator */
    WIRE_RESULT,     /* worker -> coordinator */
    WIRE_RESULT_CHUNK,
    WIRE_BUSY,   /* worker -> coordinator: not taken */
    WIRE_LOAD,   /* worker -> coordinator, each heartbeat and when it changes much */
    WIRE_CREDIT, /* both ways: bulk bytes consumed */
    WIRE_PING,
    WIRE_PONG,
    WIRE_DRAIN,   /* worker -> coordinator: no more work, please */
    WIRE_GOODBYE, /* both ways: closing on purpose */
    WIRE_CLAIM,   /* worker -> coordinator: STARTED of a tied copy, whose twin is to leave */
    WIRE_KIND_COUNT
};

/* On every frame that speaks of a copy. */
struct wire_attempt {
    job_id_t job;
    uint32_t attempt;
    uint64_t epoch;       /* the coordinator's, random at its start */
    uint64_t incarnation; /* the worker's, random at its start */
};

struct wire_challenge {
    uint8_t nonce[WIRE_NONCE_SIZE];
    uint64_t epoch;
    uint32_t version_min;
    uint32_t version_max;
    bool needs_token;
};

struct wire_handler {
    char name[WIRE_NAME_SIZE_MAX];
    uint32_t flags; /* HANDLER_* of the core */
};

struct wire_hello {
    char worker[WIRE_NAME_SIZE_MAX];
    char zone[WIRE_NAME_SIZE_MAX];
    uint64_t incarnation;
    uint32_t version;
    uint32_t slots_count;
    uint32_t queue_max;
    uint32_t pid;
    uint8_t nonce[WIRE_NONCE_SIZE];
    uint8_t mac[WIRE_MAC_SIZE]; /* zero when there is no token */
    uint32_t handlers_count;
    struct wire_handler handlers[WIRE_HANDLERS_MAX];
};

struct wire_welcome {
    uint32_t version;
    uint32_t heartbeat_ms;
    uint32_t missed_max; /* as many beats of silence, and the link is dead */
    uint8_t mac[WIRE_MAC_SIZE];
};

struct wire_job {
    struct wire_attempt id;
    char handler[WIRE_NAME_SIZE_MAX];
    uint64_t budget_us; /* what remained when the frame was written; never 0 */
    uint32_t cancel_grace_ms;
    bool is_hedge; /* refuse it (BUSY) rather than queue it */
    bool is_tied;  /* say CLAIM instead of STARTED, and at once */
    char content_type[WIRE_TYPE_SIZE_MAX];
    char traceparent[WIRE_TRACEPARENT_SIZE_MAX];
    uint32_t input_size; /* in all; past bulk_size bytes the rest follows in JOB_CHUNKs */
    const uint8_t *bulk;
    uint32_t bulk_size;
};

struct wire_chunk { /* JOB_CHUNK, RESULT_CHUNK */
    struct wire_attempt id;
    uint32_t offset;
    const uint8_t *bulk;
    uint32_t bulk_size;
};

struct wire_cancel {
    struct wire_attempt id;
    uint32_t cause; /* enum cancel_cause of the core */
};

struct wire_cancel_ack {
    struct wire_attempt id;
    uint32_t fate; /* enum cancel_fate of the core, never FATE_NONE */
    uint64_t stopped_after_us;
    uint64_t ran_us;
    uint64_t cpu_us;
};

struct wire_started {
    struct wire_attempt id;
    uint64_t queued_us;
};

enum wire_status {
    WIRE_OK,
    WIRE_FAILED_RETRYABLE,
    WIRE_FAILED_FINAL,
    WIRE_EXPIRED
};

struct wire_result {
    struct wire_attempt id;
    uint32_t status; /* enum wire_status */
    char message[WIRE_MESSAGE_SIZE_MAX];
    char content_type[WIRE_TYPE_SIZE_MAX];
    uint64_t queued_us;
    uint64_t ran_us;
    uint64_t cpu_us;
    uint32_t result_size;
    const uint8_t *bulk;
    uint32_t bulk_size;
};

struct wire_busy {
    struct wire_attempt id;
};

struct wire_load {
    uint32_t running_count;
    uint32_t queued_count;
    bool draining;
};

struct wire_credit {
    uint32_t bytes;
};

struct wire_ping { /* PING, PONG */
    uint64_t sequence;
};

struct wire_goodbye {
    char reason[WIRE_MESSAGE_SIZE_MAX];
};

struct wire_msg {
    enum wire_kind kind;
    union {
        struct wire_challenge challenge;
        struct wire_hello hello;
        struct wire_welcome welcome;
        struct wire_job job;
        struct wire_chunk chunk;
        struct wire_cancel cancel;
        struct wire_cancel_ack cancel_ack;
        struct wire_started started; /* CLAIM too */
        struct wire_result result;
        struct wire_busy busy;
        struct wire_load load;
        struct wire_credit credit;
        struct wire_ping ping;
        struct wire_goodbye goodbye;
    };
};

struct wire_head {
    uint32_t size; /* of the message that follows */
    uint8_t version;
    uint8_t kind; /* may be past WIRE_KIND_COUNT: a newer peer's */
    uint16_t flags;
};

/* Read a header; only its own sanity is checked (BAD_VERSION, BAD_KIND, TOO_BIG). */
err_t
wire_decode_head(const uint8_t header[WIRE_HEADER_SIZE], struct wire_head *ret_head) MUST_USE;
/* Decode one whole frame, header included; size must fit exactly. */
err_t wire_decode(const uint8_t *frame, size_t size, struct wire_msg *ret_msg) MUST_USE;
/* Write one whole frame.  A message for people that is no UTF-8 is cleaned, not refused. */
err_t wire_encode(
    const struct wire_msg *msg, uint8_t *frame, size_t size_max, size_t *ret_size) MUST_USE;

/* Copy only what the kind uses (a wire_msg is large because of HELLO). */
void wire_msg_copy(struct wire_msg *to, const struct wire_msg *from);
/* The copy it speaks of; NULL for kinds that speak of none. */
struct wire_attempt *wire_msg_attempt(struct wire_msg *msg);

/* A closed set of words, such as "CANCEL_ACK". */
const char *wire_kind_text(enum wire_kind kind);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A whole connection from a peer who may say anything, in pieces of any size, while we send.
 *
 *   data[0]     bit 0: which side we are; bit 1: already up (a clean handshake came first)
 *   then        u16 size, bytes ...: one piece as a socket would bring it
 */
#include "common/pure/bytes.h"
#include "common/pure/check.h"
#include "proto/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned lent_count;

static void
on_bulk_done(void *user, const void *owner)
{
    (void) user;
    CHECK(owner != NULL);
    CHECK(lent_count > 0);
    lent_count--;
}

/* No token: every MAC is zero, so that the fuzzer can say the right one. */
static bool
is_equal(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static const struct wire_hello hello = { .worker = "w",
    .incarnation = 9,
    .slots_count = 1,
    .handlers_count = 1,
    .handlers = { { .name = "echo" } } };

static struct session *
open_end(enum session_side side, instant_t now)
{
    const struct session_config config = { .side = side,
        .crypto = { .equal = is_equal },
        .epoch = 7,
        .heartbeat_ms = 1000,
        .missed_max = 3,
        .hello = &hello,
        .on_bulk_done = on_bulk_done };
    struct session *session = NULL;
    CHECK(session_new(&config, now, &session) == ERR_OK);
    return session;
}

/* Hear all that came; what we answer goes nowhere, or to the other end. */
static err_t
hear(struct session *session, instant_t now)
{
    enum session_event event;
    const struct wire_msg *msg;
    err_t err;
    do {
        err = session_next(session, now, &event, &msg);
    } while (err == ERR_OK && event != SESSION_IDLE &&
             !(event == SESSION_MESSAGE && msg->kind == WIRE_GOODBYE));
    session_check(session);
    return err == ERR_OK && event == SESSION_MESSAGE ? ERR_CLOSED : err;
}

static err_t
bring(struct session *session, const uint8_t *bytes, size_t size, instant_t now)
{
    while (size > 0) {
        uint8_t *space;
        size_t space_size;
        if (session_space(session, &space, &space_size) != ERR_OK) {
            return ERR_NO_MEMORY;
        }
        size_t step = size < space_size ? size : space_size;
        memcpy(space, bytes, step);
        session_received(session, step);
        bytes += step;
        size -= step;
        err_t err = hear(session, now);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static void
shake_hands(struct session *a, struct session *b, instant_t now)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *bytes;
        size_t size;
        struct session *from = i % 2 == 0 ? a : b;
        if (session_stage(from, now, &bytes, &size)) {
            CHECK(bring(i % 2 == 0 ? b : a, bytes, size, now) == ERR_OK);
            session_written(from);
        }
    }
    CHECK(session_is_up(a));
    CHECK(session_is_up(b));
}

/* What our own side does meanwhile: a job or a result now and then, a write, a beat. */
static void
act(struct session *session, enum session_side side, instant_t now)
{
    static const uint8_t bulk[100000];
    struct wire_msg msg = { .kind = WIRE_JOB };
    if (side == SESSION_COORDINATOR) {
        msg.job = (struct wire_job){ .id = { .job = { .bytes = { 1 } } },
            .handler = "echo",
            .bulk = bulk,
            .bulk_size = sizeof bulk };
    } else {
        msg.kind = WIRE_RESULT;
        msg.result = (struct wire_result){
            .id = { .job = { .bytes = { 1 } } }, .bulk = bulk, .bulk_size = sizeof bulk
        };
    }
    bool is_lent = side == SESSION_COORDINATOR;
    lent_count += is_lent;
    instant_t deadline = instant_add(now, duration_s(1));
    if (session_send(session, &msg, deadline, is_lent ? bulk : NULL) != ERR_OK) {
        lent_count -= is_lent;
    }
    const uint8_t *bytes;
    size_t size;
    if (session_stage(session, now, &bytes, &size)) {
        session_written(session);
    }
    instant_t next;
    err_t err = session_tick(session, now, &next);
    CHECK(err == ERR_OK || err == ERR_TIMEOUT || err == ERR_FULL);
    session_check(session);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of(data, size);
    uint8_t flags = reader_u8(&reader);
    enum session_side side = (flags & 1) != 0 ? SESSION_WORKER : SESSION_COORDINATOR;
    instant_t now = { .ns = 1000 };
    struct session *ours = open_end(side, now);
    if ((flags & 2) != 0) {
        struct session *theirs =
            open_end(side == SESSION_WORKER ? SESSION_COORDINATOR : SESSION_WORKER, now);
        bool we_speak_first = side == SESSION_COORDINATOR;
        shake_hands(we_speak_first ? ours : theirs, we_speak_first ? theirs : ours, now);
        session_free(theirs);
    }
    err_t err = ERR_OK;
    while (err == ERR_OK && reader_left(&reader) > 2) {
        size_t piece_size = reader_u16(&reader);
        size_t left_size = reader_left(&reader);
        piece_size = piece_size < left_size ? piece_size : left_size;
        now = instant_add(now, duration_ms(200));
        err = bring(ours, reader_take(&reader, piece_size), piece_size, now);
        act(ours, side, now);
    }
    session_free(ours);
    CHECK(lent_count == 0);
    return 0;
}

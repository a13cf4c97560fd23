/* SPDX-License-Identifier: MIT
 *
 * tests/support/session_pair.h - both ends of a link in invented time, for one test program.
 *
 * A test moves the bytes, and may lose, change or hold them.
 */
#ifndef TESTS_SUPPORT_SESSION_PAIR_H
#define TESTS_SUPPORT_SESSION_PAIR_H

#include "proto/session.h"

#include "common/edge/crypto.h"
#include "proto/lanes.h"
#include "tests/support/cunit_main.h"

#include <stdlib.h>

static const uint8_t token[] = "a token of more than sixteen bytes";
static uint8_t input[WIRE_BULK_SIZE_MAX];

#define HEARD_MAX 16

/* One side, and what it heard. */
struct end {
    struct session *session;
    err_t err; /* of session_next */
    unsigned ups_count;
    unsigned heard_count;
    struct wire_msg heard[HEARD_MAX];
    unsigned done_count; /* bulk handed back */
    uint32_t last_bulk_size;
    bool bulk_was_right;
};

struct fixture {
    struct end coordinator;
    struct end worker;
    struct wire_hello hello;
    instant_t now;
};

static inline void
on_bulk_done(void *user, const void *owner)
{
    struct end *end = user;
    CU_ASSERT_PTR_NOT_NULL(owner);
    end->done_count++;
}

struct options {
    const uint8_t *coordinator_token;
    const uint8_t *worker_token;
};

static inline struct fixture *
fixture_new(const struct options *options)
{
    struct fixture *fx = calloc(1, sizeof *fx);
    CHECK(fx != NULL);
    fx->now = (instant_t){ .ns = 1000000000 };
    struct session_config config = { .side = SESSION_COORDINATOR,
        .crypto = { .hmac = crypto_hmac_sha256, .equal = crypto_equal },
        .token = options->coordinator_token,
        .token_size = sizeof token,
        .nonce = { 1 },
        .epoch = 7,
        .heartbeat_ms = 1000,
        .missed_max = 3,
        .on_bulk_done = on_bulk_done,
        .user = &fx->coordinator };
    CHECK(session_new(&config, fx->now, &fx->coordinator.session) == ERR_OK);
    fx->hello = (struct wire_hello){ .worker = "w1",
        .incarnation = 9,
        .slots_count = 4,
        .handlers_count = 1,
        .handlers = { { .name = "echo", .flags = 3 } } };
    config.side = SESSION_WORKER;
    config.hello = &fx->hello;
    config.token = options->worker_token;
    config.nonce[0] = 2;
    config.user = &fx->worker;
    CHECK(session_new(&config, fx->now, &fx->worker.session) == ERR_OK);
    return fx;
}

static inline void
fixture_free(struct fixture *fx)
{
    session_free(fx->coordinator.session);
    session_free(fx->worker.session);
    free(fx);
}

static inline void
hear(struct end *end, const struct wire_msg *msg)
{
    CHECK(end->heard_count < HEARD_MAX);
    wire_msg_copy(&end->heard[end->heard_count++], msg);
    const uint8_t *bulk = NULL;
    if (msg->kind == WIRE_JOB) {
        bulk = msg->job.bulk;
        end->last_bulk_size = msg->job.bulk_size;
    } else if (msg->kind == WIRE_RESULT) {
        bulk = msg->result.bulk;
        end->last_bulk_size = msg->result.bulk_size;
    } else {
        return;
    }
    end->bulk_was_right =
        end->last_bulk_size == 0 || memcmp(bulk, input, end->last_bulk_size) == 0;
}

/* Feed bytes as a socket would: in as many pieces as fit. */
static inline void
deliver(struct fixture *fx, struct end *to, const uint8_t *bytes, size_t size)
{
    while (size > 0 && to->err == ERR_OK) {
        uint8_t *space;
        size_t space_size;
        CHECK(session_space(to->session, &space, &space_size) == ERR_OK);
        size_t step = size < space_size ? size : space_size;
        memcpy(space, bytes, step);
        session_received(to->session, step);
        bytes += step;
        size -= step;
        enum session_event event;
        const struct wire_msg *msg;
        do {
            to->err = session_next(to->session, fx->now, &event, &msg);
            to->ups_count += event == SESSION_IS_UP;
            if (event == SESSION_MESSAGE) {
                hear(to, msg);
            }
        } while (to->err == ERR_OK && event != SESSION_IDLE &&
                 !(event == SESSION_MESSAGE && msg->kind == WIRE_GOODBYE));
        session_check(to->session);
    }
}

/* One write of one side, delivered; false when it has nothing to write. */
static inline bool
step(struct fixture *fx, struct end *from, struct end *to)
{
    const uint8_t *bytes;
    size_t size;
    if (!session_stage(from->session, fx->now, &bytes, &size)) {
        return false;
    }
    deliver(fx, to, bytes, size);
    session_written(from->session);
    session_check(from->session);
    return true;
}

static inline void
settle(struct fixture *fx)
{
    bool moved;
    do {
        moved = step(fx, &fx->coordinator, &fx->worker);
        moved = step(fx, &fx->worker, &fx->coordinator) || moved;
    } while (moved);
}

static inline struct fixture *
fixture_up(void)
{
    struct fixture *fx =
        fixture_new(&(struct options){ .coordinator_token = token, .worker_token = token });
    settle(fx);
    CU_ASSERT_TRUE(session_is_up(fx->coordinator.session));
    CU_ASSERT_TRUE(session_is_up(fx->worker.session));
    return fx;
}

static inline struct wire_msg
job_of(uint8_t number, uint32_t size)
{
    return (struct wire_msg){ .kind = WIRE_JOB,
        .job = { .id = { .job = { .bytes = { number } }, .attempt = 1 },
            .handler = "echo",
            .bulk = input,
            .bulk_size = size } };
}

static inline err_t
send_job(struct fixture *fx, uint8_t number, uint32_t size)
{
    const struct wire_msg msg = job_of(number, size);
    return session_send(
        fx->coordinator.session, &msg, instant_add(fx->now, duration_s(5)), input);
}

static inline err_t
send_cancel(struct fixture *fx, uint8_t number)
{
    return session_cancel(fx->coordinator.session,
        &(struct wire_cancel){
            .id = { .job = { .bytes = { number } }, .attempt = 1 }, .cause = 1 });
}

static inline size_t
encode(const struct wire_msg *msg, uint8_t *bytes, size_t size_max)
{
    size_t size = 0;
    CHECK(wire_encode(msg, bytes, size_max, &size) == ERR_OK);
    return size;
}

static inline struct wire_msg
chunk_of(uint8_t number, uint32_t offset, uint32_t size)
{
    return (struct wire_msg){ .kind = WIRE_JOB_CHUNK,
        .chunk = { .id = { .job = { .bytes = { number } },
                       .attempt = 1,
                       .epoch = 7,
                       .incarnation = 9 },
            .offset = offset,
            .bulk = input,
            .bulk_size = size } };
}

static inline void
deliver_msg(struct fixture *fx, const struct wire_msg *msg)
{
    static uint8_t bytes[WIRE_FRAME_SIZE_MAX];
    deliver(fx, &fx->worker, bytes, encode(msg, bytes, sizeof bytes));
}

#endif

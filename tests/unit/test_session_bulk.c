/* SPDX-License-Identifier: MIT */
#include "tests/support/session_pair.h"

/* ---- bulk ---------------------------------------------------------------------------- */

static void
session_bulk_of_every_size_arrives(void)
{
    static const uint32_t sizes[] = { 0, 1, WIRE_CHUNK_SIZE_MAX - 1, WIRE_CHUNK_SIZE_MAX,
        WIRE_CHUNK_SIZE_MAX + 1, 2 * WIRE_CHUNK_SIZE_MAX, WIRE_BULK_SIZE_MAX };
    struct fixture *fx = fixture_up();
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        ASSERT_I64_EQ(send_job(fx, (uint8_t) (i + 1), sizes[i]), ERR_OK);
        settle(fx);
        ASSERT_I64_EQ(fx->worker.heard_count, i + 1);
        ASSERT_I64_EQ(fx->worker.last_bulk_size, sizes[i]);
        CU_ASSERT_TRUE(fx->worker.bulk_was_right);
        ASSERT_I64_EQ(fx->coordinator.done_count, i + 1);

        struct wire_msg result = { .kind = WIRE_RESULT,
            .result = {
                .id = fx->worker.heard[i].job.id, .bulk = input, .bulk_size = sizes[i] } };
        ASSERT_I64_EQ(session_send(fx->worker.session, &result, INSTANT_NEVER, NULL), ERR_OK);
        settle(fx);
        ASSERT_I64_EQ(fx->coordinator.heard_count, i + 1);
        ASSERT_I64_EQ(fx->coordinator.last_bulk_size, sizes[i]);
        CU_ASSERT_TRUE(fx->coordinator.bulk_was_right);
    }
    CU_ASSERT_TRUE(session_is_idle(fx->coordinator.session));
    fixture_free(fx);
}

/* GOAL    a CANCEL passes a backlog of 4 MiB: at most a window of bulk leaves before it, and
 *         the rest of its own job never leaves.
 * METHOD  a worker that reads nothing; count what was written. */
static void
session_cancel_overtakes_backlog(void)
{
    static uint8_t wire[1 << 20]; /* written, and not yet delivered */
    size_t wire_size = 0;
    struct fixture *fx = fixture_up();
    ASSERT_I64_EQ(send_job(fx, 1, WIRE_BULK_SIZE_MAX), ERR_OK);
    ASSERT_I64_EQ(send_job(fx, 2, WIRE_BULK_SIZE_MAX), ERR_OK);
    const uint8_t *bytes;
    size_t size;
    while (session_stage(fx->coordinator.session, fx->now, &bytes, &size)) {
        CHECK(size <= sizeof wire - wire_size);
        memcpy(wire + wire_size, bytes, size);
        wire_size += size;
        session_written(fx->coordinator.session);
    }
    CU_ASSERT(wire_size >= WIRE_WINDOW_SIZE);
    CU_ASSERT(wire_size < WIRE_WINDOW_SIZE + WIRE_FRAME_SIZE_UNAUTH_MAX);

    ASSERT_I64_EQ(send_cancel(fx, 1), ERR_OK);
    ASSERT_I64_EQ(fx->coordinator.done_count, 1); /* its input is free at once */
    CU_ASSERT_TRUE(session_stage(fx->coordinator.session, fx->now, &bytes, &size));
    CU_ASSERT(size < 200); /* the CANCEL, alone: no credit for more */
    deliver(fx, &fx->worker, wire, wire_size);
    ASSERT_I64_EQ(fx->worker.heard_count, 0);
    deliver(fx, &fx->worker, bytes, size);
    session_written(fx->coordinator.session);
    ASSERT_I64_EQ(fx->worker.heard_count, 1);
    ASSERT_I64_EQ(fx->worker.heard[0].kind, WIRE_CANCEL);

    settle(fx); /* the other job is not hurt */
    ASSERT_I64_EQ(fx->worker.heard_count, 2);
    ASSERT_I64_EQ(fx->worker.heard[1].job.id.job.bytes[0], 2);
    ASSERT_I64_EQ(fx->worker.last_bulk_size, WIRE_BULK_SIZE_MAX);
    CU_ASSERT_TRUE(fx->worker.bulk_was_right);
    fixture_free(fx);
}

/* GOAL    small jobs do not wait for the end of a large one, nor does it starve. */
static void
session_small_job_passes_a_large_one(void)
{
    struct fixture *fx = fixture_up();
    ASSERT_I64_EQ(send_job(fx, 1, WIRE_BULK_SIZE_MAX), ERR_OK);
    for (uint8_t i = 0; i < 8; i++) {
        ASSERT_I64_EQ(send_job(fx, (uint8_t) (10 + i), 100), ERR_OK);
    }
    settle(fx);
    ASSERT_I64_EQ(fx->worker.heard_count, 9);
    ASSERT_I64_EQ(fx->worker.heard[0].job.id.job.bytes[0], 10);
    ASSERT_I64_EQ(fx->worker.heard[8].job.id.job.bytes[0], 1);
    fixture_free(fx);
}

/* GOAL    chunks must fit: no gap, no overlap, no more than was announced, one job at a
 *         time; a chunk of a job that was cancelled is only counted. */
static void
session_chunks_must_fit(void)
{
    static const struct {
        uint32_t offset;
        uint32_t size;
        err_t want;
    } second[] = {
        { 101, 10, ERR_BAD_MESSAGE },  /* a gap */
        { 99, 10, ERR_BAD_MESSAGE },   /* an overlap */
        { 100, 101, ERR_BAD_MESSAGE }, /* too much */
        { 100, 100, ERR_OK },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(second); i++) {
        struct fixture *fx = fixture_up();
        struct wire_msg job = job_of(1, 100);
        job.job.id.epoch = 7;
        job.job.id.incarnation = 9;
        job.job.budget_us = 1000;
        job.job.input_size = 200;
        deliver_msg(fx, &job);
        const struct wire_msg orphan = chunk_of(2, 100, 10);
        deliver_msg(fx, &orphan);
        ASSERT_I64_EQ(session_counters(fx->worker.session).orphans_count, 1);
        ASSERT_I64_EQ(fx->worker.err, ERR_OK);
        const struct wire_msg chunk = chunk_of(1, second[i].offset, second[i].size);
        deliver_msg(fx, &chunk);
        ASSERT_I64_EQ(fx->worker.err, second[i].want);
        ASSERT_I64_EQ(fx->worker.heard_count, second[i].want == ERR_OK);
        fixture_free(fx);
    }
    struct fixture *fx = fixture_up();
    struct wire_msg job = job_of(1, 100);
    job.job.id.epoch = 7;
    job.job.id.incarnation = 9;
    job.job.budget_us = 1000;
    job.job.input_size = 200;
    deliver_msg(fx, &job);
    job.job.id.job.bytes[0] = 2;
    deliver_msg(fx, &job);
    ASSERT_I64_EQ(fx->worker.err, ERR_BAD_MESSAGE); /* two at a time */
    fixture_free(fx);
}

static void
session_credit_that_was_never_spent_is_refused(void)
{
    struct fixture *fx = fixture_up();
    deliver_msg(fx, &(struct wire_msg){ .kind = WIRE_CREDIT, .credit = { .bytes = 1 } });
    ASSERT_I64_EQ(fx->worker.err, ERR_RANGE);
    fixture_free(fx);
}

static const struct test tests[] = {
    TEST(session_bulk_of_every_size_arrives),
    TEST(session_cancel_overtakes_backlog),
    TEST(session_small_job_passes_a_large_one),
    TEST(session_chunks_must_fit),
    TEST(session_credit_that_was_never_spent_is_refused),
};
TEST_MAIN("session_bulk", tests)

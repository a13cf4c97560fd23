/* SPDX-License-Identifier: MIT */
#include "proto/wire.h"

#include "common/pure/bytes.h"
#include "coordinator/core/core.h"
#include "tests/support/cunit_main.h"

#include <stdlib.h>

/* The core's words travel as numbers that proto bounds without knowing them. */
_Static_assert(CAUSE_SHUTDOWN == WIRE_CAUSE_MAX, "a new cause must fit the wire");
_Static_assert(FATE_COMPLETED == WIRE_FATE_MAX, "a new fate must fit the wire");

static uint8_t frame[WIRE_FRAME_SIZE_MAX];
static uint8_t bulk[WIRE_CHUNK_SIZE_MAX + 1];

static const struct wire_attempt id = {
    .job = { .bytes = { 1, 2, 3 } }, .attempt = 2, .epoch = 0x1122334455667788, .incarnation = 9
};

/* ---- what we say is what is heard ---------------------------------------------------- */

static size_t
encode(const struct wire_msg *msg)
{
    size_t size = 0;
    ASSERT_I64_EQ(wire_encode(msg, frame, sizeof frame, &size), ERR_OK);
    return size;
}

/* Says it, hears it, says it again: the bytes must be the same. */
static const struct wire_msg *
roundtrip(const struct wire_msg *msg)
{
    static struct wire_msg heard;
    static uint8_t again[WIRE_FRAME_SIZE_MAX];
    size_t size = encode(msg);
    size_t again_size = 0;
    memset(&heard, 0xee, sizeof heard);
    ASSERT_I64_EQ(wire_decode(frame, size, &heard), ERR_OK);
    ASSERT_I64_EQ(heard.kind, msg->kind);
    ASSERT_I64_EQ(wire_encode(&heard, again, sizeof again, &again_size), ERR_OK);
    ASSERT_I64_EQ(again_size, size);
    CU_ASSERT(memcmp(again, frame, size) == 0);
    return &heard;
}

static struct wire_hello
hello_of(uint32_t handlers_count)
{
    struct wire_hello hello = { .worker = "worker-1.example",
        .zone = "z",
        .incarnation = 5,
        .version = 1,
        .slots_count = 4,
        .queue_max = 8,
        .pid = 4711,
        .nonce = { 1 },
        .mac = { 2 },
        .handlers_count = handlers_count };
    for (uint32_t i = 0; i < handlers_count; i++) {
        memset(hello.handlers[i].name, 'h', WIRE_NAME_SIZE_MAX - 1);
        hello.handlers[i].flags = UINT32_MAX - i;
    }
    return hello;
}

static void
wire_handshake_round_trips(void)
{
    const struct wire_msg *heard = roundtrip(&(struct wire_msg){ .kind = WIRE_CHALLENGE,
        .challenge = { .nonce = { [31] = 7 },
            .epoch = UINT64_MAX,
            .version_min = 1,
            .version_max = 3,
            .needs_token = true } });
    ASSERT_I64_EQ(heard->challenge.nonce[31], 7);
    CU_ASSERT_EQUAL(heard->challenge.epoch, UINT64_MAX);
    ASSERT_I64_EQ(heard->challenge.version_max, 3);
    CU_ASSERT_TRUE(heard->challenge.needs_token);

    struct wire_msg msg = { .kind = WIRE_HELLO, .hello = hello_of(WIRE_HANDLERS_MAX) };
    heard = roundtrip(&msg);
    ASSERT_STR_EQ(heard->hello.worker, "worker-1.example");
    ASSERT_I64_EQ(heard->hello.handlers_count, WIRE_HANDLERS_MAX);
    ASSERT_I64_EQ(heard->hello.handlers[63].flags, UINT32_MAX - 63);
    ASSERT_I64_EQ(strlen(heard->hello.handlers[63].name), WIRE_NAME_SIZE_MAX - 1);
    CU_ASSERT(encode(&msg) <= WIRE_FRAME_SIZE_UNAUTH_MAX);

    heard = roundtrip(&(struct wire_msg){ .kind = WIRE_WELCOME,
        .welcome = { .version = 1, .heartbeat_ms = 1000, .missed_max = 3, .mac = { 3 } } });
    ASSERT_I64_EQ(heard->welcome.mac[0], 3);
}

static void
wire_bulk_messages_round_trip(void)
{
    const struct wire_msg *heard = roundtrip(&(struct wire_msg){ .kind = WIRE_JOB,
        .job = { .id = id,
            .handler = "sha256",
            .budget_us = WIRE_US_MAX,
            .cancel_grace_ms = 1000,
            .is_hedge = true,
            .is_tied = true,
            .content_type = "text/plain",
            .traceparent = "00-ab-cd-01",
            .input_size = WIRE_BULK_SIZE_MAX,
            .bulk = bulk,
            .bulk_size = WIRE_CHUNK_SIZE_MAX } });
    CU_ASSERT_TRUE(heard->job.is_hedge);
    CU_ASSERT_TRUE(heard->job.is_tied);
    CU_ASSERT_TRUE(id_equal(heard->job.id.job, id.job));
    CU_ASSERT_EQUAL(heard->job.id.epoch, id.epoch);
    ASSERT_I64_EQ(heard->job.bulk_size, WIRE_CHUNK_SIZE_MAX);
    CU_ASSERT(heard->job.bulk > frame && heard->job.bulk < frame + sizeof frame); /* borrowed */

    static const enum wire_kind chunks[] = { WIRE_JOB_CHUNK, WIRE_RESULT_CHUNK };
    for (unsigned i = 0; i < ARRAY_COUNT(chunks); i++) {
        heard = roundtrip(&(struct wire_msg){ .kind = chunks[i],
            .chunk = { .id = id, .offset = 65536, .bulk = bulk, .bulk_size = 1 } });
        ASSERT_I64_EQ(heard->chunk.offset, 65536);
    }
    heard = roundtrip(&(struct wire_msg){ .kind = WIRE_RESULT,
        .result = { .id = id,
            .status = WIRE_EXPIRED,
            .message = "z\xc3\xa4h",
            .content_type = "a/b",
            .queued_us = 1,
            .ran_us = 2,
            .cpu_us = 3,
            .result_size = 2,
            .bulk = bulk,
            .bulk_size = 2 } });
    ASSERT_STR_EQ(heard->result.message, "z\xc3\xa4h");
    ASSERT_I64_EQ(heard->result.cpu_us, 3);
}

static void
wire_small_messages_round_trip(void)
{
    const struct wire_msg *heard = roundtrip(
        &(struct wire_msg){ .kind = WIRE_CANCEL, .cancel = { .id = id, .cause = 7 } });
    ASSERT_I64_EQ(heard->cancel.cause, 7);
    heard = roundtrip(&(struct wire_msg){ .kind = WIRE_CANCEL_ACK,
        .cancel_ack = {
            .id = id, .fate = 4, .stopped_after_us = 1, .ran_us = 2, .cpu_us = 3 } });
    ASSERT_I64_EQ(heard->cancel_ack.stopped_after_us, 1);
    heard = roundtrip(
        &(struct wire_msg){ .kind = WIRE_STARTED, .started = { .id = id, .queued_us = 12 } });
    ASSERT_I64_EQ(heard->started.queued_us, 12);
    heard = roundtrip(
        &(struct wire_msg){ .kind = WIRE_CLAIM, .started = { .id = id, .queued_us = 7 } });
    ASSERT_I64_EQ(heard->kind, WIRE_CLAIM);
    ASSERT_I64_EQ(heard->started.queued_us, 7);
    roundtrip(&(struct wire_msg){ .kind = WIRE_BUSY, .busy = { .id = id } });
    heard = roundtrip(&(struct wire_msg){ .kind = WIRE_LOAD,
        .load = { .running_count = 1, .queued_count = 2, .draining = true } });
    ASSERT_I64_EQ(heard->load.queued_count, 2);
    heard = roundtrip(&(struct wire_msg){ .kind = WIRE_CREDIT, .credit = { .bytes = 65536 } });
    ASSERT_I64_EQ(heard->credit.bytes, 65536);
    heard =
        roundtrip(&(struct wire_msg){ .kind = WIRE_PING, .ping = { .sequence = UINT64_MAX } });
    CU_ASSERT_EQUAL(heard->ping.sequence, UINT64_MAX);
    roundtrip(&(struct wire_msg){ .kind = WIRE_PONG });
    roundtrip(&(struct wire_msg){ .kind = WIRE_DRAIN });
    heard =
        roundtrip(&(struct wire_msg){ .kind = WIRE_GOODBYE, .goodbye = { .reason = "so" } });
    ASSERT_STR_EQ(heard->goodbye.reason, "so");
}

/* GOAL    a handler's message that is no UTF-8 does not lose the result. */
static void
wire_prose_is_cleaned(void)
{
    struct wire_msg msg = { .kind = WIRE_RESULT,
        .result = { .id = id, .status = WIRE_FAILED_FINAL, .message = "a\xff\xc3" } };
    size_t size = encode(&msg);
    struct wire_msg heard;
    ASSERT_I64_EQ(wire_decode(frame, size, &heard), ERR_OK);
    ASSERT_STR_EQ(heard.result.message, "a??");
}

static void
wire_encode_refuses_what_decode_would(void)
{
    size_t size;
    struct wire_msg msg = { .kind = WIRE_HELLO, .hello = hello_of(1) };
    snprintf(msg.hello.worker, sizeof msg.hello.worker, "two words");
    ASSERT_I64_EQ(wire_encode(&msg, frame, sizeof frame, &size), ERR_INVALID);
    memset(msg.hello.worker, 'x', WIRE_NAME_SIZE_MAX);
    ASSERT_I64_EQ(wire_encode(&msg, frame, sizeof frame, &size), ERR_INVALID);
    msg.hello = hello_of(1);
    msg.hello.handlers_count = WIRE_HANDLERS_MAX + 1;
    ASSERT_I64_EQ(wire_encode(&msg, frame, sizeof frame, &size), ERR_RANGE);

    msg = (struct wire_msg){ .kind = WIRE_BUSY };
    ASSERT_I64_EQ(wire_encode(&msg, frame, sizeof frame, &size), ERR_INVALID); /* no job */
    msg = (struct wire_msg){ .kind = WIRE_JOB, .job = { .id = id, .handler = "h" } };
    ASSERT_I64_EQ(wire_encode(&msg, frame, sizeof frame, &size), ERR_RANGE); /* no budget */
    msg.job.budget_us = 1;
    ASSERT_I64_EQ(wire_encode(&msg, frame, 20, &size), ERR_FULL);
    msg.job.bulk = bulk;
    msg.job.bulk_size = msg.job.input_size = WIRE_CHUNK_SIZE_MAX + 1;
    ASSERT_I64_EQ(wire_encode(&msg, frame, sizeof frame, &size), ERR_RANGE);
}

/* ---- what is not well formed --------------------------------------------------------- */

#define ID_FIELD                           \
    "\x0a\x24\x0a\x10JJJJJJJJJJJJJJJJ\x19" \
    "eeeeeeee\x21iiiiiiii"

struct malformed {
    const char *name;
    enum wire_kind kind;
    const char *body;
    size_t body_size;
    err_t want;
};

#define CASE(name_, kind_, body_, want_)                           \
    {                                                              \
        name_, WIRE_##kind_, body_, sizeof(body_) - 1, ERR_##want_ \
    }

static const struct malformed table[] = {
    CASE("well formed, as a control", BUSY, ID_FIELD, OK),
    CASE("no identity", BUSY, "", BAD_MESSAGE),
    CASE("identity twice", BUSY, ID_FIELD ID_FIELD, BAD_MESSAGE),
    CASE("identity of 15 bytes", BUSY, "\x0a\x11\x0a\x0fJJJJJJJJJJJJJJJ", BAD_MESSAGE),
    CASE("identity of zeros", BUSY, "\x0a\x12\x0a\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        BAD_MESSAGE),
    CASE("identity as a number", BUSY, "\x08\x01", BAD_MESSAGE),
    CASE("cut in a key", LOAD, "\x88", TRUNCATED),
    CASE("cut in a number", LOAD, "\x08\x80", TRUNCATED),
    CASE("cut in a string", GOODBYE, "\x0a\x05hell", TRUNCATED),
    CASE("field number zero", LOAD, "\x00\x01", BAD_MESSAGE),
    CASE("a number of 70 bits", LOAD, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        BAD_MESSAGE),
    CASE("a group", LOAD, "\x0b\x0c", BAD_MESSAGE),
    CASE("a NUL in text", GOODBYE,
        "\x0a\x03"
        "a\0b",
        BAD_MESSAGE),
    CASE("text that is no UTF-8", GOODBYE, "\x0a\x02\xc3\x28", BAD_MESSAGE),
    CASE("an over-long slash", GOODBYE, "\x0a\x02\xc0\xaf", BAD_MESSAGE),
    CASE("a surrogate", GOODBYE, "\x0a\x03\xed\xa0\x80", BAD_MESSAGE),
    CASE("unknown fields of a newer peer", LOAD, "\x38\x01\x3a\x01x\x41tttttttt", OK),
    CASE("credit of nothing", CREDIT, "", RANGE),
    CASE("credit of more than the window", CREDIT, "\x08\x81\x80\x10", RANGE),
    CASE("a cause without a word", CANCEL, ID_FIELD "\x10\x08", RANGE),
    CASE("no cause", CANCEL, ID_FIELD, RANGE),
    CASE("no fate", CANCEL_ACK, ID_FIELD, RANGE),
    CASE("a status without a word", RESULT, ID_FIELD "\x10\x04", RANGE),
    CASE("a job without handler", JOB, ID_FIELD "\x18\x01", BAD_MESSAGE),
    CASE("a handler with a blank", JOB,
        ID_FIELD "\x12\x03"
                 "a b\x18\x01",
        BAD_MESSAGE),
    CASE("a job without time", JOB, ID_FIELD "\x12\x01h", RANGE),
    CASE("an input past its maximum", JOB, ID_FIELD "\x12\x01h\x18\x01\x40\x81\x80\x80\x02",
        RANGE),
    CASE("more bulk than input", JOB, ID_FIELD "\x12\x01h\x18\x01\xa2\x06\x01x", BAD_SIZE),
    CASE("bulk that is not last", JOB, ID_FIELD "\xa2\x06\x01x\x12\x01h\x18\x01\x40\x01",
        BAD_MESSAGE),
    CASE("bulk of nothing", JOB, ID_FIELD "\x12\x01h\x18\x01\xa2\x06\x00", BAD_MESSAGE),
    CASE("a chunk without bulk", JOB_CHUNK, ID_FIELD "\x10\x01", BAD_SIZE),
    CASE("a chunk at the start", JOB_CHUNK, ID_FIELD "\xa2\x06\x01x", RANGE),
    CASE("a chunk past the maximum", RESULT_CHUNK,
        ID_FIELD "\x10\xff\xff\xff\x01\xa2\x06\x02xx", BAD_SIZE),
    CASE("a nonce of 3 bytes", CHALLENGE, "\x0a\x03nnn", BAD_MESSAGE),
};

static size_t
put_frame(enum wire_kind kind, const void *body, size_t body_size)
{
    struct writer writer = writer_of(frame, sizeof frame);
    writer_u32(&writer, (uint32_t) body_size);
    writer_u8(&writer, WIRE_FRAME_VERSION);
    writer_u8(&writer, (uint8_t) kind);
    writer_u16(&writer, 0);
    writer_put(&writer, body, body_size);
    CHECK(writer.err == ERR_OK);
    return writer.size;
}

static void
wire_malformed_is_refused(void)
{
    struct wire_msg msg;
    for (unsigned i = 0; i < ARRAY_COUNT(table); i++) {
        size_t size = put_frame(table[i].kind, table[i].body, table[i].body_size);
        err_t err = wire_decode(frame, size, &msg);
        if (err != table[i].want) {
            printf("# %s: %s\n", table[i].name, err_name(err));
        }
        ASSERT_I64_EQ(err, table[i].want);
    }
}

static void
wire_bad_header_is_refused(void)
{
    struct wire_msg msg;
    size_t size = put_frame(WIRE_DRAIN, "", 0);
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_OK);
    ASSERT_I64_EQ(wire_decode(frame, size - 1, &msg), ERR_TRUNCATED);
    ASSERT_I64_EQ(wire_decode(frame, size + 1, &msg), ERR_BAD_SIZE);
    frame[5] = WIRE_KIND_COUNT;
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_BAD_KIND);
    frame[5] = WIRE_NONE;
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_BAD_KIND);
    frame[4] = 0;
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_BAD_VERSION);
    frame[4] = WIRE_FRAME_VERSION + 1;
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_BAD_VERSION);
    frame[4] = WIRE_FRAME_VERSION;
    frame[5] = WIRE_DRAIN;
    memset(frame, 0xff, 4);
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_TOO_BIG);
}

/* GOAL    bytes that are cheap to send cannot cost memory, time or stack. */
static void
wire_amplification_is_refused(void)
{
    static uint8_t body[WIRE_PLAIN_SIZE_MAX];
    struct wire_msg msg;
    for (size_t i = 0; i + 1 < sizeof body; i += 2) { /* empty handlers: 80 times as much */
        body[i] = 0x4a;
        body[i + 1] = 0;
    }
    size_t size = put_frame(WIRE_HELLO, body, sizeof body);
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_TOO_BIG);
    for (size_t i = 0; i + 1 < sizeof body; i += 2) { /* fields nobody knows */
        body[i] = 0x78;
        body[i + 1] = 1;
    }
    size = put_frame(WIRE_LOAD, body, 2 * (WIRE_FIELDS_UNKNOWN_MAX + 1));
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_TOO_BIG);
    size = put_frame(WIRE_LOAD, body, 2 * WIRE_FIELDS_UNKNOWN_MAX);
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_OK);

    static uint8_t large[WIRE_PLAIN_SIZE_MAX + 1 + 3]; /* one field past the plain maximum */
    struct writer writer = writer_of(large, sizeof large);
    writer_u8(&writer, 0x0a);
    writer_varint(&writer, sizeof large - 3);
    memset(large + writer.size, 'x', sizeof large - writer.size);
    size = put_frame(WIRE_GOODBYE, large, sizeof large);
    ASSERT_I64_EQ(wire_decode(frame, size, &msg), ERR_TOO_BIG);
}

/* GOAL    no prefix of a good frame is taken for a frame, and none is read past its end.
 * METHOD  an exact-size copy for each, so that the sanitizer would see it. */
static void
wire_prefixes_are_refused(void)
{
    struct wire_msg msg = { .kind = WIRE_HELLO, .hello = hello_of(2) };
    size_t size = encode(&msg);
    for (size_t cut = WIRE_HEADER_SIZE; cut < size; cut++) {
        uint8_t *copy = malloc(cut);
        CHECK(copy != NULL);
        memcpy(copy, frame, cut);
        struct writer writer = writer_of(copy, cut);
        writer_u32(&writer, (uint32_t) (cut - WIRE_HEADER_SIZE)); /* a header that agrees */
        struct wire_msg heard;
        CU_ASSERT(wire_decode(copy, cut, &heard) != ERR_OK);
        free(copy);
    }
}

static const struct test tests[] = {
    TEST(wire_handshake_round_trips),
    TEST(wire_bulk_messages_round_trip),
    TEST(wire_small_messages_round_trip),
    TEST(wire_prose_is_cleaned),
    TEST(wire_encode_refuses_what_decode_would),
    TEST(wire_malformed_is_refused),
    TEST(wire_bad_header_is_refused),
    TEST(wire_amplification_is_refused),
    TEST(wire_prefixes_are_refused),
};
TEST_MAIN("wire", tests)

/* SPDX-License-Identifier: MIT
 *
 * Each field stands once, in a table: its place in protobuf-c's struct, its place in ours,
 * its bounds.  One loop encodes by it and one decodes by it, so the two cannot disagree.
 *
 * A decode is four steps, and only the third allocates (from an arena on the stack):
 *     header -> scan (depth, fields, text, bulk) -> unpack -> copy and check
 *
 * protobuf-c recurses without a limit and takes up to 80 times a message's size; the scan
 * and the arena are what makes it safe.
 */
#include "proto/wire.h"

#include "common/pure/bytes.h"
#include "proto/arena.h"
#include "proto/scan.h"
#include "proto/text.h"

#include <proto/hedgerow.pb-c.h>
#include <string.h>

#define BULK_TAG        100
#define PACKED_SIZE_MAX 256 /* of protobuf-c's structs, without what they point to */

enum rule_kind {
    RULE_U32,
    RULE_U64,
    RULE_BOOL,
    RULE_NAME,  /* printable, no blanks; min 1: not empty */
    RULE_TEXT,  /* UTF-8 */
    RULE_PROSE, /* UTF-8 for people; cleaned when it is encoded */
    RULE_BYTES, /* exactly size */
    RULE_ATTEMPT
};

struct rule {
    enum rule_kind kind;
    uint16_t there; /* offset in protobuf-c's struct */
    uint16_t here;  /* offset in the plain one */
    uint32_t size;  /* text with its zero, bytes */
    uint64_t min;
    uint64_t max;
};

#define SIZE_HERE(here_, member_) sizeof(((struct wire_##here_ *) NULL)->member_)
#define RULE(kind_, there_, here_, member_, min_, max_)                             \
    {                                                                               \
        .kind = RULE_##kind_, .there = offsetof(Hedgerow__##there_, member_),       \
        .here = offsetof(struct wire_##here_, member_),                             \
        .size = (uint32_t) SIZE_HERE(here_, member_), .min = (min_), .max = (max_), \
    }
#define US(there_, here_, member_, min_) RULE(U64, there_, here_, member_, min_, WIRE_US_MAX)
#define ID(there_, here_)                RULE(ATTEMPT, there_, here_, id, 0, 0)

static const struct rule challenge_rules[] = {
    RULE(BYTES, Challenge, challenge, nonce, 0, 0),
    RULE(U64, Challenge, challenge, epoch, 1, UINT64_MAX),
    RULE(U32, Challenge, challenge, version_min, 1, UINT32_MAX),
    RULE(U32, Challenge, challenge, version_max, 1, UINT32_MAX),
    RULE(BOOL, Challenge, challenge, needs_token, 0, 1),
};
static const struct rule handler_rules[] = {
    RULE(NAME, Handler, handler, name, 1, 0),
    RULE(U32, Handler, handler, flags, 0, UINT32_MAX),
};
static const struct rule hello_rules[] = {
    RULE(NAME, Hello, hello, worker, 1, 0),
    RULE(NAME, Hello, hello, zone, 0, 0),
    RULE(U64, Hello, hello, incarnation, 1, UINT64_MAX),
    RULE(U32, Hello, hello, version, 1, UINT32_MAX),
    RULE(U32, Hello, hello, slots_count, 1, WIRE_SLOTS_MAX),
    RULE(U32, Hello, hello, queue_max, 0, WIRE_SLOTS_MAX),
    RULE(U32, Hello, hello, pid, 0, INT32_MAX),
    RULE(BYTES, Hello, hello, nonce, 0, 0),
    RULE(BYTES, Hello, hello, mac, 0, 0),
};
static const struct rule welcome_rules[] = {
    RULE(U32, Welcome, welcome, version, 1, UINT32_MAX),
    RULE(U32, Welcome, welcome, heartbeat_ms, 10, WIRE_HEARTBEAT_MS_MAX),
    RULE(U32, Welcome, welcome, missed_max, 1, WIRE_MISSED_MAX),
    RULE(BYTES, Welcome, welcome, mac, 0, 0),
};
static const struct rule job_rules[] = {
    ID(Job, job),
    RULE(NAME, Job, job, handler, 1, 0),
    US(Job, job, budget_us, 1),
    RULE(U32, Job, job, cancel_grace_ms, 0, 3600000),
    RULE(BOOL, Job, job, is_hedge, 0, 1),
    RULE(BOOL, Job, job, is_tied, 0, 1),
    RULE(TEXT, Job, job, content_type, 0, 0),
    RULE(TEXT, Job, job, traceparent, 0, 0),
    RULE(U32, Job, job, input_size, 0, WIRE_BULK_SIZE_MAX),
};
static const struct rule chunk_rules[] = {
    ID(Chunk, chunk),
    RULE(U32, Chunk, chunk, offset, 1, WIRE_BULK_SIZE_MAX - 1),
};
static const struct rule cancel_rules[] = {
    ID(Cancel, cancel),
    RULE(U32, Cancel, cancel, cause, 1, WIRE_CAUSE_MAX),
};
static const struct rule cancel_ack_rules[] = {
    ID(CancelAck, cancel_ack),
    RULE(U32, CancelAck, cancel_ack, fate, 1, WIRE_FATE_MAX),
    US(CancelAck, cancel_ack, stopped_after_us, 0),
    US(CancelAck, cancel_ack, ran_us, 0),
    US(CancelAck, cancel_ack, cpu_us, 0),
};
static const struct rule started_rules[] = {
    ID(Started, started),
    US(Started, started, queued_us, 0),
};
static const struct rule result_rules[] = {
    ID(Result, result),
    RULE(U32, Result, result, status, 0, WIRE_EXPIRED),
    RULE(PROSE, Result, result, message, 0, 0),
    RULE(TEXT, Result, result, content_type, 0, 0),
    US(Result, result, queued_us, 0),
    US(Result, result, ran_us, 0),
    US(Result, result, cpu_us, 0),
    RULE(U32, Result, result, result_size, 0, WIRE_BULK_SIZE_MAX),
};
static const struct rule busy_rules[] = { ID(Busy, busy) };
static const struct rule load_rules[] = {
    RULE(U32, Load, load, running_count, 0, UINT32_MAX),
    RULE(U32, Load, load, queued_count, 0, UINT32_MAX),
    RULE(BOOL, Load, load, draining, 0, 1),
};
static const struct rule credit_rules[] = {
    RULE(U32, Credit, credit, bytes, 1, WIRE_WINDOW_SIZE),
};
static const struct rule ping_rules[] = { RULE(U64, Ping, ping, sequence, 0, UINT64_MAX) };
static const struct rule goodbye_rules[] = { RULE(PROSE, Goodbye, goodbye, reason, 0, 0) };

struct shape {
    const char *text;
    const ProtobufCMessageDescriptor *descriptor;
    const struct rule *rules;
    uint8_t rules_count;
    bool has_bulk;
    uint16_t bulk_here;
    uint16_t bulk_size_here;
    uint16_t size; /* of the plain struct */
};

/* clang-format off */
#define SHAPE(kind_, descriptor_, here_, ...)                                            \
    [WIRE_##kind_] = { .text = #kind_, .descriptor = &hedgerow__##descriptor_##__descriptor, \
        .rules = here_##_rules, .rules_count = ARRAY_COUNT(here_##_rules),               \
        .size = sizeof(struct wire_##here_), ##__VA_ARGS__ }
#define SHAPE_BULK(kind_, descriptor_, here_)                                            \
    SHAPE(kind_, descriptor_, here_, .has_bulk = true,                                   \
        .bulk_here = offsetof(struct wire_##here_, bulk),                                \
        .bulk_size_here = offsetof(struct wire_##here_, bulk_size))
/* clang-format on */

static const struct shape shapes[WIRE_KIND_COUNT] = {
    [WIRE_NONE] = { .text = "NONE" },
    SHAPE(CHALLENGE, challenge, challenge),
    SHAPE(HELLO, hello, hello),
    SHAPE(WELCOME, welcome, welcome),
    SHAPE_BULK(JOB, job, job),
    SHAPE_BULK(JOB_CHUNK, chunk, chunk),
    SHAPE(CANCEL, cancel, cancel),
    SHAPE(CANCEL_ACK, cancel_ack, cancel_ack),
    SHAPE(STARTED, started, started),
    SHAPE_BULK(RESULT, result, result),
    SHAPE_BULK(RESULT_CHUNK, chunk, chunk),
    SHAPE(BUSY, busy, busy),
    SHAPE(LOAD, load, load),
    SHAPE(CREDIT, credit, credit),
    SHAPE(PING, ping, ping),
    SHAPE(PONG, ping, ping),
    [WIRE_DRAIN] = { .text = "DRAIN", .descriptor = &hedgerow__drain__descriptor },
    SHAPE(GOODBYE, goodbye, goodbye),
    SHAPE(CLAIM, started, started),
};

/* Every union member stands at the same address. */
static uint8_t *
plain_of(const struct wire_msg *msg)
{
    return (uint8_t *) (uintptr_t) &msg->challenge;
}

static void
get_bulk(const struct wire_msg *msg, const uint8_t **ret_bulk, uint32_t *ret_size)
{
    const struct shape *shape = &shapes[msg->kind];
    *ret_bulk = NULL;
    *ret_size = 0;
    if (shape->has_bulk) {
        memcpy(ret_bulk, plain_of(msg) + shape->bulk_here, sizeof *ret_bulk);
        memcpy(ret_size, plain_of(msg) + shape->bulk_size_here, sizeof *ret_size);
    }
}

/* ---- encoding ------------------------------------------------------------------------ */

/* What protobuf-c's struct points to while it is packed. */
struct scratch {
    Hedgerow__Attempt attempt;
    char prose[WIRE_MESSAGE_SIZE_MAX];
};

static err_t
encode_text(
    const struct rule *rule, const char *here, struct scratch *scratch, char **ret_there)
{
    size_t size = strnlen(here, rule->size);
    if (size == rule->size) {
        return ERR_INVALID; /* no zero at its end */
    }
    if (rule->kind == RULE_PROSE && !text_is_valid(here, size)) {
        CHECK(size < sizeof scratch->prose);
        memcpy(scratch->prose, here, size + 1);
        text_clean(scratch->prose);
        *ret_there = scratch->prose;
        return ERR_OK;
    }
    if (size < rule->min || !text_is_valid(here, size) ||
        (rule->kind == RULE_NAME && !text_is_name(here))) {
        return ERR_INVALID;
    }
    *ret_there = (char *) (uintptr_t) here; /* protobuf-c only reads it */
    return ERR_OK;
}

static err_t
encode_attempt(const struct wire_attempt *here, Hedgerow__Attempt *there)
{
    if (id_is_none(here->job)) {
        return ERR_INVALID;
    }
    hedgerow__attempt__init(there);
    there->job = (ProtobufCBinaryData){ .len = ID_SIZE,
        .data = (uint8_t *) (uintptr_t) here->job.bytes };
    there->attempt = here->attempt;
    there->epoch = here->epoch;
    there->incarnation = here->incarnation;
    return ERR_OK;
}

/* The same in both directions. */
static err_t
copy_number(const struct rule *rule, const void *from, void *to)
{
    uint64_t value = 0;
    size_t size = rule->kind == RULE_U32 ? sizeof(uint32_t) : sizeof(uint64_t);
    memcpy(&value, from, size);
    if (value < rule->min || value > rule->max) {
        return ERR_RANGE;
    }
    memcpy(to, from, size);
    return ERR_OK;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a u32 is copied into a u64");

static err_t
encode_fields(const struct rule *rules, unsigned rules_count, const uint8_t *plain,
    uint8_t *packed, struct scratch *scratch)
{
    err_t err = ERR_OK;
    for (unsigned i = 0; i < rules_count && err == ERR_OK; i++) {
        const struct rule *rule = &rules[i];
        const uint8_t *here = plain + rule->here;
        void *there = packed + rule->there;
        switch (rule->kind) {
        case RULE_U32:
        case RULE_U64: err = copy_number(rule, here, there); break;
        case RULE_BOOL: *(protobuf_c_boolean *) there = *(const bool *) here; break;
        case RULE_NAME:
        case RULE_TEXT:
        case RULE_PROSE: err = encode_text(rule, (const char *) here, scratch, there); break;
        case RULE_BYTES:
            *(ProtobufCBinaryData *) there = (ProtobufCBinaryData){ .len = rule->size,
                .data = (uint8_t *) (uintptr_t) here };
            break;
        case RULE_ATTEMPT:
            err = encode_attempt((const struct wire_attempt *) here, &scratch->attempt);
            *(Hedgerow__Attempt **) there = &scratch->attempt;
            break;
        }
    }
    return err;
}

static err_t
pack_frame(const struct wire_msg *msg, const ProtobufCMessage *packed, uint8_t *frame,
    size_t size_max, size_t *ret_size)
{
    const uint8_t *bulk;
    uint32_t bulk_size;
    get_bulk(msg, &bulk, &bulk_size);
    if (bulk_size > WIRE_CHUNK_SIZE_MAX) {
        return ERR_RANGE;
    }
    uint8_t bulk_head[10];
    struct writer bulk_writer = writer_of(bulk_head, sizeof bulk_head);
    if (bulk_size > 0) {
        writer_varint(&bulk_writer, BULK_TAG << 3 | 2);
        writer_varint(&bulk_writer, bulk_size);
    }
    size_t plain_size = protobuf_c_message_get_packed_size(packed);
    if (plain_size > WIRE_PLAIN_SIZE_MAX) {
        return ERR_RANGE;
    }
    const size_t size = plain_size + bulk_writer.size + bulk_size;
    if (size_max < WIRE_HEADER_SIZE + size) {
        return ERR_FULL;
    }
    struct writer writer = writer_of(frame, size_max);
    writer_u32(&writer, (uint32_t) size);
    writer_u8(&writer, WIRE_FRAME_VERSION);
    writer_u8(&writer, (uint8_t) msg->kind);
    writer_u16(&writer, 0);
    writer.size += protobuf_c_message_pack(packed, frame + WIRE_HEADER_SIZE);
    writer_put(&writer, bulk_head, bulk_writer.size);
    writer_put(&writer, bulk, bulk_size);
    CHECK(writer.size == WIRE_HEADER_SIZE + size); /* or it failed */
    *ret_size = writer.size;
    return ERR_OK;
}

/* Its own function: nobody else needs this much stack. */
static __attribute__((noinline)) err_t
encode_hello(const struct wire_msg *msg, Hedgerow__Hello *packed, uint8_t *frame,
    size_t size_max, size_t *ret_size)
{
    Hedgerow__Handler handlers[WIRE_HANDLERS_MAX];
    Hedgerow__Handler *pointers[WIRE_HANDLERS_MAX];
    const struct wire_hello *hello = &msg->hello;
    if (hello->handlers_count > WIRE_HANDLERS_MAX) {
        return ERR_RANGE;
    }
    for (uint32_t i = 0; i < hello->handlers_count; i++) {
        hedgerow__handler__init(&handlers[i]);
        pointers[i] = &handlers[i];
        err_t err = encode_fields(handler_rules, ARRAY_COUNT(handler_rules),
            (const uint8_t *) &hello->handlers[i], (uint8_t *) &handlers[i], NULL);
        if (err != ERR_OK) {
            return err;
        }
    }
    packed->n_handlers = hello->handlers_count;
    packed->handlers = pointers;
    return pack_frame(msg, &packed->base, frame, size_max, ret_size);
}

err_t
wire_encode(const struct wire_msg *msg, uint8_t *frame, size_t size_max, size_t *ret_size)
{
    const struct shape *shape = &shapes[msg->kind];
    CHECK(shape->descriptor != NULL);
    struct scratch scratch;
    _Alignas(Hedgerow__Hello) uint8_t memory[PACKED_SIZE_MAX];
    CHECK(shape->descriptor->sizeof_message <= sizeof memory);
    ProtobufCMessage *packed = (ProtobufCMessage *) (void *) memory;
    shape->descriptor->message_init(packed);
    err_t err =
        encode_fields(shape->rules, shape->rules_count, plain_of(msg), memory, &scratch);
    if (err != ERR_OK) {
        return err;
    }
    if (msg->kind == WIRE_HELLO) {
        return encode_hello(msg, (Hedgerow__Hello *) packed, frame, size_max, ret_size);
    }
    return pack_frame(msg, packed, frame, size_max, ret_size);
}

/* ---- decoding ------------------------------------------------------------------------ */

/* Tells the scan what protobuf-c's tables know. */
static bool
look_up(const void *schema, uint32_t tag, struct scan_field *ret_field)
{
    const ProtobufCMessageDescriptor *descriptor = schema;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, tag);
    if (field == NULL) {
        return false;
    }
    enum scan_type type = SCAN_PLAIN;
    if (tag == BULK_TAG) {
        type = SCAN_BULK;
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        type = SCAN_TEXT;
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        type = SCAN_MESSAGE;
    }
    *ret_field = (struct scan_field){ .type = type,
        .is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED,
        .index = (unsigned) (field - descriptor->fields),
        .schema = field->descriptor };
    return true;
}

static err_t
decode_text(const struct rule *rule, const char *there, char *here)
{
    size_t size = strlen(there); /* the scan saw that it is UTF-8 without a NUL */
    if (size >= rule->size) {
        return ERR_TOO_BIG;
    }
    if (size < rule->min || (rule->kind == RULE_NAME && !text_is_name(there))) {
        return ERR_BAD_MESSAGE;
    }
    memcpy(here, there, size + 1);
    return ERR_OK;
}

static err_t
decode_attempt(const Hedgerow__Attempt *there, struct wire_attempt *here)
{
    if (there == NULL || there->job.len != ID_SIZE) {
        return ERR_BAD_MESSAGE;
    }
    memcpy(here->job.bytes, there->job.data, ID_SIZE);
    here->attempt = there->attempt;
    here->epoch = there->epoch;
    here->incarnation = there->incarnation;
    return id_is_none(here->job) ? ERR_BAD_MESSAGE : ERR_OK;
}

static err_t
decode_bytes(const struct rule *rule, const ProtobufCBinaryData *there, uint8_t *here)
{
    if (there->len != rule->size) {
        return ERR_BAD_MESSAGE;
    }
    memcpy(here, there->data, there->len);
    return ERR_OK;
}

static err_t
decode_fields(
    const struct rule *rules, unsigned rules_count, const uint8_t *packed, uint8_t *plain)
{
    err_t err = ERR_OK;
    for (unsigned i = 0; i < rules_count && err == ERR_OK; i++) {
        const struct rule *rule = &rules[i];
        const void *there = packed + rule->there;
        void *here = plain + rule->here;
        switch (rule->kind) {
        case RULE_U32:
        case RULE_U64: err = copy_number(rule, there, here); break;
        case RULE_BOOL: *(bool *) here = *(const protobuf_c_boolean *) there != 0; break;
        case RULE_NAME:
        case RULE_TEXT:
        case RULE_PROSE: err = decode_text(rule, *(char *const *) there, here); break;
        case RULE_BYTES: err = decode_bytes(rule, there, here); break;
        case RULE_ATTEMPT:
            err = decode_attempt(*(Hedgerow__Attempt *const *) there, here);
            break;
        }
    }
    return err;
}

static err_t
decode_handlers(const Hedgerow__Hello *packed, struct wire_hello *hello)
{
    if (packed->n_handlers > WIRE_HANDLERS_MAX) {
        return ERR_TOO_BIG;
    }
    hello->handlers_count = (uint32_t) packed->n_handlers;
    for (uint32_t i = 0; i < hello->handlers_count; i++) {
        hello->handlers[i] = (struct wire_handler){ 0 };
        err_t err = decode_fields(handler_rules, ARRAY_COUNT(handler_rules),
            (const uint8_t *) packed->handlers[i], (uint8_t *) &hello->handlers[i]);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* What one field alone does not tell. */
static err_t
check_sizes(const struct wire_msg *msg)
{
    bool fits = true;
    if (msg->kind == WIRE_CHALLENGE) {
        fits = msg->challenge.version_min <= msg->challenge.version_max;
    } else if (msg->kind == WIRE_JOB) {
        fits = msg->job.bulk_size <= msg->job.input_size;
    } else if (msg->kind == WIRE_RESULT) {
        fits = msg->result.bulk_size <= msg->result.result_size;
    } else if (msg->kind == WIRE_JOB_CHUNK || msg->kind == WIRE_RESULT_CHUNK) {
        fits = msg->chunk.bulk_size > 0 &&
               msg->chunk.bulk_size <= WIRE_BULK_SIZE_MAX - msg->chunk.offset;
    }
    return fits ? ERR_OK : ERR_BAD_SIZE;
}

err_t
wire_decode_head(const uint8_t header[WIRE_HEADER_SIZE], struct wire_head *ret_head)
{
    struct reader reader = reader_of(header, WIRE_HEADER_SIZE);
    struct wire_head head = { .size = reader_u32(&reader) };
    head.version = reader_u8(&reader);
    head.kind = reader_u8(&reader);
    head.flags = reader_u16(&reader);
    if (head.version != WIRE_FRAME_VERSION) {
        return ERR_BAD_VERSION;
    }
    if (head.kind == WIRE_NONE) {
        return ERR_BAD_KIND;
    }
    if (head.size > WIRE_FRAME_SIZE_MAX - WIRE_HEADER_SIZE) {
        return ERR_TOO_BIG;
    }
    *ret_head = head;
    return ERR_OK;
}

/* Its own function: the arena is on its stack, and is not zeroed for each message. */
static __attribute__((noinline)) err_t
unpack(const struct shape *shape, const uint8_t *body, size_t size, struct wire_msg *ret_msg)
{
    __attribute__((uninitialized)) struct arena arena;
    arena.size = 0;
    ProtobufCAllocator allocator = {
        .alloc = arena_take, .free = arena_give, .allocator_data = &arena
    };
    ProtobufCMessage *packed =
        protobuf_c_message_unpack(shape->descriptor, &allocator, size, body);
    if (packed == NULL) {
        return ERR_BAD_MESSAGE;
    }
    err_t err = decode_fields(
        shape->rules, shape->rules_count, (const uint8_t *) packed, plain_of(ret_msg));
    if (err == ERR_OK && ret_msg->kind == WIRE_HELLO) {
        err = decode_handlers((const Hedgerow__Hello *) packed, &ret_msg->hello);
    }
    return err;
}

err_t
wire_decode(const uint8_t *frame, size_t size, struct wire_msg *ret_msg)
{
    struct wire_head head;
    if (size < WIRE_HEADER_SIZE) {
        return ERR_TRUNCATED;
    }
    err_t err = wire_decode_head(frame, &head);
    if (err != ERR_OK) {
        return err;
    }
    if (head.kind >= WIRE_KIND_COUNT) {
        return ERR_BAD_KIND;
    }
    if (head.size != size - WIRE_HEADER_SIZE) {
        return ERR_BAD_SIZE;
    }
    const struct shape *shape = &shapes[head.kind];
    const uint8_t *body = frame + WIRE_HEADER_SIZE;
    struct scan_result scan;
    err = scan_message(body, head.size, shape->descriptor, look_up, &scan);
    if (err != ERR_OK) {
        return err;
    }
    ret_msg->kind = (enum wire_kind) head.kind;
    memset(plain_of(ret_msg), 0, shape->size);
    err = unpack(shape, body, scan.plain_size, ret_msg);
    if (err != ERR_OK) {
        return err;
    }
    if (shape->has_bulk) {
        memcpy(plain_of(ret_msg) + shape->bulk_here, &scan.bulk, sizeof scan.bulk);
        memcpy(
            plain_of(ret_msg) + shape->bulk_size_here, &scan.bulk_size, sizeof scan.bulk_size);
    }
    return check_sizes(ret_msg);
}

void
wire_msg_copy(struct wire_msg *to, const struct wire_msg *from)
{
    CHECK(from->kind < WIRE_KIND_COUNT);
    to->kind = from->kind;
    memcpy(plain_of(to), plain_of(from), shapes[from->kind].size);
}

struct wire_attempt *
wire_msg_attempt(struct wire_msg *msg)
{
    const struct shape *shape = &shapes[msg->kind];
    if (shape->rules_count == 0 || shape->rules[0].kind != RULE_ATTEMPT) {
        return NULL;
    }
    return (struct wire_attempt *) (void *) (plain_of(msg) + shape->rules[0].here);
}

const char *
wire_kind_text(enum wire_kind kind)
{
    CHECK(kind < WIRE_KIND_COUNT);
    return shapes[kind].text;
}

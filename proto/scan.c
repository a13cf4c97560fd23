/* SPDX-License-Identifier: MIT */
#include "proto/scan.h"

#include "common/pure/bytes.h"
#include "proto/text.h"

#define INDEX_MAX 64

enum key_type {
    KEY_VARINT = 0,
    KEY_64 = 1,
    KEY_BYTES = 2,
    KEY_32 = 5
};

struct level {
    struct reader reader;
    const void *schema;
    uint64_t seen; /* a bit for each field: one that is not repeated comes once */
};

struct scan {
    scan_lookup_t lookup;
    struct level levels[WIRE_DEPTH_MAX];
    unsigned depth;
    unsigned fields_count;
    unsigned unknown_count;
    struct scan_result result;
};

static err_t
scan_bulk(struct scan *scan, const uint8_t *key, const uint8_t *bulk, uint64_t size)
{
    const struct reader *outer = &scan->levels[0].reader;
    if (scan->depth != 1 || reader_left(outer) != 0 || size == 0) {
        return ERR_BAD_MESSAGE; /* bulk is the last field of its frame, or is not there */
    }
    if (size > WIRE_CHUNK_SIZE_MAX) {
        return ERR_TOO_BIG;
    }
    scan->result.bulk = bulk;
    scan->result.bulk_size = (uint32_t) size;
    scan->result.plain_size -= (size_t) (outer->end - key);
    return ERR_OK;
}

static err_t
scan_bytes(struct scan *scan, const struct scan_field *field, const uint8_t *key)
{
    struct reader *reader = &scan->levels[scan->depth - 1].reader;
    uint64_t size = reader_varint(reader);
    const uint8_t *bytes = reader_take(reader, size);
    if (bytes == NULL) {
        return reader->err;
    }
    switch (field->type) {
    case SCAN_PLAIN: break;
    case SCAN_TEXT: return text_is_valid((const char *) bytes, size) ? ERR_OK : ERR_BAD_MESSAGE;
    case SCAN_BULK: return scan_bulk(scan, key, bytes, size);
    case SCAN_MESSAGE:
        if (scan->depth == WIRE_DEPTH_MAX) {
            return ERR_BAD_MESSAGE;
        }
        scan->levels[scan->depth++] =
            (struct level){ .reader = reader_of(bytes, size), .schema = field->schema };
        break;
    }
    return ERR_OK;
}

static err_t
look_up(struct scan *scan, struct level *level, uint64_t key, struct scan_field *ret_field)
{
    if (++scan->fields_count > WIRE_FIELDS_MAX) {
        return ERR_TOO_BIG;
    }
    if (!scan->lookup(level->schema, (uint32_t) (key >> 3), ret_field)) {
        *ret_field = (struct scan_field){ .type = SCAN_PLAIN };
        return ++scan->unknown_count > WIRE_FIELDS_UNKNOWN_MAX ? ERR_TOO_BIG : ERR_OK;
    }
    CHECK(ret_field->index < INDEX_MAX);
    if (!ret_field->is_repeated) {
        uint64_t bit = UINT64_C(1) << ret_field->index;
        if ((level->seen & bit) != 0) {
            return ERR_BAD_MESSAGE;
        }
        level->seen |= bit;
    }
    return ERR_OK;
}

static err_t
scan_field(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth - 1];
    const uint8_t *start = level->reader.next;
    uint64_t key = reader_varint(&level->reader);
    if (level->reader.err != ERR_OK) {
        return level->reader.err;
    }
    if (key >> 3 == 0 || key > UINT32_MAX) {
        return ERR_BAD_MESSAGE;
    }
    struct scan_field field;
    err_t err = look_up(scan, level, key, &field);
    if (err != ERR_OK) {
        return err;
    }
    switch (key & 7) {
    case KEY_VARINT: reader_varint(&level->reader); break;
    case KEY_64: reader_take(&level->reader, 8); break;
    case KEY_BYTES: return scan_bytes(scan, &field, start);
    case KEY_32: reader_take(&level->reader, 4); break;
    default: return ERR_BAD_MESSAGE; /* groups, and what is none */
    }
    return level->reader.err;
}

err_t
scan_message(const uint8_t *bytes, size_t size, const void *schema, scan_lookup_t lookup,
    struct scan_result *ret_result)
{
    struct scan scan = { .lookup = lookup, .depth = 1, .result = { .plain_size = size } };
    scan.levels[0] = (struct level){ .reader = reader_of(bytes, size), .schema = schema };
    while (scan.depth > 0) { /* bounded by the bytes: each round takes some, or a level */
        if (reader_left(&scan.levels[scan.depth - 1].reader) == 0) {
            scan.depth--;
            continue;
        }
        err_t err = scan_field(&scan);
        if (err != ERR_OK) {
            return err;
        }
    }
    if (scan.result.plain_size > WIRE_PLAIN_SIZE_MAX) {
        return ERR_TOO_BIG;
    }
    *ret_result = scan.result;
    return ERR_OK;
}

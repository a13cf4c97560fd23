/* SPDX-License-Identifier: MIT */
#include "common/pure/bytes.h"

#include <string.h>

#define VARINT_SIZE_MAX 10

struct reader
reader_of(const void *bytes, size_t size)
{
    const uint8_t *first = bytes;
    return (struct reader){ .next = first, .end = size > 0 ? first + size : first };
}

size_t
reader_left(const struct reader *reader)
{
    return (size_t) (reader->end - reader->next);
}

const uint8_t *
reader_take(struct reader *reader, size_t size)
{
    if (reader->err != ERR_OK) {
        return NULL;
    }
    if (size > reader_left(reader)) {
        reader->err = ERR_TRUNCATED;
        return NULL;
    }
    const uint8_t *taken = reader->next;
    if (size > 0) { /* an empty reader may stand on NULL */
        reader->next += size;
    }
    return taken;
}

static uint64_t
take_little_endian(struct reader *reader, unsigned size)
{
    const uint8_t *taken = reader_take(reader, size);
    uint64_t value = 0;
    if (taken == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t) taken[i] << (8 * i);
    }
    return value;
}

uint8_t
reader_u8(struct reader *reader)
{
    return (uint8_t) take_little_endian(reader, 1);
}

uint16_t
reader_u16(struct reader *reader)
{
    return (uint16_t) take_little_endian(reader, 2);
}

uint32_t
reader_u32(struct reader *reader)
{
    return (uint32_t) take_little_endian(reader, 4);
}

uint64_t
reader_u64(struct reader *reader)
{
    return take_little_endian(reader, 8);
}

uint64_t
reader_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_SIZE_MAX; i++) {
        const uint8_t *taken = reader_take(reader, 1);
        if (taken == NULL) {
            return 0;
        }
        if (i == VARINT_SIZE_MAX - 1 && *taken > 1) {
            break; /* would be the 65th bit */
        }
        value |= (uint64_t) (*taken & 0x7f) << (7 * i);
        if (*taken < 0x80) {
            return value;
        }
    }
    reader->err = ERR_BAD_MESSAGE;
    return 0;
}

struct writer
writer_of(void *bytes, size_t size_max)
{
    return (struct writer){ .bytes = bytes, .size_max = size_max };
}

void
writer_put(struct writer *writer, const void *bytes, size_t size)
{
    if (writer->err != ERR_OK) {
        return;
    }
    if (size > writer->size_max - writer->size) {
        writer->err = ERR_FULL;
        return;
    }
    if (size > 0) {
        memcpy(writer->bytes + writer->size, bytes, size);
        writer->size += size;
    }
}

static void
put_little_endian(struct writer *writer, uint64_t value, unsigned size)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < size; i++) {
        bytes[i] = (uint8_t) (value >> (8 * i));
    }
    writer_put(writer, bytes, size);
}

void
writer_u8(struct writer *writer, uint8_t value)
{
    put_little_endian(writer, value, 1);
}

void
writer_u16(struct writer *writer, uint16_t value)
{
    put_little_endian(writer, value, 2);
}

void
writer_u32(struct writer *writer, uint32_t value)
{
    put_little_endian(writer, value, 4);
}

void
writer_u64(struct writer *writer, uint64_t value)
{
    put_little_endian(writer, value, 8);
}

void
writer_varint(struct writer *writer, uint64_t value)
{
    uint8_t bytes[VARINT_SIZE_MAX];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (uint8_t) (value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t) value;
    writer_put(writer, bytes, size);
}

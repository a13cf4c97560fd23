/* SPDX-License-Identifier: MIT
 *
 * common/pure/bytes.h - read and write bytes without ever leaving them.
 *
 * A reader or writer that failed once stays failed: a row of reads is checked at its end.
 * An untrusted size is compared with what is left, never added to a pointer first.
 *
 * INVARIANTS  B1  next <= end;  B2  after a failure every read gives 0 and NULL
 * OWNERSHIP   the bytes are the caller's; what reader_take returns is borrowed from them
 * ERRORS      TRUNCATED (reader), BAD_MESSAGE (a varint past 64 bits), FULL (writer)
 * THREADS     any; no state beside the struct
 */
#ifndef COMMON_PURE_BYTES_H
#define COMMON_PURE_BYTES_H

#include "common/pure/err.h"

#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *next;
    const uint8_t *end;
    err_t err;
};

struct writer {
    uint8_t *bytes;
    size_t size;
    size_t size_max;
    err_t err;
};

struct reader reader_of(const void *bytes, size_t size);
size_t reader_left(const struct reader *reader);
/* Borrow the next size bytes; NULL when there are not as many. */
const uint8_t *reader_take(struct reader *reader, size_t size);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader); /* little endian, as all here */
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
/* As protobuf writes it: seven bits a byte, low ones first. */
uint64_t reader_varint(struct reader *reader);

struct writer writer_of(void *bytes, size_t size_max);
void writer_put(struct writer *writer, const void *bytes, size_t size);
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_varint(struct writer *writer, uint64_t value);

#endif

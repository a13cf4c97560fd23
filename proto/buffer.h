/* SPDX-License-Identifier: MIT
 *
 * proto/buffer.h - bytes that grow by doubling, up to a bound, and shrink when they idle.
 *
 * INVARIANTS  size <= capacity <= the bound given to buffer_reserve
 * ERRORS      NO_MEMORY, FULL
 */
#ifndef PROTO_BUFFER_H
#define PROTO_BUFFER_H

#include "common/pure/err.h"

#include <stddef.h>
#include <stdint.h>

#define BUFFER_CAPACITY_MIN 2048

struct buffer {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

void buffer_fini(struct buffer *buffer);
/* Room for free_size more bytes after size. */
err_t buffer_reserve(struct buffer *buffer, size_t free_size, size_t capacity_max) MUST_USE;
/* Drop the first size bytes. */
void buffer_trim(struct buffer *buffer, size_t size);

#endif

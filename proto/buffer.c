/* SPDX-License-Identifier: MIT */
#include "proto/buffer.h"

#include <stdlib.h>
#include <string.h>

void
buffer_fini(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){ 0 };
}

err_t
buffer_reserve(struct buffer *buffer, size_t free_size, size_t capacity_max)
{
    CHECK(buffer->size <= buffer->capacity);
    if (free_size <= buffer->capacity - buffer->size) {
        return ERR_OK;
    }
    if (buffer->size > capacity_max || free_size > capacity_max - buffer->size) {
        return ERR_FULL;
    }
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_CAPACITY_MIN;
    while (capacity < buffer->size + free_size) {
        capacity *= 2;
    }
    capacity = capacity < capacity_max ? capacity : capacity_max;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return ERR_OK;
}

void
buffer_trim(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer->size);
    if (size == 0) {
        return;
    }
    buffer->size -= size;
    memmove(buffer->bytes, buffer->bytes + size, buffer->size);
}

/* SPDX-License-Identifier: MIT
 *
 * proto/arena.h - the memory that decoding one message may take: a bump on the stack.
 *
 * Nothing is given back one by one; all of it ends with the arena.  NULL past the bound.
 *
 * THREADS  one, whose stack it is; never a fiber's.
 */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include "proto/limits.h"

#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGNMENT 16

struct arena {
    size_t size;
    _Alignas(ARENA_ALIGNMENT) uint8_t bytes[WIRE_ARENA_SIZE_MAX];
};

/* Shaped for a ProtobufCAllocator; user is the arena. */
static inline void *
arena_take(void *user, size_t size)
{
    struct arena *arena = user;
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(size_t) (ARENA_ALIGNMENT - 1);
    if (size > WIRE_ARENA_SIZE_MAX || rounded > WIRE_ARENA_SIZE_MAX - arena->size) {
        return NULL;
    }
    void *taken = arena->bytes + arena->size;
    arena->size += rounded;
    return taken;
}

static inline void
arena_give(void *user, void *bytes)
{
    (void) user;
    (void) bytes;
}

#endif

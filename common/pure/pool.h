/* SPDX-License-Identifier: MIT
 *
 * common/pure/pool.h - a fixed number of equal objects: taken zeroed, given back, never freed.
 *
 * MEMORY  allocated in pool_init(), never grows; the pages of what was never taken stay
 *         untouched.   ERRORS  NO_MEMORY from pool_init(); pool_take() gives NULL when empty.
 */
#ifndef COMMON_PURE_POOL_H
#define COMMON_PURE_POOL_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
    uint8_t *items;
    uint32_t *free_next; /* of each item */
    size_t item_size;
    uint32_t count_max;
    uint32_t count; /* taken */
    uint32_t free_first;
    uint32_t fresh; /* items from here on were never taken */
};

err_t pool_init(struct pool *pool, size_t item_size, uint32_t count_max) MUST_USE;
void pool_fini(struct pool *pool);
size_t pool_memory_size(size_t item_size, uint32_t count_max);

void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *item);

/* The position of an item: stable while it is taken. */
uint32_t pool_index(const struct pool *pool, const void *item);
/* NULL when that item is not taken. */
void *pool_at(const struct pool *pool, uint32_t index);

#endif

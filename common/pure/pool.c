/* SPDX-License-Identifier: MIT */
#include "common/pure/pool.h"

#include <stdlib.h>
#include <string.h>

#define POOL_TAKEN UINT32_MAX
#define POOL_END   (UINT32_MAX - 1)

static size_t
rounded(size_t item_size)
{
    return (item_size + 15) / 16 * 16;
}

size_t
pool_memory_size(size_t item_size, uint32_t count_max)
{
    return (rounded(item_size) + sizeof(uint32_t)) * count_max;
}

err_t
pool_init(struct pool *pool, size_t item_size, uint32_t count_max)
{
    CHECK(item_size > 0);
    CHECK(count_max > 0);
    CHECK(count_max < POOL_END);
    *pool = (struct pool){
        .item_size = rounded(item_size), .count_max = count_max, .free_first = POOL_END
    };
    pool->items = calloc(count_max, pool->item_size);
    pool->free_next = calloc(count_max, sizeof *pool->free_next);
    if (pool->items == NULL || pool->free_next == NULL) {
        pool_fini(pool);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void
pool_fini(struct pool *pool)
{
    free(pool->items);
    free(pool->free_next);
    *pool = (struct pool){ 0 };
}

void *
pool_take(struct pool *pool)
{
    uint32_t index = pool->free_first;
    if (index != POOL_END) {
        pool->free_first = pool->free_next[index];
        memset(pool->items + index * pool->item_size, 0, pool->item_size);
    } else if (pool->fresh < pool->count_max) {
        index = pool->fresh++; /* zero from calloc */
    } else {
        return NULL;
    }
    pool->free_next[index] = POOL_TAKEN;
    pool->count++;
    return pool->items + index * pool->item_size;
}

void
pool_give(struct pool *pool, void *item)
{
    uint32_t index = pool_index(pool, item);
    CHECK(pool->free_next[index] == POOL_TAKEN);
    pool->free_next[index] = pool->free_first;
    pool->free_first = index;
    pool->count--;
}

uint32_t
pool_index(const struct pool *pool, const void *item)
{
    size_t offset = (size_t) ((const uint8_t *) item - pool->items);
    CHECK(offset % pool->item_size == 0);
    CHECK(offset / pool->item_size < pool->fresh);
    return (uint32_t) (offset / pool->item_size);
}

void *
pool_at(const struct pool *pool, uint32_t index)
{
    if (index >= pool->fresh || pool->free_next[index] != POOL_TAKEN) {
        return NULL;
    }
    return pool->items + index * pool->item_size;
}

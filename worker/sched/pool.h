/* SPDX-License-Identifier: MIT
 *
 * worker/sched/pool.h - objects of one size in address space that is never given back.
 *
 * The space is reserved once and touched as it is needed, so a big maximum costs nothing.
 * Freed objects go to the freeing proc's own list, in batches to the shared one.
 *
 * INVARIANTS  PO1  an object stays an object of its kind for ever: a stale pointer reads a
 *                  living or a free one, never somebody else's bytes.  Wake words, with their
 *                  sequence numbers, depend on it.
 *             PO2  a free object's first word is its link; the rest keeps its last value.
 * THREADS     any; a cache only under its proc.    LOCKS  the pool's own, a leaf.
 * MEMORY      count_max objects of address space; what was touched stays resident.
 */
#ifndef WORKER_SCHED_POOL_H
#define WORKER_SCHED_POOL_H

#include "worker/sched/lock.h"

#include <stddef.h>
#include <stdint.h>

struct pool_link {
    struct pool_link *next;
};

struct pool {
    uint8_t *base; /* NULL: not there */
    size_t object_size;
    uint32_t count_max;
    uint32_t batch_count; /* 0: too small a pool to cache anything */
    struct lock lock;     /* guards the rest */
    struct pool_link *free;
    uint32_t carved_count;
};

/* Guard: the proc that it is in. */
struct pool_cache {
    struct pool_link *free;
    uint32_t count;
};

bool pool_init(struct pool *pool, size_t object_size, uint32_t count_max);
void pool_fini(struct pool *pool);
void *pool_take_slow(struct pool *pool, struct pool_cache *cache);
void pool_give_slow(struct pool *pool, struct pool_cache *cache, void *object);

/* NULL at the maximum.  cache is NULL on a thread without a proc.  A new object is zero. */
static inline void *
pool_take(struct pool *pool, struct pool_cache *cache)
{
    if (cache == NULL || cache->free == NULL) {
        return pool_take_slow(pool, cache);
    }
    struct pool_link *object = cache->free;
    cache->free = object->next;
    cache->count--;
    return object;
}

static inline void
pool_give(struct pool *pool, struct pool_cache *cache, void *object)
{
    if (cache == NULL || cache->count >= 2 * pool->batch_count) {
        pool_give_slow(pool, cache, object);
        return;
    }
    struct pool_link *link = object;
    link->next = cache->free;
    cache->free = link;
    cache->count++;
}

static inline void *
pool_at(const struct pool *pool, uint32_t index)
{
    return pool->base + (size_t) index * pool->object_size;
}

static inline uint32_t
pool_index(const struct pool *pool, const void *object)
{
    return (uint32_t) ((size_t) ((const uint8_t *) object - pool->base) / pool->object_size);
}

#endif

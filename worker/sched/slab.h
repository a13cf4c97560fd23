/* SPDX-License-Identifier: MIT
 *
 * worker/sched/slab.h - objects of one size in address space that is never given back.
 *
 * The space is reserved once and touched as it is needed, so a big maximum costs nothing.
 * Freed objects go to the freeing proc's own list, in batches to the shared one.
 *
 * INVARIANTS  PO1  an object stays an object of its kind for ever: a stale pointer reads a
 *                  living or a free one, never somebody else's bytes.  Wake words, with their
 *                  sequence numbers, depend on it.
 *             PO2  a free object's first word is its link; the rest keeps its last value.
 * THREADS     any; a cache only under its proc.    LOCKS  the slab's own, a leaf.
 * MEMORY      count_max objects of address space; what was touched stays resident.
 */
#ifndef WORKER_SCHED_SLAB_H
#define WORKER_SCHED_SLAB_H

#include "worker/sched/lock.h"

#include <stddef.h>
#include <stdint.h>

struct slab_link {
    struct slab_link *next;
};

struct slab {
    uint8_t *base; /* NULL: not there */
    size_t object_size;
    uint32_t count_max;
    uint32_t batch_count; /* 0: too small a slab to cache anything */
    struct lock lock;     /* guards the rest */
    struct slab_link *free;
    uint32_t carved_count;
};

/* Guard: the proc that it is in. */
struct slab_cache {
    struct slab_link *free;
    uint32_t count;
};

bool slab_init(struct slab *slab, size_t object_size, uint32_t count_max);
void slab_fini(struct slab *slab);
void *slab_take_slow(struct slab *slab, struct slab_cache *cache);
void slab_give_slow(struct slab *slab, struct slab_cache *cache, void *object);

/* NULL at the maximum.  cache is NULL on a thread without a proc.  A new object is zero. */
static inline void *
slab_take(struct slab *slab, struct slab_cache *cache)
{
    if (cache == NULL || cache->free == NULL) {
        return slab_take_slow(slab, cache);
    }
    struct slab_link *object = cache->free;
    cache->free = object->next;
    cache->count--;
    return object;
}

static inline void
slab_give(struct slab *slab, struct slab_cache *cache, void *object)
{
    if (cache == NULL || cache->count >= 2 * slab->batch_count) {
        slab_give_slow(slab, cache, object);
        return;
    }
    struct slab_link *link = object;
    link->next = cache->free;
    cache->free = link;
    cache->count++;
}

static inline void *
slab_at(const struct slab *slab, uint32_t index)
{
    return slab->base + (size_t) index * slab->object_size;
}

static inline uint32_t
slab_index(const struct slab *slab, const void *object)
{
    return (uint32_t) ((size_t) ((const uint8_t *) object - slab->base) / slab->object_size);
}

#endif

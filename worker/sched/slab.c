/* SPDX-License-Identifier: MIT */
#include "worker/sched/slab.h"

#include "common/pure/check.h"

#include <sys/mman.h>

enum {
    BATCH_COUNT = 64,
    SMALL_POOL_COUNT = 16384 /* a smaller one counts exactly: nothing hides in caches */
};

bool
slab_init(struct slab *slab, size_t object_size, uint32_t count_max)
{
    CHECK(object_size >= sizeof(struct slab_link));
    CHECK(count_max > 0);

    void *base = mmap(NULL, object_size * count_max, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return false;
    }
    *slab = (struct slab){ .base = base,
        .object_size = object_size,
        .count_max = count_max,
        .batch_count = count_max < SMALL_POOL_COUNT ? 0 : BATCH_COUNT };
    return true;
}

void
slab_fini(struct slab *slab)
{
    if (slab->base != NULL) {
        munmap(slab->base, slab->object_size * slab->count_max);
    }
    *slab = (struct slab){ 0 };
}

static struct slab_link *
take_locked(struct slab *slab)
{
    struct slab_link *object = slab->free;
    if (object != NULL) {
        slab->free = object->next;
        return object;
    }
    if (slab->carved_count == slab->count_max) {
        return NULL;
    }
    return slab_at(slab, slab->carved_count++);
}

void *
slab_take_slow(struct slab *slab, struct slab_cache *cache)
{
    lock_take(&slab->lock);
    struct slab_link *object = take_locked(slab);
    for (uint32_t i = 1; cache != NULL && i < slab->batch_count; i++) {
        struct slab_link *more = take_locked(slab);
        if (more == NULL) {
            break;
        }
        more->next = cache->free;
        cache->free = more;
        cache->count++;
    }
    lock_give(&slab->lock);
    return object;
}

void
slab_give_slow(struct slab *slab, struct slab_cache *cache, void *object)
{
    lock_take(&slab->lock);
    struct slab_link *link = object;
    link->next = slab->free;
    slab->free = link;
    for (uint32_t i = 0; cache != NULL && i < slab->batch_count; i++) {
        struct slab_link *old = cache->free;
        cache->free = old->next;
        cache->count--;
        old->next = slab->free;
        slab->free = old;
    }
    lock_give(&slab->lock);
}

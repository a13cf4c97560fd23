/* SPDX-License-Identifier: MIT */
#include "worker/sched/pool.h"

#include "common/pure/check.h"

#include <sys/mman.h>

enum {
    BATCH_COUNT = 64,
    SMALL_POOL_COUNT = 16384 /* a smaller one counts exactly: nothing hides in caches */
};

bool
pool_init(struct pool *pool, size_t object_size, uint32_t count_max)
{
    CHECK(object_size >= sizeof(struct pool_link));
    CHECK(count_max > 0);

    void *base = mmap(NULL, object_size * count_max, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return false;
    }
    *pool = (struct pool){ .base = base,
        .object_size = object_size,
        .count_max = count_max,
        .batch_count = count_max < SMALL_POOL_COUNT ? 0 : BATCH_COUNT };
    return true;
}

void
pool_fini(struct pool *pool)
{
    if (pool->base != NULL) {
        munmap(pool->base, pool->object_size * pool->count_max);
    }
    *pool = (struct pool){ 0 };
}

static struct pool_link *
take_locked(struct pool *pool)
{
    struct pool_link *object = pool->free;
    if (object != NULL) {
        pool->free = object->next;
        return object;
    }
    if (pool->carved_count == pool->count_max) {
        return NULL;
    }
    return pool_at(pool, pool->carved_count++);
}

void *
pool_take_slow(struct pool *pool, struct pool_cache *cache)
{
    lock_take(&pool->lock);
    struct pool_link *object = take_locked(pool);
    for (uint32_t i = 1; cache != NULL && i < pool->batch_count; i++) {
        struct pool_link *more = take_locked(pool);
        if (more == NULL) {
            break;
        }
        more->next = cache->free;
        cache->free = more;
        cache->count++;
    }
    lock_give(&pool->lock);
    return object;
}

void
pool_give_slow(struct pool *pool, struct pool_cache *cache, void *object)
{
    lock_take(&pool->lock);
    struct pool_link *link = object;
    link->next = pool->free;
    pool->free = link;
    for (uint32_t i = 0; cache != NULL && i < pool->batch_count; i++) {
        struct pool_link *old = cache->free;
        cache->free = old->next;
        cache->count--;
        old->next = pool->free;
        pool->free = old;
    }
    lock_give(&pool->lock);
}

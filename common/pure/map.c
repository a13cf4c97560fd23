/* SPDX-License-Identifier: MIT */
#include "common/pure/map.h"

#include <stdlib.h>

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

static uint32_t
home_of(const struct map *map, id_t128 key)
{
    uint64_t halves[2];
    memcpy(halves, key.bytes, sizeof halves);
    return (uint32_t) mix(mix(halves[0] ^ map->seed) + halves[1]) & map->mask;
}

static uint32_t
entries_count(uint32_t count_max)
{
    uint32_t count = 16;
    while (count < 2 * (uint64_t) count_max) {
        count *= 2;
    }
    return count;
}

size_t
map_memory_size(uint32_t count_max)
{
    return entries_count(count_max) * sizeof(struct map_entry);
}

err_t
map_init(struct map *map, uint32_t count_max, uint64_t seed)
{
    CHECK(count_max > 0);
    CHECK(count_max <= 1u << 29);
    uint32_t count = entries_count(count_max);
    struct map_entry *entries = calloc(count, sizeof *entries);
    if (entries == NULL) {
        return ERR_NO_MEMORY;
    }
    *map = (struct map){
        .entries = entries, .mask = count - 1, .count_max = count_max, .seed = mix(seed + 1)
    };
    return ERR_OK;
}

void
map_fini(struct map *map)
{
    free(map->entries);
    *map = (struct map){ 0 };
}

/* The entry of the key, or the free one where it would stand. */
static uint32_t
find(const struct map *map, id_t128 key)
{
    uint32_t at = home_of(map, key);
    while (map->entries[at].is_used && !id_equal(map->entries[at].key, key)) {
        at = (at + 1) & map->mask; /* ends: half of the entries are free */
    }
    return at;
}

bool
map_put(struct map *map, id_t128 key, uint32_t value)
{
    if (map->count >= map->count_max) {
        return false;
    }
    uint32_t at = find(map, key);
    if (map->entries[at].is_used) {
        return false;
    }
    map->entries[at] = (struct map_entry){ .key = key, .value = value, .is_used = true };
    map->count++;
    return true;
}

bool
map_get(const struct map *map, id_t128 key, uint32_t *ret_value)
{
    uint32_t at = find(map, key);
    if (!map->entries[at].is_used) {
        return false;
    }
    *ret_value = map->entries[at].value;
    return true;
}

bool
map_remove(struct map *map, id_t128 key)
{
    uint32_t hole = find(map, key);
    if (!map->entries[hole].is_used) {
        return false;
    }
    for (uint32_t at = (hole + 1) & map->mask; map->entries[at].is_used;
         at = (at + 1) & map->mask) {
        uint32_t home = home_of(map, map->entries[at].key);
        /* It may move back only if its home is not between the hole and itself. */
        if (((at - home) & map->mask) >= ((at - hole) & map->mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (struct map_entry){ 0 };
    map->count--;
    return true;
}

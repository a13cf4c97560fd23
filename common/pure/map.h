/* SPDX-License-Identifier: MIT
 *
 * common/pure/map.h - 128-bit keys to 32-bit values, in a table of fixed size.
 *
 * Open addressing with linear probing, at most half full; a removal moves back what
 * probed past it, so there are no tombstones and no slow decay.  The hash is keyed: who
 * chooses ids cannot choose collisions.
 *
 * MEMORY  allocated in map_init(), never grows.   ERRORS  NO_MEMORY from map_init().
 */
#ifndef COMMON_PURE_MAP_H
#define COMMON_PURE_MAP_H

#include "common/pure/err.h"
#include "common/pure/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    id_t128 key;
    uint32_t value;
    bool is_used;
};

struct map {
    struct map_entry *entries;
    uint32_t mask;
    uint32_t count;
    uint32_t count_max;
    uint64_t seed;
};

err_t map_init(struct map *map, uint32_t count_max, uint64_t seed) MUST_USE;
void map_fini(struct map *map);
size_t map_memory_size(uint32_t count_max);

/* False when the key stands already, or count_max is reached. */
bool map_put(struct map *map, id_t128 key, uint32_t value) MUST_USE;
bool map_get(const struct map *map, id_t128 key, uint32_t *ret_value);
bool map_remove(struct map *map, id_t128 key);

/* A 64-bit number as a key. */
static inline id_t128
map_key_u64(uint64_t number)
{
    id_t128 key = { { 0 } };
    memcpy(key.bytes, &number, sizeof number);
    return key;
}

#endif

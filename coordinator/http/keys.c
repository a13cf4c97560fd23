/* SPDX-License-Identifier: MIT */
#include "coordinator/http/keys.h"

#include "common/pure/map.h"

#include <stdlib.h>

struct key {
    struct keys_claim claim;
    job_id_t job;
    instant_t until;
    bool is_used; /* removed ones keep their place in the ring until they are the oldest */
};

struct keys {
    struct key *ring; /* by age */
    uint32_t max;
    uint32_t first;
    uint32_t count;
    duration_t kept;
    struct map by_name;
};

err_t
keys_new(uint32_t count_max, duration_t kept, struct keys **ret_keys)
{
    CHECK(count_max > 0);

    struct keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        return ERR_NO_MEMORY;
    }
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    keys->max = count_max;
    keys->kept = kept;
    keys->ring = calloc(count_max, sizeof *keys->ring);
    err_t err = map_init(&keys->by_name, count_max, seed);
    if (keys->ring == NULL || err != ERR_OK) {
        keys_free(keys);
        return ERR_NO_MEMORY;
    }
    *ret_keys = keys;
    return ERR_OK;
}

void
keys_free(struct keys *keys)
{
    if (keys == NULL) {
        return;
    }
    map_fini(&keys->by_name);
    free(keys->ring);
    free(keys);
}

uint64_t
keys_memory_size(uint32_t count_max)
{
    return (uint64_t) count_max * sizeof(struct key) + map_memory_size(count_max);
}

static void
drop_oldest(struct keys *keys)
{
    const struct key *key = &keys->ring[keys->first];
    if (key->is_used) {
        CHECK(map_remove(&keys->by_name, key->claim.name));
    }
    keys->first = (keys->first + 1) % keys->max;
    keys->count--;
}

enum keys_verdict
keys_look(struct keys *keys, instant_t now, const struct keys_claim *claim, job_id_t *ret_job)
{
    while (keys->count > 0 && instant_reached(now, keys->ring[keys->first].until)) {
        drop_oldest(keys);
    }
    uint32_t index;
    if (!map_get(&keys->by_name, claim->name, &index)) {
        return KEYS_NEW;
    }
    const struct key *key = &keys->ring[index];
    *ret_job = key->job;
    bool is_same =
        crypto_equal(key->claim.fingerprint, claim->fingerprint, sizeof claim->fingerprint);
    return is_same ? KEYS_SAME : KEYS_OTHER;
}

void
keys_put(struct keys *keys, instant_t now, const struct keys_claim *claim, job_id_t job)
{
    if (keys->count == keys->max) {
        drop_oldest(keys);
    }
    uint32_t index = (keys->first + keys->count) % keys->max;
    CHECK(map_put(&keys->by_name, claim->name, index));
    keys->ring[index] = (struct key){
        .claim = *claim, .job = job, .until = instant_add(now, keys->kept), .is_used = true
    };
    keys->count++;
}

void
keys_remove(struct keys *keys, job_id_t job)
{
    for (uint32_t i = keys->count; i > 0; i--) {
        struct key *key = &keys->ring[(keys->first + i - 1) % keys->max];
        if (key->is_used && id_equal(key->job, job)) {
            CHECK(map_remove(&keys->by_name, key->claim.name));
            key->is_used = false;
            return;
        }
    }
}

uint32_t
keys_count(const struct keys *keys)
{
    return keys->by_name.count;
}

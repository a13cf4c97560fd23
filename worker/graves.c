/* SPDX-License-Identifier: MIT */
#include "worker/graves.h"

#include <stdlib.h>

#define NONE UINT32_MAX

struct grave {
    struct attempt_key key;
    uint32_t hash_next;
};

struct graves {
    uint64_t seed;
    uint32_t graves_max;
    uint32_t used_count;
    uint32_t next; /* the slot that the next one takes */
    uint32_t buckets_mask;
    uint32_t *buckets;
    struct grave all[];
};

err_t
graves_new(uint32_t graves_max, uint64_t seed, struct graves **ret_graves)
{
    CHECK(graves_max > 0);
    CHECK(graves_max <= 1u << 24);

    uint32_t buckets_count = 16;
    while (buckets_count < graves_max) {
        buckets_count *= 2;
    }
    struct graves *graves = calloc(1, sizeof *graves + graves_max * sizeof graves->all[0]);
    if (graves == NULL) {
        return ERR_NO_MEMORY;
    }
    graves->buckets = calloc(buckets_count, sizeof *graves->buckets);
    if (graves->buckets == NULL) {
        graves_free(graves);
        return ERR_NO_MEMORY;
    }
    graves->seed = seed;
    graves->graves_max = graves_max;
    graves->buckets_mask = buckets_count - 1;
    for (uint32_t i = 0; i < buckets_count; i++) {
        graves->buckets[i] = NONE;
    }
    *ret_graves = graves;
    return ERR_OK;
}

void
graves_free(struct graves *graves)
{
    if (graves == NULL) {
        return;
    }
    free(graves->buckets);
    free(graves);
}

static uint32_t *
bucket_of(const struct graves *graves, const struct attempt_key *key)
{
    return &graves->buckets[attempt_key_hash(key, graves->seed) & graves->buckets_mask];
}

void
graves_dig(struct graves *graves, const struct attempt_key *key)
{
    uint32_t index = graves->next;
    struct grave *grave = &graves->all[index];
    graves->next = (index + 1) % graves->graves_max;
    if (graves->used_count == graves->graves_max) {
        uint32_t *link = bucket_of(graves, &grave->key);
        while (*link != index) {
            CHECK(*link != NONE);
            link = &graves->all[*link].hash_next;
        }
        *link = grave->hash_next;
    } else {
        graves->used_count++;
    }
    uint32_t *bucket = bucket_of(graves, key);
    *grave = (struct grave){ .key = *key, .hash_next = *bucket };
    *bucket = index;
}

bool
graves_has(const struct graves *graves, const struct attempt_key *key)
{
    uint32_t index = *bucket_of(graves, key);
    while (index != NONE && !attempt_key_equal(&graves->all[index].key, key)) {
        index = graves->all[index].hash_next;
    }
    return index != NONE;
}

void
graves_check(const struct graves *graves)
{
    CHECK(graves->used_count <= graves->graves_max);
    for (uint32_t i = 0; i < graves->used_count; i++) {
        CHECK(graves_has(graves, &graves->all[i].key));
    }
}

/* SPDX-License-Identifier: MIT
 *
 * worker/attempt_key.h - name one copy on this worker.
 *
 * A session is one life of one link: the same job and attempt that come again over a new
 * link, or from a restarted coordinator, are another copy.
 */
#ifndef WORKER_ATTEMPT_KEY_H
#define WORKER_ATTEMPT_KEY_H

#include "common/pure/id.h"

struct attempt_key {
    job_id_t job;
    uint64_t session;
    uint32_t attempt;
};

static inline bool
attempt_key_equal(const struct attempt_key *a, const struct attempt_key *b)
{
    return a->attempt == b->attempt && a->session == b->session && id_equal(a->job, b->job);
}

/* Clients may name jobs: the seed keeps them from choosing a bucket. */
static inline uint32_t
attempt_key_hash(const struct attempt_key *key, uint64_t seed)
{
    uint64_t words[4] = { 0, 0, key->attempt, key->session };
    memcpy(words, key->job.bytes, ID_SIZE);
    uint64_t hash = seed;
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return (uint32_t) hash;
}

#endif

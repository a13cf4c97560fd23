/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/keys.h - remember which job an Idempotency-Key made.
 *
 * A client that lost its answer asks again with the same key and the same request, and gets
 * the job that is there; the same key with another request is a mistake of the client's.
 * Only hashes are kept: of the key, and of what came with it.
 *
 *              look: NEW      put            look: SAME, OTHER
 *     (none) ------------> (accepted) ---> KNOWN ----------------> KNOWN
 *        ^                                   |  old, or the oldest of too many
 *        '-----------------------------------'
 *
 * The loop thread looks and puts within one call, so of any number of requests with one key
 * one makes the job.
 *
 * THREADS   loop
 * MEMORY    count_max entries of 80 bytes, and a map; made in keys_new
 * REJECTED  refusing when all are in use: a client that sends a fresh key with each job would
 *           be locked out for a day.  The oldest goes, so what is promised is an age AND a
 *           count.
 * SOURCE    draft-ietf-httpapi-idempotency-key-header-07
 */
#ifndef COORDINATOR_HTTP_KEYS_H
#define COORDINATOR_HTTP_KEYS_H

#include "common/edge/crypto.h"
#include "common/pure/id.h"
#include "common/pure/units.h"

#define KEYS_TEXT_SIZE_MAX 255

struct keys;

/* What a request claims. */
struct keys_claim {
    id_t128 name; /* of the key, in its scope */
    uint8_t fingerprint[CRYPTO_SHA256_SIZE];
};

enum keys_verdict {
    KEYS_NEW,
    KEYS_SAME, /* the same request again */
    KEYS_OTHER /* the key came with another request */
};

/* Errors: NO_MEMORY. */
err_t keys_new(uint32_t count_max, duration_t kept, struct keys **ret_keys) MUST_USE;
void keys_free(struct keys *keys);
uint64_t keys_memory_size(uint32_t count_max);
/* *ret_job unless NEW. */
enum keys_verdict
keys_look(struct keys *keys, instant_t now, const struct keys_claim *claim, job_id_t *ret_job);
/* Of a claim that is NEW: its job was accepted. */
void keys_put(struct keys *keys, instant_t now, const struct keys_claim *claim, job_id_t job);
/* It was not accepted after all; looked for from the newest on, for that is where it is. */
void keys_remove(struct keys *keys, job_id_t job);
uint32_t keys_count(const struct keys *keys);

#endif

/* SPDX-License-Identifier: MIT
 *
 * common/edge/crypto.h - randomness, SHA-256 and HMAC, from OpenSSL's libcrypto.
 *
 * THREADS  any; a hash belongs to one thread or fiber at a time.
 */
#ifndef COMMON_EDGE_CRYPTO_H
#define COMMON_EDGE_CRYPTO_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_SHA256_SIZE 32

/* From the system; never fails but by CHECK. */
void crypto_random(void *bytes, size_t size);

struct crypto_hash;
err_t crypto_hash_new(struct crypto_hash **ret_hash) MUST_USE; /* SHA-256 */
void crypto_hash_free(struct crypto_hash *hash);
void crypto_hash_add(struct crypto_hash *hash, const void *bytes, size_t size);
/* Once. */
void crypto_hash_end(struct crypto_hash *hash, uint8_t digest[CRYPTO_SHA256_SIZE]);

void crypto_sha256(const void *bytes, size_t size, uint8_t digest[CRYPTO_SHA256_SIZE]);
void crypto_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
    uint8_t mac[CRYPTO_SHA256_SIZE]);
/* Takes the same time wherever they differ. */
bool crypto_equal(const void *a, const void *b, size_t size);

#endif

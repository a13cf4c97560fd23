/* SPDX-License-Identifier: MIT */
#include "common/edge/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

struct crypto_hash {
    EVP_MD_CTX *context;
};

void
crypto_random(void *bytes, size_t size)
{
    uint8_t *next = bytes;
    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);
        if (got < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        next += got;
        size -= (size_t) got;
    }
}

err_t
crypto_hash_new(struct crypto_hash **ret_hash)
{
    struct crypto_hash *hash = calloc(1, sizeof *hash);
    if (hash == NULL) {
        return ERR_NO_MEMORY;
    }
    hash->context = EVP_MD_CTX_new();
    if (hash->context == NULL || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
        crypto_hash_free(hash);
        return ERR_NO_MEMORY;
    }
    *ret_hash = hash;
    return ERR_OK;
}

void
crypto_hash_free(struct crypto_hash *hash)
{
    if (hash == NULL) {
        return;
    }
    EVP_MD_CTX_free(hash->context);
    free(hash);
}

void
crypto_hash_add(struct crypto_hash *hash, const void *bytes, size_t size)
{
    CHECK(EVP_DigestUpdate(hash->context, bytes, size) == 1);
}

void
crypto_hash_end(struct crypto_hash *hash, uint8_t digest[CRYPTO_SHA256_SIZE])
{
    unsigned digest_size = 0;
    CHECK(EVP_DigestFinal_ex(hash->context, digest, &digest_size) == 1);
    CHECK(digest_size == CRYPTO_SHA256_SIZE);
}

void
crypto_sha256(const void *bytes, size_t size, uint8_t digest[CRYPTO_SHA256_SIZE])
{
    CHECK(SHA256(bytes, size, digest) != NULL);
}

void
crypto_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
    uint8_t mac[CRYPTO_SHA256_SIZE])
{
    CHECK(key_size <= INT32_MAX);

    unsigned mac_size = 0;
    CHECK(HMAC(EVP_sha256(), key, (int) key_size, bytes, size, mac, &mac_size) != NULL);
    CHECK(mac_size == CRYPTO_SHA256_SIZE);
}

bool
crypto_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

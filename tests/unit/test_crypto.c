/* SPDX-License-Identifier: MIT */
#include "common/edge/crypto.h"

#include "tests/support/cunit_main.h"

static void
to_hex(const uint8_t *bytes, char text[65])
{
    for (unsigned i = 0; i < 32; i++) {
        snprintf(text + 2 * (size_t) i, 3, "%02x", bytes[i]);
    }
}

/* GOAL    the digest of FIPS 180-2, also when it is fed in pieces. */
static void
crypto_hash_is_sha256(void)
{
    struct crypto_hash *hash;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    char text[65];
    ASSERT_I64_EQ(crypto_hash_new(&hash), ERR_OK);
    crypto_hash_add(hash, "a", 1);
    crypto_hash_add(hash, "bc", 2);
    crypto_hash_end(hash, digest);
    crypto_hash_free(hash);
    to_hex(digest, text);
    ASSERT_STR_EQ(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* GOAL    the second vector of RFC 4231. */
static void
crypto_hmac_is_rfc_4231(void)
{
    uint8_t mac[CRYPTO_SHA256_SIZE];
    char text[65];
    const char message[] = "what do ya want for nothing?";
    crypto_hmac_sha256("Jefe", 4, message, sizeof message - 1, mac);
    to_hex(mac, text);
    ASSERT_STR_EQ(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void
crypto_equal_and_random_differ(void)
{
    uint8_t a[32] = { 0 };
    uint8_t b[32] = { 0 };
    CU_ASSERT_TRUE(crypto_equal(a, b, sizeof a));
    crypto_random(a, sizeof a);
    crypto_random(b, sizeof b);
    CU_ASSERT_FALSE(crypto_equal(a, b, sizeof a));
}

static const struct test tests[] = {
    TEST(crypto_hash_is_sha256),
    TEST(crypto_hmac_is_rfc_4231),
    TEST(crypto_equal_and_random_differ),
};
TEST_MAIN("crypto", tests)

/* SPDX-License-Identifier: MIT */
#include "coordinator/http/keys.h"

#include "tests/support/cunit_main.h"

static struct keys_claim
claim_of(uint8_t name, uint8_t fingerprint)
{
    struct keys_claim claim = { .name.bytes = { name } };
    claim.fingerprint[31] = fingerprint;
    return claim;
}

static job_id_t
job_numbered(uint8_t number)
{
    return (job_id_t){ .bytes = { number } };
}

static instant_t
at_s(int64_t s)
{
    return (instant_t){ .ns = s * 1000000000 };
}

static enum keys_verdict
look(struct keys *keys, int64_t s, uint8_t name, uint8_t fingerprint, job_id_t *ret_job)
{
    struct keys_claim claim = claim_of(name, fingerprint);
    return keys_look(keys, at_s(s), &claim, ret_job);
}

static void
put(struct keys *keys, int64_t s, uint8_t name)
{
    struct keys_claim claim = claim_of(name, 1);
    keys_put(keys, at_s(s), &claim, job_numbered(name));
}

static void
keys_same_request_finds_its_job(void)
{
    struct keys *keys;
    job_id_t job = { { 0 } };
    CU_ASSERT_EQUAL_FATAL(keys_new(4, duration_s(10), &keys), ERR_OK);
    CU_ASSERT_EQUAL(look(keys, 0, 7, 1, &job), KEYS_NEW);
    put(keys, 0, 7);
    CU_ASSERT_EQUAL(look(keys, 1, 7, 1, &job), KEYS_SAME);
    CU_ASSERT_TRUE(id_equal(job, job_numbered(7)));
    CU_ASSERT_EQUAL(look(keys, 1, 7, 2, &job), KEYS_OTHER);
    CU_ASSERT_EQUAL(look(keys, 1, 8, 1, &job), KEYS_NEW);
    keys_free(keys);
}

static void
keys_old_ones_are_forgotten(void)
{
    struct keys *keys;
    job_id_t job;
    CU_ASSERT_EQUAL_FATAL(keys_new(4, duration_s(10), &keys), ERR_OK);
    put(keys, 0, 1);
    put(keys, 5, 2);
    CU_ASSERT_EQUAL(look(keys, 9, 1, 1, &job), KEYS_SAME);
    CU_ASSERT_EQUAL(look(keys, 10, 1, 1, &job), KEYS_NEW);
    CU_ASSERT_EQUAL(look(keys, 10, 2, 1, &job), KEYS_SAME);
    ASSERT_I64_EQ(keys_count(keys), 1);
    keys_free(keys);
}

/* GOAL    past its bound the oldest gives way, also where some were taken back. */
static void
keys_oldest_gives_way(void)
{
    struct keys *keys;
    job_id_t job;
    CU_ASSERT_EQUAL_FATAL(keys_new(4, duration_s(1000), &keys), ERR_OK);
    for (uint8_t i = 1; i <= 20; i++) {
        put(keys, i, i);
        if (i % 3 == 0) {
            keys_remove(keys, job_numbered(i));
            keys_remove(keys, job_numbered(i));
            CU_ASSERT_EQUAL(look(keys, i, i, 1, &job), KEYS_NEW);
        }
    }
    CU_ASSERT_EQUAL(look(keys, 20, 16, 1, &job), KEYS_NEW);
    CU_ASSERT_EQUAL(look(keys, 20, 17, 1, &job), KEYS_SAME);
    CU_ASSERT_EQUAL(look(keys, 20, 18, 1, &job), KEYS_NEW); /* taken back */
    CU_ASSERT_EQUAL(look(keys, 20, 20, 1, &job), KEYS_SAME);
    CU_ASSERT_TRUE(id_equal(job, job_numbered(20)));
    ASSERT_I64_EQ(keys_count(keys), 3);
    CU_ASSERT_TRUE(keys_memory_size(4) > 4 * sizeof(struct keys_claim));
    keys_free(keys);
}

static const struct test tests[] = {
    TEST(keys_same_request_finds_its_job),
    TEST(keys_old_ones_are_forgotten),
    TEST(keys_oldest_gives_way),
};
TEST_MAIN("keys", tests)

/* SPDX-License-Identifier: MIT
 *
 * GOAL    what copies were like can be read back, censored ones as such, without end.
 * METHOD  a few races by hand; then more copies than the ring holds.
 */
#include "tests/support/core_fixture.h"

static uint32_t
read_samples(struct fixture *fx, uint64_t after, struct core_sample *samples, uint32_t count)
{
    return core_samples(fx->core, /* handler_index= */ 0, after, samples, count);
}

static void
samples_tell_the_winner_and_the_censored_loser(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    struct core_sample samples[8];
    ASSERT_I64_EQ(read_samples(&fx, 0, samples, 8), 0);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t link = fixture_sent_to(&fx, 0);
    instant_t sent_at = fx.now;
    fixture_advance_ms(&fx, 15); /* the hedge left after 10 */
    uint32_t rival = link == 1 ? 2 : 1;
    fixture_reply(&fx, fixture_ref(rival, 1, 2), REPLY_OK, 1);
    fixture_advance_ms(&fx, 3);
    fixture_ack(&fx, fixture_ref(link, 1, 1), FATE_STOPPED);
    ASSERT_I64_EQ(read_samples(&fx, 0, samples, 8), 2);
    ASSERT_I64_EQ(samples[0].number, 1);
    ASSERT_I64_EQ(samples[0].attempt, 2);
    ASSERT_I64_EQ(samples[0].kind, ATTEMPT_HEDGE);
    ASSERT_I64_EQ(samples[0].state, ATTEMPT_WON);
    ASSERT_I64_EQ(samples[0].took.ns, duration_ms(5).ns);
    CU_ASSERT_FALSE(samples[0].is_censored);
    ASSERT_I64_EQ(samples[1].number, 2);
    ASSERT_I64_EQ(samples[1].state, ATTEMPT_LOST);
    ASSERT_I64_EQ(samples[1].arrived_at.ns, sent_at.ns);
    ASSERT_I64_EQ(samples[1].took.ns, duration_ms(15).ns); /* until it was told, not longer */
    CU_ASSERT_TRUE(samples[1].is_censored);
    ASSERT_I64_EQ(read_samples(&fx, 1, samples, 8), 1);
    ASSERT_I64_EQ(read_samples(&fx, 2, samples, 8), 0);
    ASSERT_I64_EQ(read_samples(&fx, UINT64_MAX, samples, 8), 0);
    fixture_fini(&fx);
}

static void
samples_ring_forgets_the_oldest(void)
{
    struct core_config config;
    fixture_config(&config);
    config.samples_max = 4;
    struct fixture fx;
    fixture_start(&fx, &config, 1);
    for (uint32_t job = 1; job <= 10; job++) {
        fixture_submit_hedged(&fx, job, 1000);
        fixture_advance_ms(&fx, job);
        fixture_reply(&fx, fixture_ref(1, job, 1), REPLY_OK, 1);
    }
    struct core_sample samples[8];
    ASSERT_I64_EQ(read_samples(&fx, 0, samples, 8), 4);
    for (uint32_t i = 0; i < 4; i++) {
        ASSERT_I64_EQ(samples[i].number, 7 + i);
        ASSERT_I64_EQ(samples[i].took.ns, duration_ms(7 + i).ns);
    }
    ASSERT_I64_EQ(read_samples(&fx, 8, samples, 1), 1);
    ASSERT_I64_EQ(samples[0].number, 9);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(samples_tell_the_winner_and_the_censored_loser),
    TEST(samples_ring_forgets_the_oldest),
};
TEST_MAIN("core_samples", tests)

/* SPDX-License-Identifier: MIT
 *
 * tests/support/attempts_fixture.h - a worker's attempts, a made-up clock, and offers.
 */
#ifndef TESTS_SUPPORT_ATTEMPTS_FIXTURE_H
#define TESTS_SUPPORT_ATTEMPTS_FIXTURE_H

#include "tests/support/cunit_main.h"
#include "worker/attempts.h"

#define CAUSE_USER 3

struct fixture {
    struct attempts *attempts;
    instant_t now;
    uint32_t jobs_count;
};

static inline void
fixture_init(struct fixture *fx, uint32_t slots_count, uint32_t queue_max)
{
    const struct attempts_config config = {
        .slots_count = { slots_count, slots_count },
        .queue_max = queue_max,
        .inputs_size_max = 1000,
        .graves_max = 8,
        .lapsed_kept = duration_ms(3000),
        .seed = 7,
    };
    *fx = (struct fixture){ .now = { .ns = 1000000 } };
    CU_ASSERT_EQUAL_FATAL(attempts_new(&config, &fx->attempts), ERR_OK);
}

static inline void
fixture_fini(struct fixture *fx)
{
    attempts_check(fx->attempts);
    attempts_free(fx->attempts);
}

static inline struct attempts_offer
offer_of(struct fixture *fx, uint32_t job)
{
    struct attempts_offer offer = { .lane = ATTEMPTS_OTHER, .owner = fx };
    memcpy(offer.key.job.bytes, &job, sizeof job);
    offer.key.session = 1;
    offer.key.attempt = 1;
    offer.deadline = instant_add(fx->now, duration_ms(100));
    return offer;
}

#endif

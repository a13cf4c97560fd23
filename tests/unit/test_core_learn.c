/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* Jobs that are hedged by what the core learns; delay and answer as asked. */
static void
run_jobs(struct fixture *fx, uint32_t first, uint32_t count, int64_t took_ms)
{
    for (uint32_t job = first; job < first + count; job++) {
        struct core_event event = fixture_submit_event(job, "safe");
        event.submit.policy.mode = MODE_HEDGE;
        fixture_step(fx, &event);
        uint32_t link = fixture_sent_to(fx, 0);
        /* 1, 2, 3 ... times took_ms / 100: p95 is .95 of it. */
        fixture_advance_ms(fx, 1 + (int64_t) (job % 100) * took_ms / 100);
        struct job_view view = fixture_view(fx, job);
        uint32_t copies = view.attempts_count;
        fixture_reply(fx, fixture_ref(link, job, 1), REPLY_OK, 1);
        if (copies == 2) {
            uint32_t rival = (uint32_t) (view.attempts[1].worker[1] - '0');
            fixture_ack(fx, fixture_ref(rival, job, 2), FATE_STOPPED);
        }
    }
}

static void
learn_init(struct fixture *fx, const struct core_config *config)
{
    fixture_init(fx, config);
    for (uint32_t link = 1; link <= 3; link++) {
        fixture_worker_up(fx, link);
    }
}

/* GOAL    nothing is hedged before hedge_samples_min copies are known; then the delay is
 *         near the 95th percentile, and says where it came from. */
static void
learn_delay_comes_with_enough_samples(void)
{
    struct fixture fx;
    learn_init(&fx, NULL);
    run_jobs(&fx, 0, 100, 80);
    struct job_view view = fixture_view(&fx, 99);
    ASSERT_I64_EQ(view.hedge_source, HEDGE_DELAY_NONE);
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").attempts_count[ATTEMPT_HEDGE], 0);
    run_jobs(&fx, 100, 100, 80);
    view = fixture_view(&fx, 199);
    ASSERT_STR_EQ(hedge_source_text(view.hedge_source), "learned");
    CU_ASSERT_DOUBLE_EQUAL((double) view.hedge_delay.ns * 1e-6, 76, 8);
    CU_ASSERT_TRUE(fixture_handler(&fx, "safe").attempts_count[ATTEMPT_HEDGE] > 0);
    CU_ASSERT_TRUE(fixture_handler(&fx, "safe").attempts_count[ATTEMPT_HEDGE] < 15);
    fixture_fini(&fx);
}

/* GOAL    a hedge that wins while the first copy runs spares what the survival curve says;
 *         a copy that would not end in time is not sent.
 * METHOD  service is 1 to 80 ms, evenly: at 60 ms a copy has 10 ms to go, on the average. */
static void
learn_tells_time_saved_and_too_late(void)
{
    struct fixture fx;
    learn_init(&fx, NULL);
    run_jobs(&fx, 0, 200, 80);
    struct core_event event = fixture_submit_event(300, "safe");
    event.submit.policy = (struct policy){ .mode = MODE_HEDGE,
        .idempotent = -1,
        .hedge_delay_is_set = true,
        .hedge_delay = duration_ms(50) };
    fixture_step(&fx, &event);
    fixture_advance_ms(&fx, 60);
    struct job_view view = fixture_view(&fx, 300);
    ASSERT_I64_EQ(view.attempts_count, 2);
    uint32_t rival = (uint32_t) (view.attempts[1].worker[1] - '0');
    double saved_before_s = fixture_handler(&fx, "safe").saved_s;
    fixture_reply(&fx, fixture_ref(rival, 300, 2), REPLY_OK, 1);
    view = fixture_view(&fx, 300);
    CU_ASSERT_DOUBLE_EQUAL((double) view.hedge_saved.ns * 1e-6, 10, 3);
    CU_ASSERT_DOUBLE_EQUAL(fixture_handler(&fx, "safe").saved_s - saved_before_s,
        (double) view.hedge_saved.ns * 1e-9, 1e-9);

    event.submit.job = fixture_job_id(301);
    event.submit.timeout = duration_ms(80); /* 30 ms are left then, most take longer */
    fixture_step(&fx, &event);
    fixture_advance_ms(&fx, 51);
    ASSERT_I64_EQ(fixture_view(&fx, 301).attempts_count, 1);
    ASSERT_STR_EQ(
        hedge_refusal_text(fixture_view(&fx, 301).hedge_refusal), "deadline_too_close");
    fixture_fini(&fx);
}

/* GOAL    until then the settings' delay holds; a job's own always does. */
static void
learn_own_delay_goes_first(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_delay = duration_ms(500);
    struct fixture fx;
    learn_init(&fx, &config);
    run_jobs(&fx, 0, 1, 10);
    ASSERT_I64_EQ(fixture_view(&fx, 0).hedge_source, HEDGE_DELAY_SETTINGS);
    ASSERT_I64_EQ(fixture_view(&fx, 0).hedge_delay.ns, duration_ms(500).ns);
    run_jobs(&fx, 1, 150, 10);
    ASSERT_I64_EQ(fixture_view(&fx, 150).hedge_source, HEDGE_DELAY_LEARNED);
    fixture_submit_hedged(&fx, 151, 33);
    ASSERT_I64_EQ(fixture_view(&fx, 151).hedge_source, HEDGE_DELAY_POLICY);
    ASSERT_I64_EQ(fixture_view(&fx, 151).hedge_delay.ns, duration_ms(33).ns);
    fixture_fini(&fx);
}

/* GOAL    a learned delay moves by a quarter at most each time. */
static void
learn_delay_is_damped(void)
{
    struct fixture fx;
    learn_init(&fx, NULL);
    run_jobs(&fx, 0, 150, 20);
    double before = (double) fixture_handler(&fx, "safe").learned_delay.ns;
    CU_ASSERT_TRUE_FATAL(before > 0);
    for (uint32_t job = 150; job < 350; job += 10) {
        run_jobs(&fx, job, 10, 200);
        double after = (double) fixture_handler(&fx, "safe").learned_delay.ns;
        CU_ASSERT_TRUE(after <= before * 1.26 * 1.26); /* two looks at most */
        before = after;
    }
    fixture_fini(&fx);
}

/* GOAL    while the slots are busy a job that is a little late is not hedged; one that is
 *         stuck is. */
static void
learn_busy_slots_spare_the_copy(void)
{
    struct core_config config;
    fixture_config(&config);
    config.timeout_default = duration_s(60);
    struct fixture fx;
    learn_init(&fx, &config);
    run_jobs(&fx, 0, 120, 40);
    fixture_worker_down(&fx, 3);
    struct core_event event = fixture_submit_event(500, "safe");
    event.submit.timeout = duration_s(60);
    fixture_step(&fx, &event); /* two jobs on two slots for seconds: all busy */
    event.submit.job = fixture_job_id(501);
    fixture_step(&fx, &event);
    uint32_t link = fixture_sent_to(&fx, 0);
    for (int i = 0; i < 50; i++) {
        fixture_advance_ms(&fx, 100);
        fixture_load(&fx, 1, 1);
    }
    fixture_reply(&fx, fixture_ref(link, 501, 1), REPLY_OK, 1);
    event.submit.job = fixture_job_id(502);
    event.submit.policy.mode = MODE_HEDGE;
    fixture_step(&fx, &event);
    fixture_worker_up(&fx, 4); /* a free slot, but the average is still high */
    fixture_advance_ms(&fx, 60);
    ASSERT_I64_EQ(fixture_view(&fx, 502).hedge_source, HEDGE_DELAY_LEARNED);
    ASSERT_I64_EQ(fixture_view(&fx, 502).hedge_refusal, HEDGE_OVERLOAD);
    ASSERT_I64_EQ(fixture_view(&fx, 502).attempts_count, 1);
    fixture_advance_ms(&fx, 300);
    fixture_load(&fx, 1, 1);
    ASSERT_I64_EQ(fixture_view(&fx, 502).attempts_count, 2);
    fixture_fini(&fx);
}

/* GOAL    hedges that never win are throttled to a few probes, and told as not paying off.
 * METHOD  every hedge loses: the primary answers one millisecond after it left. */
static void
learn_hedges_that_never_win_are_throttled(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_ratio = 1;
    struct fixture fx;
    learn_init(&fx, &config);
    for (uint32_t job = 0; job < 1000; job++) {
        fixture_submit_hedged(&fx, job, 10);
        uint32_t link = fixture_sent_to(&fx, 0);
        fixture_advance_ms(&fx, 11);
        struct job_view view = fixture_view(&fx, job);
        fixture_reply(&fx, fixture_ref(link, job, 1), REPLY_OK, 1);
        if (view.attempts_count == 2) {
            uint32_t rival = (uint32_t) (view.attempts[1].worker[1] - '0');
            fixture_ack(&fx, fixture_ref(rival, job, 2), FATE_STOPPED);
        }
    }
    struct handler_view handler = fixture_handler(&fx, "safe");
    ASSERT_I64_EQ(handler.attempts_count[ATTEMPT_HEDGE], 200 + 200); /* then one of four */
    ASSERT_I64_EQ(handler.hedges_refused_count[HEDGE_NOT_PAYING], 600);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(learn_hedges_that_never_win_are_throttled),
    TEST(learn_delay_comes_with_enough_samples),
    TEST(learn_own_delay_goes_first),
    TEST(learn_tells_time_saved_and_too_late),
    TEST(learn_delay_is_damped),
    TEST(learn_busy_slots_spare_the_copy),
};
TEST_MAIN("core_learn", tests)

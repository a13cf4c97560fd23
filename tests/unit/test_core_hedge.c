/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

static uint32_t
other_of_two(uint32_t link)
{
    return 3 - link;
}

/* GOAL    a slow job gets exactly one rival, exactly at the hedge delay, elsewhere.
 * METHOD  two workers; the clock is ours. */
static void
hedge_slow_job_gets_one_rival(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    ASSERT_I64_EQ(fx.sends_count, 1);

    fixture_advance_to(&fx, instant_add(fx.now, duration_ns(9999999)));
    ASSERT_I64_EQ(fx.sends_count, 1);
    fixture_advance_to(&fx, instant_add(fx.now, duration_ns(1)));
    ASSERT_I64_EQ(fx.sends_count, 2);
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), other_of_two(primary));
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_HEDGE);

    fixture_advance_ms(&fx, 500);
    ASSERT_I64_EQ(fx.sends_count, 2);
    fixture_fini(&fx);
}

/* GOAL    a quick job gets no rival. */
static void
hedge_quick_job_gets_none(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    fixture_advance_ms(&fx, 5);
    fixture_reply(&fx, fixture_ref(fixture_sent_to(&fx, 0), 1, 1), REPLY_OK, 7);
    fixture_advance_ms(&fx, 500);
    ASSERT_I64_EQ(fx.sends_count, 1);
    ASSERT_I64_EQ(fx.cancels_count, 0);
    fixture_fini(&fx);
}

/* GOAL    the first success is the answer; the loser is told in the same step, and its
 *         acknowledgement ends it. */
static void
hedge_first_success_wins_and_loser_is_told(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    fixture_advance_ms(&fx, 10);
    uint32_t rival = other_of_two(primary);

    fixture_reply(&fx, fixture_ref(rival, 1, 2), REPLY_OK, 77);
    const struct core_command *answer = fixture_command(&fx, COMMAND_ANSWER, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    ASSERT_I64_EQ(answer->answer.state, JOB_SUCCEEDED);
    ASSERT_I64_EQ(answer->answer.blob, 77);
    const struct core_command *cancel = fixture_command(&fx, COMMAND_CANCEL, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cancel);
    ASSERT_I64_EQ(cancel->cancel.link, primary);
    ASSERT_I64_EQ(cancel->cancel.attempt, 1);
    ASSERT_I64_EQ(cancel->cancel.cause, CAUSE_LOST_RACE);

    fixture_advance_ms(&fx, 3);
    fixture_ack(&fx, fixture_ref(primary, 1, 1), FATE_STOPPED);
    struct job_view view = fixture_view(&fx, 1);
    ASSERT_I64_EQ(view.state, JOB_SUCCEEDED);
    ASSERT_I64_EQ(view.winner, 2);
    ASSERT_I64_EQ(view.attempts[0].state, ATTEMPT_LOST);
    ASSERT_I64_EQ(view.attempts[0].cancel_fate, FATE_STOPPED);
    ASSERT_I64_EQ(view.attempts[0].wasted.ns, duration_ms(7).ns);
    ASSERT_I64_EQ(view.attempts[1].state, ATTEMPT_WON);
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").hedge_wins_count, 1);
    ASSERT_I64_EQ(fx.answers_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a loser that finished all the same is LATE, whether its reply or its
 *         acknowledgement says so; nothing is answered again. */
static void
hedge_loser_that_finished_is_late(void)
{
    for (int by_reply = 0; by_reply < 2; by_reply++) {
        struct fixture fx;
        fixture_start(&fx, NULL, 2);
        fixture_submit_hedged(&fx, 1, 10);
        uint32_t primary = fixture_sent_to(&fx, 0);
        fixture_advance_ms(&fx, 10);
        fixture_reply(&fx, fixture_ref(other_of_two(primary), 1, 2), REPLY_OK, 1);
        if (by_reply) {
            fixture_reply(&fx, fixture_ref(primary, 1, 1), REPLY_OK, 2);
        }
        fixture_ack(&fx, fixture_ref(primary, 1, 1), FATE_COMPLETED);
        struct job_view view = fixture_view(&fx, 1);
        ASSERT_I64_EQ(view.attempts[0].state, ATTEMPT_LATE);
        ASSERT_I64_EQ(view.attempts[0].cancel_fate, FATE_COMPLETED);
        ASSERT_I64_EQ(fx.answers_count, 1);
        ASSERT_I64_EQ(core_counters(fx.core)->cancels_acked_count, 1);
        ASSERT_I64_EQ(core_counters(fx.core)->stray_replies_count, by_reply);
        fixture_fini(&fx);
    }
}

/* GOAL    a copy that failed does not fail the job while its rival lives. */
static void
hedge_failed_copy_waits_for_its_rival(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    fixture_advance_ms(&fx, 10);
    fixture_reply(&fx, fixture_ref(primary, 1, 1), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fx.answers_count, 0);
    fixture_reply(&fx, fixture_ref(other_of_two(primary), 1, 2), REPLY_OK, 9);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_SUCCEEDED);
    fixture_fini(&fx);
}

/* GOAL    a failure that the handler calls final ends the job though a rival lives. */
static void
hedge_final_failure_ends_the_job(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    fixture_advance_ms(&fx, 10);
    fixture_reply(&fx, fixture_ref(primary, 1, 1), REPLY_FAILED_FINAL, 0);
    struct job_view view = fixture_view(&fx, 1);
    ASSERT_I64_EQ(view.state, JOB_FAILED);
    ASSERT_STR_EQ(view.message, "it broke");
    ASSERT_I64_EQ(fx.cancels_count, 1);
    fixture_fini(&fx);
}

static void
expect_refusal(const struct fixture *fx, uint32_t job, enum hedge_refusal refusal)
{
    struct job_view view = fixture_view(fx, job);
    ASSERT_STR_EQ(hedge_refusal_text(view.hedge_refusal), hedge_refusal_text(refusal));
    ASSERT_I64_EQ(fixture_handler(fx, view.handler).hedges_refused_count[refusal], 1);
}

/* GOAL    each reason against a hedge is told, and no copy leaves. */
static void
hedge_not_idempotent_is_refused(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    struct core_event event = fixture_submit_event(1, "once");
    event.submit.policy.mode = MODE_HEDGE;
    event.submit.policy.hedge_delay_is_set = true;
    event.submit.policy.hedge_delay = duration_ms(10);
    fixture_step(&fx, &event);
    fixture_advance_ms(&fx, 100);
    ASSERT_I64_EQ(fx.sends_count, 1);
    expect_refusal(&fx, 1, HEDGE_NOT_IDEMPOTENT);

    event.submit.job = fixture_job_id(2); /* the caller vouches for it */
    event.submit.policy.idempotent = 1;
    fixture_step(&fx, &event);
    ASSERT_I64_EQ(fx.sends_count, 2);
    fixture_fini(&fx);
}

static void
hedge_deadline_too_close_is_refused(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 999);
    fixture_advance_ms(&fx, 999);
    ASSERT_I64_EQ(fx.sends_count, 1);
    expect_refusal(&fx, 1, HEDGE_DEADLINE_TOO_CLOSE);
    fixture_fini(&fx);
}

/* GOAL    without a free slot elsewhere the hedge waits, and leaves in the step in which a
 *         slot falls free; it never goes to the worker that has the primary. */
static void
hedge_waits_for_a_free_slot(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    fixture_submit(&fx, 2, "safe");
    uint32_t other = fixture_sent_to(&fx, 0);
    ASSERT_I64_EQ(other, other_of_two(primary));
    fixture_advance_ms(&fx, 50);
    ASSERT_I64_EQ(fx.sends_count, 2);
    expect_refusal(&fx, 1, HEDGE_NO_SPARE_WORKER);

    fixture_reply(&fx, fixture_ref(other, 2, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), other);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_HEDGE);
    ASSERT_I64_EQ(fixture_view(&fx, 1).hedge_refusal, HEDGE_NOT_REFUSED);
    fixture_fini(&fx);
}

/* GOAL    a copy never takes room that a job waits for. */
static void
hedge_lets_waiting_jobs_go_first(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    fixture_submit(&fx, 2, "safe");
    fixture_submit(&fx, 3, "safe"); /* waits */
    ASSERT_I64_EQ(fixture_view(&fx, 3).state, JOB_QUEUED);
    fixture_advance_ms(&fx, 20);
    expect_refusal(&fx, 1, HEDGE_OVERLOAD);
    fixture_reply(&fx, fixture_ref(other_of_two(primary), 2, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_PRIMARY);
    CU_ASSERT_PTR_NULL(fixture_command(&fx, COMMAND_SEND, 1));
    fixture_fini(&fx);
}

/* GOAL    hedges stop at burst + ratio * primaries, and go on when primaries earn more. */
static void
hedge_budget_bounds_the_copies(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_burst = 2;
    config.hedge_ratio = 0.25;
    struct fixture fx;
    fixture_init(&fx, &config);
    for (uint32_t link = 1; link <= 10; link++) {
        fixture_worker_up(&fx, link);
    }
    for (uint32_t job = 1; job <= 4; job++) {
        fixture_submit_hedged(&fx, job, 10);
    }
    fixture_advance_ms(&fx, 11); /* full bucket: deposits ran over the brim */
    ASSERT_I64_EQ(fx.sends_count, 6);
    ASSERT_I64_EQ(fixture_view(&fx, 4).hedge_refusal, HEDGE_BUDGET);
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").hedges_refused_count[HEDGE_BUDGET], 2);
    ASSERT_I64_EQ(fx.cancels_count, 0); /* an empty budget touches nothing else */

    for (uint32_t job = 5; job <= 7; job++) {
        fixture_submit(&fx, job, "safe");
    }
    ASSERT_I64_EQ(fx.sends_count, 9);
    fixture_submit(&fx, 8, "safe"); /* the fourth quarter: a token, and it is spent at once */
    ASSERT_I64_EQ(fx.sends_count, 10);
    fixture_advance_ms(&fx, 1);
    fixture_fini(&fx);
}

/* GOAL    a hedge that its worker refuses costs nothing, and is asked for again elsewhere,
 *         a few times only. */
static void
hedge_refused_as_busy_is_refunded(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t rival = other_of_two(fixture_sent_to(&fx, 0));
    double tokens = core_counters(fx.core)->hedge_tokens;
    fixture_advance_ms(&fx, 10);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts_count, 2);
    for (uint32_t attempt = 2; attempt < 10; attempt++) {
        fixture_busy(&fx, fixture_ref(rival, 1, attempt));
        CU_ASSERT_DOUBLE_EQUAL(core_counters(fx.core)->hedge_tokens, tokens, 1e-9);
        fixture_advance_ms(&fx, 20);
    }
    ASSERT_I64_EQ(fx.sends_count, 4); /* the primary and three tries */
    ASSERT_I64_EQ(fixture_view(&fx, 1).hedge_refusal, HEDGE_BUSY);
    fixture_fini(&fx);
}

/* GOAL    a hedge that its worker never began (it was still queued there, or not even seen)
 *         is refunded; one that ran is not. */
static void
hedge_that_never_ran_is_refunded(void)
{
    static const enum cancel_fate fates[] = { FATE_NOT_SEEN, FATE_DEQUEUED, FATE_STOPPED,
        FATE_COMPLETED };
    for (size_t i = 0; i < ARRAY_COUNT(fates); i++) {
        struct core_config config;
        fixture_config(&config);
        config.hedge_ratio = 0;
        struct fixture fx;
        fixture_start(&fx, &config, 2);
        fixture_submit_hedged(&fx, 1, 10);
        uint32_t primary = fixture_sent_to(&fx, 0);
        fixture_advance_ms(&fx, 10);
        fixture_reply(&fx, fixture_ref(primary, 1, 1), REPLY_OK, 1);
        fixture_ack(&fx, fixture_ref(other_of_two(primary), 1, 2), fates[i]);
        CU_ASSERT_DOUBLE_EQUAL(
            core_counters(fx.core)->hedge_tokens, fates[i] <= FATE_DEQUEUED ? 32 : 31, 1e-9);
        fixture_fini(&fx);
    }
}

/* GOAL    copies stop where their seconds would pass burst + ratio * those of primaries, and
 *         an empty budget touches no primary; the seconds come back when primaries ran.
 * METHOD  one saved second, jobs of about a second. */
static void
hedge_work_budget_bounds_the_seconds(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_work_burst = duration_ms(1000);
    config.hedge_ratio = 0.5;
    config.timeout_default = duration_s(60);
    struct fixture fx;
    fixture_start(&fx, &config, 8);
    struct core_event event = fixture_submit_event(1, "safe");
    event.submit.timeout = duration_s(60);
    event.submit.policy = (struct policy){ .mode = MODE_HEDGE,
        .idempotent = -1,
        .hedge_delay_is_set = true,
        .hedge_delay = duration_ms(10) };
    for (uint32_t job = 1; job <= 3; job++) {
        event.submit.job = fixture_job_id(job);
        fixture_step(&fx, &event);
        uint32_t primary = fixture_sent_to(&fx, 0);
        fixture_advance_ms(&fx, 10);
        uint32_t copy = fixture_sent_to(&fx, 0);
        ASSERT_I64_EQ(fx.sends_count, job < 3 ? 2 * job : 5);
        fixture_advance_ms(&fx, 900);
        if (job == 3) {
            expect_refusal(&fx, 3, HEDGE_BUDGET);
            break;
        }
        fixture_step(
            &fx, &(struct core_event){ .kind = EVENT_REPLY,
                     .reply = { .ref = fixture_ref(copy, job, 2), .ran = duration_ms(900) } });
        fixture_step(&fx,
            &(struct core_event){ .kind = EVENT_CANCEL_ACK,
                .cancel_ack = { .ref = fixture_ref(primary, job, 1), .fate = FATE_STOPPED } });
    }
    CU_ASSERT_TRUE(core_counters(fx.core)->hedge_work_s < 0);
    fixture_fini(&fx);
}

static void
order_hedging(struct fixture *fx, struct hedge_order order)
{
    fixture_step(
        fx, &(struct core_event){ .kind = EVENT_HEDGING, .hedging = { "safe", order } });
}

/* GOAL    an order at run time goes before the settings: off stops hedges that are due, and
 *         even jobs' own; a delay holds for those without one; none takes all that back. */
static void
hedge_order_goes_before_the_settings(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    order_hedging(&fx, (struct hedge_order){ .is_mode_set = true, .mode = HEDGE_MODE_OFF });
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").hedge_mode, HEDGE_MODE_OFF);
    fixture_advance_ms(&fx, 20);
    ASSERT_I64_EQ(fx.sends_count, 1);
    expect_refusal(&fx, 1, HEDGE_OFF);
    fixture_reply(&fx, fixture_ref(primary, 1, 1), REPLY_OK, 1);

    order_hedging(&fx, (struct hedge_order){ .is_delay_set = true, .delay = duration_ms(30) });
    struct core_event event = fixture_submit_event(2, "safe");
    event.submit.policy.mode = MODE_HEDGE;
    fixture_step(&fx, &event);
    fixture_advance_ms(&fx, 29);
    ASSERT_I64_EQ(fx.sends_count, 2);
    fixture_advance_ms(&fx, 1);
    ASSERT_I64_EQ(fx.sends_count, 3);
    ASSERT_I64_EQ(fixture_view(&fx, 2).hedge_source, HEDGE_DELAY_ORDER);

    order_hedging(&fx, (struct hedge_order){ 0 });
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").hedge_mode, HEDGE_MODE_ECONOMY);
    fixture_fini(&fx);
}

/* GOAL    in latency mode a slot that would be idle gets a copy of the oldest job that has
 *         only one, at once; jobs that wait go before.
 * METHOD  two workers with a slot each. */
static void
hedge_latency_mode_fills_idle_slots(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_mode = HEDGE_MODE_LATENCY;
    config.hedge_utilisation_max = 2;
    struct fixture fx;
    fixture_start(&fx, &config, 2);
    struct core_event event = fixture_submit_event(1, "safe");
    event.submit.policy.mode = MODE_HEDGE;
    for (uint32_t job = 1; job <= 2; job++) {
        event.submit.job = fixture_job_id(job);
        event.submit.policy.mode = job == 1 ? MODE_SINGLE : MODE_HEDGE;
        fixture_step(&fx, &event);
    }
    uint32_t second = fixture_sent_to(&fx, 0);
    event.submit.job = fixture_job_id(3);
    fixture_step(&fx, &event); /* waits */
    fixture_advance_ms(&fx, 1);
    fixture_reply(&fx, fixture_ref(other_of_two(second), 1, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_PRIMARY);
    CU_ASSERT_PTR_NULL(fixture_command(&fx, COMMAND_SEND, 1));
    fixture_reply(&fx, fixture_ref(other_of_two(second), 3, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_HEDGE);
    ASSERT_I64_EQ(fixture_view(&fx, 2).attempts_count, 2);
    ASSERT_STR_EQ(hedge_source_text(fixture_view(&fx, 2).hedge_source), "mode");
    fixture_fini(&fx);
}

/* GOAL    without a delay from the policy or the settings nothing is hedged; with one from
 *         the settings it is. */
static void
hedge_delay_comes_from_policy_or_settings(void)
{
    for (int is_set = 0; is_set < 2; is_set++) {
        struct core_config config;
        fixture_config(&config);
        config.hedge_delay = is_set ? duration_ms(30) : duration_ms(-1);
        struct fixture fx;
        fixture_start(&fx, &config, 2);
        struct core_event event = fixture_submit_event(1, "safe");
        event.submit.policy.mode = MODE_HEDGE;
        fixture_step(&fx, &event);
        fixture_advance_ms(&fx, 500);
        ASSERT_I64_EQ(fx.sends_count, 1 + is_set);
        ASSERT_I64_EQ(fixture_view(&fx, 1).hedge_on, is_set);
        fixture_fini(&fx);
    }
}

/* GOAL    a copy prefers another zone, even one with more load. */
static void
hedge_prefers_another_zone(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    struct fixture_worker shape = { .slots_count = 4, .zone = "a" };
    fixture_worker_up_as(&fx, 1, "w1", shape);
    fixture_submit_hedged(&fx, 1, 10);
    fixture_worker_up_as(&fx, 2, "w2", shape);
    shape.zone = "b";
    fixture_worker_up_as(&fx, 3, "w3", shape);
    fixture_submit(&fx, 2, "safe");
    fixture_submit(&fx, 3, "safe"); /* w2 and w3 have one each, or one of them both */
    fixture_advance_ms(&fx, 10);
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 3);
    fixture_fini(&fx);
}

/* GOAL    a race sends its copies at once, each elsewhere, without asking the budget. */
static void
race_sends_all_copies_at_once(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_burst = 0;
    struct fixture fx;
    fixture_init(&fx, &config);
    for (uint32_t link = 1; link <= 4; link++) {
        fixture_worker_up(&fx, link);
    }
    struct core_event event = fixture_submit_event(1, "safe");
    event.submit.policy.mode = MODE_RACE;
    event.submit.policy.race_count = 3;
    fixture_step(&fx, &event);
    ASSERT_I64_EQ(fx.sends_count, 3);
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").attempts_count[ATTEMPT_RACE], 2);
    fixture_reply(&fx, fixture_ref(fixture_sent_to(&fx, 1), 1, 2), REPLY_OK, 5);
    ASSERT_I64_EQ(fx.cancels_count, 2);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(hedge_slow_job_gets_one_rival),
    TEST(hedge_quick_job_gets_none),
    TEST(hedge_first_success_wins_and_loser_is_told),
    TEST(hedge_loser_that_finished_is_late),
    TEST(hedge_failed_copy_waits_for_its_rival),
    TEST(hedge_final_failure_ends_the_job),
    TEST(hedge_not_idempotent_is_refused),
    TEST(hedge_deadline_too_close_is_refused),
    TEST(hedge_waits_for_a_free_slot),
    TEST(hedge_lets_waiting_jobs_go_first),
    TEST(hedge_budget_bounds_the_copies),
    TEST(hedge_refused_as_busy_is_refunded),
    TEST(hedge_that_never_ran_is_refunded),
    TEST(hedge_work_budget_bounds_the_seconds),
    TEST(hedge_order_goes_before_the_settings),
    TEST(hedge_latency_mode_fills_idle_slots),
    TEST(hedge_delay_comes_from_policy_or_settings),
    TEST(hedge_prefers_another_zone),
    TEST(race_sends_all_copies_at_once),
};
TEST_MAIN("core_hedge", tests)

/* SPDX-License-Identifier: MIT
 *
 * Tied copies in the core: when the second is sent, who stays, who pays.
 */
#include "tests/support/core_fixture.h"

#define DELAY_MS 2

/* Workers with one slot and room for one behind it, each busy with a job of its own; then
 * job 1, tied, which waits behind one of them. */
static void
start_waiting(struct fixture *fx, struct core_config *config, uint32_t workers_count)
{
    config->attempts_max = 3;
    fixture_init(fx, config);
    for (uint32_t link = 1; link <= workers_count; link++) {
        char name[16];
        snprintf(name, sizeof name, "w%u", link);
        fixture_worker_up_as(
            fx, link, name, (struct fixture_worker){ .slots_count = 1, .queue_max = 1 });
        fixture_submit(fx, 100 + link, "safe");
    }
    struct core_event event = fixture_submit_event(1, "safe");
    event.submit.policy.mode = MODE_TIED;
    event.submit.policy.hedge_delay_is_set = true;
    event.submit.policy.hedge_delay = duration_ms(DELAY_MS);
    fixture_step(fx, &event);
}

struct pair {
    struct fixture fx;
    uint32_t first; /* links */
    uint32_t second;
    double tokens; /* before the tie */
};

static void
pair_init(struct pair *pair)
{
    struct core_config config;
    fixture_config(&config);
    start_waiting(&pair->fx, &config, 2);
    pair->first = fixture_sent_to(&pair->fx, 0);
    pair->tokens = core_counters(pair->fx.core)->hedge_tokens;
    fixture_advance_ms(&pair->fx, DELAY_MS);
    const struct core_command *send = fixture_command(&pair->fx, COMMAND_SEND, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(send);
    ASSERT_STR_EQ(attempt_kind_text(send->send.kind), "tie");
    CU_ASSERT_TRUE(send->send.is_tied);
    pair->second = (uint32_t) send->send.link;
    CU_ASSERT_NOT_EQUAL(pair->second, pair->first);
}

static void
expect_tokens(const struct pair *pair, double tokens)
{
    CU_ASSERT_DOUBLE_EQUAL(core_counters(pair->fx.core)->hedge_tokens, tokens, 1e-9);
}

/* GOAL    what has not started after the delay gets a twin in another queue; once only. */
static void
tie_is_sent_beside_what_waits(void)
{
    struct pair pair;
    pair_init(&pair);
    expect_tokens(&pair, pair.tokens - 1);
    fixture_advance_ms(&pair.fx, 100);
    ASSERT_I64_EQ(fixture_view(&pair.fx, 1).attempts_count, 2);
    fixture_fini(&pair.fx);
}

/* GOAL    a copy that was heard to have started in time gets none. */
static void
tie_is_not_sent_beside_what_runs(void)
{
    struct core_config config;
    struct fixture fx;
    fixture_config(&config);
    start_waiting(&fx, &config, 2);
    fixture_started(&fx, fixture_ref(fixture_sent_to(&fx, 0), 1, 1));
    fixture_advance_ms(&fx, 100);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts_count, 1);
    fixture_fini(&fx);
}

/* GOAL    whichever of the two starts stays; the other is told in the same step, and its
 *         token comes back when it says that it never started. */
static void
tie_start_of_either_sends_the_twin_away(void)
{
    for (uint32_t starter = 1; starter <= 2; starter++) {
        struct pair pair;
        pair_init(&pair);
        struct attempt_ref refs[] = { { 0 }, fixture_ref(pair.first, 1, 1),
            fixture_ref(pair.second, 1, 2) };
        fixture_started(&pair.fx, refs[starter]);
        const struct core_command *cancel = fixture_command(&pair.fx, COMMAND_CANCEL, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(cancel);
        ASSERT_I64_EQ(cancel->cancel.attempt, 3 - starter);
        ASSERT_I64_EQ(cancel->cancel.cause, CAUSE_LOST_RACE);
        expect_tokens(&pair, pair.tokens - 1);
        fixture_ack(&pair.fx, refs[3 - starter], FATE_DEQUEUED);
        expect_tokens(&pair, pair.tokens);
        ASSERT_I64_EQ(fixture_view(&pair.fx, 1).state, JOB_RUNNING);
        fixture_reply(&pair.fx, refs[starter], REPLY_OK, 5);
        ASSERT_I64_EQ(fixture_view(&pair.fx, 1).winner, starter);
        fixture_fini(&pair.fx);
    }
}

/* GOAL    when both have started, the first that was heard stays, and the pair is paid for. */
static void
tie_both_started_is_charged(void)
{
    struct pair pair;
    pair_init(&pair);
    fixture_started(&pair.fx, fixture_ref(pair.first, 1, 1));
    fixture_started(&pair.fx, fixture_ref(pair.second, 1, 2));
    ASSERT_I64_EQ(pair.fx.cancels_count, 1);
    fixture_ack(&pair.fx, fixture_ref(pair.second, 1, 2), FATE_STOPPED);
    fixture_reply(&pair.fx, fixture_ref(pair.first, 1, 1), REPLY_OK, 5);
    expect_tokens(&pair, pair.tokens - 1);
    fixture_fini(&pair.fx);
}

/* GOAL    the twin that was sent away may answer all the same: its result counts. */
static void
tie_result_that_crosses_the_cancel_counts(void)
{
    struct pair pair;
    pair_init(&pair);
    fixture_started(&pair.fx, fixture_ref(pair.second, 1, 2));
    fixture_reply(&pair.fx, fixture_ref(pair.first, 1, 1), REPLY_OK, 5);
    ASSERT_I64_EQ(fixture_view(&pair.fx, 1).state, JOB_SUCCEEDED);
    ASSERT_I64_EQ(fixture_view(&pair.fx, 1).winner, 1);
    fixture_fini(&pair.fx);
}

/* GOAL    the one that stayed fails while its twin is still on its way out: the job goes on
 *         when that is heard, with a retry that is paid for. */
static void
tie_failure_waits_for_the_twin_to_leave(void)
{
    struct pair pair;
    pair_init(&pair);
    fixture_started(&pair.fx, fixture_ref(pair.first, 1, 1));
    fixture_reply(&pair.fx, fixture_ref(pair.first, 1, 1), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fixture_view(&pair.fx, 1).state, JOB_RUNNING);
    CU_ASSERT_PTR_NULL(fixture_command(&pair.fx, COMMAND_SEND, 0));
    fixture_ack(&pair.fx, fixture_ref(pair.second, 1, 2), FATE_DEQUEUED);
    const struct core_command *send = fixture_command(&pair.fx, COMMAND_SEND, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(send);
    ASSERT_I64_EQ(send->send.kind, ATTEMPT_RETRY);
    expect_tokens(&pair, pair.tokens - 1);
    fixture_fini(&pair.fx);
}

/* GOAL    a worker that has no room for the tie costs nothing. */
static void
tie_refused_as_busy_is_refunded(void)
{
    struct pair pair;
    pair_init(&pair);
    fixture_busy(&pair.fx, fixture_ref(pair.second, 1, 2));
    expect_tokens(&pair, pair.tokens);
    fixture_reply(&pair.fx, fixture_ref(pair.first, 1, 1), REPLY_OK, 5);
    ASSERT_I64_EQ(fixture_view(&pair.fx, 1).state, JOB_SUCCEEDED);
    fixture_fini(&pair.fx);
}

/* GOAL    an empty budget, or nobody else, means no tie, and says so. */
static void
tie_without_budget_or_worker_is_refused(void)
{
    static const enum hedge_refusal reasons[] = { HEDGE_BUDGET, HEDGE_NO_SPARE_WORKER };
    for (uint32_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        struct core_config config;
        struct fixture fx;
        fixture_config(&config);
        if (reasons[i] == HEDGE_BUDGET) {
            config.hedge_burst = 0;
            config.hedge_ratio = 0;
        }
        start_waiting(&fx, &config, reasons[i] == HEDGE_BUDGET ? 2 : 1);
        fixture_advance_ms(&fx, 100);
        struct job_view view = fixture_view(&fx, 1);
        ASSERT_I64_EQ(view.attempts_count, 1);
        ASSERT_STR_EQ(hedge_refusal_text(view.hedge_refusal), hedge_refusal_text(reasons[i]));
        fixture_fini(&fx);
    }
}

/* A job that waited and ran for so long, under the policy "hedge". */
static void
run_one(struct fixture *fx, uint32_t job, int64_t queued_ms)
{
    struct core_event event = fixture_submit_event(job, "safe");
    event.submit.policy.mode = MODE_HEDGE;
    fixture_step(fx, &event);
    struct core_event reply = { .kind = EVENT_REPLY,
        .reply = { .ref = fixture_ref(fixture_sent_to(fx, 0), job, 1),
            .status = REPLY_OK,
            .blob = 1,
            .queued = duration_ms(queued_ms),
            .ran = duration_ms(5) } };
    fixture_step(fx, &reply);
}

/* GOAL    with ties_auto a handler whose copies wait longer than they run is tied, and one
 *         whose copies do not is not. */
static void
tie_is_automatic_where_waiting_is_slow(void)
{
    for (uint32_t is_slow = 0; is_slow < 2; is_slow++) {
        struct core_config config;
        struct fixture fx;
        fixture_config(&config);
        config.ties_auto = true;
        fixture_start(&fx, &config, 2);
        for (uint32_t job = 1; job <= 80; job++) {
            run_one(&fx, job, is_slow ? 9 : 1);
        }
        struct core_event event = fixture_submit_event(200, "safe");
        event.submit.policy.mode = MODE_HEDGE;
        fixture_step(&fx, &event);
        ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.is_tied, is_slow);
        fixture_advance_ms(&fx, 4);
        ASSERT_I64_EQ(fixture_handler(&fx, "safe").attempts_count[ATTEMPT_TIE], is_slow);
        fixture_fini(&fx);
    }
}

static const struct test tests[] = {
    TEST(tie_is_sent_beside_what_waits),
    TEST(tie_is_not_sent_beside_what_runs),
    TEST(tie_start_of_either_sends_the_twin_away),
    TEST(tie_both_started_is_charged),
    TEST(tie_result_that_crosses_the_cancel_counts),
    TEST(tie_failure_waits_for_the_twin_to_leave),
    TEST(tie_refused_as_busy_is_refunded),
    TEST(tie_without_budget_or_worker_is_refused),
    TEST(tie_is_automatic_where_waiting_is_slow),
};
TEST_MAIN("core_tie", tests)

/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

static void
expect_refused(struct fixture *fx, const struct core_event *event, enum submit_refusal why)
{
    fixture_step(fx, event);
    const struct core_command *refuse = fixture_command(fx, COMMAND_REFUSE, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(refuse);
    ASSERT_I64_EQ(refuse->refuse.why, why);
    ASSERT_I64_EQ(fx->commands_count, 1);
    ASSERT_I64_EQ(core_counters(fx->core)->jobs_refused_count[why], 1);
}

/* GOAL    a job is accepted before it is sent, runs, and is answered once. */
static void
job_plain_one_is_accepted_sent_answered(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "safe");
    ASSERT_I64_EQ(fx.commands_count, 2);
    ASSERT_I64_EQ(fx.commands[0].kind, COMMAND_ACCEPT);
    ASSERT_I64_EQ(fx.commands[1].kind, COMMAND_SEND);
    ASSERT_I64_EQ(fx.commands[1].send.deadline.ns, fx.now.ns + duration_ms(1000).ns);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_RUNNING);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[0].state, ATTEMPT_QUEUED);

    fixture_started(&fx, fixture_ref(1, 1, 1));
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[0].state, ATTEMPT_RUNNING);
    fixture_reply(&fx, fixture_ref(1, 1, 1), REPLY_OK, 4);
    struct job_view view = fixture_view(&fx, 1);
    ASSERT_I64_EQ(view.state, JOB_SUCCEEDED);
    ASSERT_I64_EQ(view.winner, 1);
    ASSERT_I64_EQ(view.attempts[0].state, ATTEMPT_WON);
    ASSERT_I64_EQ(fx.answers_count, 1);
    ASSERT_I64_EQ(core_counters(fx.core)->attempts_live_count, 0);
    fixture_fini(&fx);
}

static void
job_refusals_say_why(void)
{
    struct core_config config;
    fixture_config(&config);
    config.jobs_max = 2;
    struct fixture fx;
    fixture_init(&fx, &config);
    struct core_event event = fixture_submit_event(1, "nothing");
    expect_refused(&fx, &event, SUBMIT_UNKNOWN_HANDLER);

    fixture_worker_up(&fx, 1);
    event = fixture_submit_event(1, "safe");
    event.submit.timeout = duration_ms(-1);
    expect_refused(&fx, &event, SUBMIT_DEADLINE);

    event = fixture_submit_event(1, "safe");
    fixture_step(&fx, &event);
    expect_refused(&fx, &event, SUBMIT_DUPLICATE_ID);
    fixture_submit(&fx, 2, "safe");
    event = fixture_submit_event(3, "safe");
    expect_refused(&fx, &event, SUBMIT_FULL);
    ASSERT_I64_EQ(fx.commands[0].refuse.retry_after.ns, duration_s(1).ns);

    fixture_worker_down(&fx, 1);
    event = fixture_submit_event(4, "safe");
    expect_refused(&fx, &event, SUBMIT_NO_WORKER);
    fixture_step(&fx, &(struct core_event){ .kind = EVENT_DRAIN });
    expect_refused(&fx, &event, SUBMIT_DRAINING);
    fixture_fini(&fx);
}

/* GOAL    with no room anywhere jobs wait in the core, and leave by earliest deadline. */
static void
job_queue_is_by_earliest_deadline(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "safe");
    static const int64_t timeouts_ms[] = { 900, 300, 600 };
    for (uint32_t i = 0; i < 3; i++) {
        struct core_event event = fixture_submit_event(2 + i, "safe");
        event.submit.timeout = duration_ms(timeouts_ms[i]);
        fixture_step(&fx, &event);
        ASSERT_I64_EQ(fixture_view(&fx, 2 + i).state, JOB_QUEUED);
    }
    static const uint32_t order[] = { 1, 3, 4, 2 };
    for (uint32_t i = 0; i < 3; i++) {
        fixture_reply(&fx, fixture_ref(1, order[i], 1), REPLY_OK, 1);
        ASSERT_I64_EQ(fixture_view(&fx, order[i + 1]).state, JOB_RUNNING);
    }
    fixture_fini(&fx);
}

/* GOAL    at its deadline a job ends, its copies are told, and nothing is sent any more. */
static void
job_deadline_stops_everything(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit_hedged(&fx, 1, 10);
    fixture_advance_ms(&fx, 999);
    ASSERT_I64_EQ(fx.answers_count, 0);
    fixture_advance_ms(&fx, 1);
    ASSERT_I64_EQ(fx.answers_count, 1);
    ASSERT_I64_EQ(fx.cancels_count, 2);
    struct job_view view = fixture_view(&fx, 1);
    ASSERT_I64_EQ(view.state, JOB_DEADLINE_EXCEEDED);
    ASSERT_I64_EQ(view.attempts[0].cancel_cause, CAUSE_DEADLINE);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t link = view.attempts[i].worker[1] == '1' ? 1 : 2;
        fixture_ack(&fx, fixture_ref(link, 1, i + 1), i == 0 ? FATE_STOPPED : FATE_NOT_SEEN);
        ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[i].state, ATTEMPT_STOPPED);
    }
    fixture_fini(&fx);
}

/* GOAL    what waits in the queue past its deadline is never sent. */
static void
job_queued_past_its_deadline_is_not_sent(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    struct core_event event = fixture_submit_event(1, "safe");
    event.submit.timeout = duration_s(10);
    fixture_step(&fx, &event);
    fixture_submit(&fx, 2, "safe");
    fixture_advance_ms(&fx, 1000);
    ASSERT_I64_EQ(fixture_view(&fx, 2).state, JOB_DEADLINE_EXCEEDED);
    fixture_reply(&fx, fixture_ref(1, 1, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fx.sends_count, 1);
    ASSERT_I64_EQ(fixture_view(&fx, 2).attempts_count, 0);
    fixture_fini(&fx);
}

/* GOAL    a reply that is handled after the deadline is too late, even if no TIMER came. */
static void
job_reply_after_deadline_is_late(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "safe");
    fx.now = instant_add(fx.now, duration_ms(1000));
    fixture_reply(&fx, fixture_ref(1, 1, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_DEADLINE_EXCEEDED);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[0].state, ATTEMPT_LATE);
    ASSERT_I64_EQ(fx.answers_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a cancelled job tells the cause to its copies; a second cancel changes nothing. */
static void
job_cancel_carries_its_cause(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "safe");
    fixture_submit(&fx, 2, "safe");
    fixture_cancel(&fx, 1, CAUSE_USER);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_CANCEL, 0)->cancel.cause, CAUSE_USER);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_ANSWER, 0)->answer.state, JOB_CANCELLED);
    fixture_cancel(&fx, 1, CAUSE_SHUTDOWN);
    ASSERT_I64_EQ(fx.commands_count, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 1).cause, CAUSE_USER);

    fixture_step(
        &fx, &(struct core_event){ .kind = EVENT_GONE, .job = { .job = fixture_job_id(2) } });
    ASSERT_I64_EQ(fixture_view(&fx, 2).state, JOB_CANCELLED);
    ASSERT_I64_EQ(fixture_view(&fx, 2).cause, CAUSE_CLIENT_GONE);
    ASSERT_I64_EQ(fx.cancels_count, 1); /* the second was never sent */
    fixture_fini(&fx);
}

/* GOAL    a failure is retried on another worker, charged, within attempts_max. */
static void
job_failure_is_retried_elsewhere(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit(&fx, 1, "safe");
    uint32_t first = fixture_sent_to(&fx, 0);
    double tokens = core_counters(fx.core)->hedge_tokens;
    fixture_reply(&fx, fixture_ref(first, 1, 1), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 3 - first);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_RETRY);
    CU_ASSERT_DOUBLE_EQUAL(core_counters(fx.core)->hedge_tokens, tokens - 1, 1e-9);
    fixture_reply(&fx, fixture_ref(3 - first, 1, 2), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_FAILED);
    ASSERT_I64_EQ(fx.sends_count, 2);
    fixture_fini(&fx);
}

static void
job_failure_without_budget_is_not_retried(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_burst = 0;
    struct fixture fx;
    fixture_start(&fx, &config, 2);
    fixture_submit(&fx, 1, "safe");
    fixture_reply(&fx, fixture_ref(fixture_sent_to(&fx, 0), 1, 1), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_FAILED);
    ASSERT_STR_EQ(fixture_view(&fx, 1).message, "it broke");
    fixture_fini(&fx);
}

static void
job_failure_of_what_is_not_idempotent_is_final(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit(&fx, 1, "once");
    fixture_reply(&fx, fixture_ref(fixture_sent_to(&fx, 0), 1, 1), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_FAILED);
    ASSERT_I64_EQ(fx.sends_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a retry that waits for room and never leaves gives its token back. */
static void
job_retry_that_never_leaves_is_refunded(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "safe");
    struct core_event event = fixture_submit_event(2, "safe");
    event.submit.timeout = duration_ms(100); /* goes before the retry */
    fixture_step(&fx, &event);
    double tokens = core_counters(fx.core)->hedge_tokens;
    fixture_reply(&fx, fixture_ref(1, 1, 1), REPLY_FAILED_RETRYABLE, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 2).state, JOB_RUNNING);
    CU_ASSERT_DOUBLE_EQUAL(core_counters(fx.core)->hedge_tokens, tokens - 1, 0.06);
    fixture_cancel(&fx, 1, CAUSE_USER);
    CU_ASSERT_DOUBLE_EQUAL(core_counters(fx.core)->hedge_tokens, tokens, 0.06);
    fixture_fini(&fx);
}

/* GOAL    BUSY moves a job on for free: at once, then after growing pauses; what is not
 *         idempotent too, since nothing ran. */
static void
job_busy_is_sent_elsewhere_for_free(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    double tokens = core_counters(fx.core)->hedge_tokens;
    fixture_submit(&fx, 1, "once");
    uint32_t first = fixture_sent_to(&fx, 0);
    fixture_busy(&fx, fixture_ref(first, 1, 1));
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 3 - first);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_SEND, 0)->send.kind, ATTEMPT_REDISPATCH);

    for (uint32_t attempt = 2; attempt < 9; attempt++) {
        struct job_view view = fixture_view(&fx, 1);
        const struct attempt_view *last = &view.attempts[view.attempts_count - 1];
        ASSERT_I64_EQ(last->number, attempt);
        fixture_busy(&fx, fixture_ref(last->worker[1] == '1' ? 1 : 2, 1, attempt));
        ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_RUNNING);
        fixture_advance_ms(&fx, 64);
    }
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts_count, CORE_ATTEMPTS_MAX);
    CU_ASSERT_DOUBLE_EQUAL(core_counters(fx.core)->hedge_tokens, tokens, 1e-9);
    CU_ASSERT_PTR_NULL(job_view_winner(&(struct job_view){ .attempts_count = 5 }));

    /* The winner is found by its number, which is past the places of the view. */
    struct job_view view = fixture_view(&fx, 1);
    const char *worker = view.attempts[view.attempts_count - 1].worker;
    fixture_reply(&fx, fixture_ref(worker[1] == '1' ? 1 : 2, 1, 9), REPLY_OK, 1);
    view = fixture_view(&fx, 1);
    ASSERT_I64_EQ(view.winner, 9);
    CU_ASSERT_PTR_NOT_NULL_FATAL(job_view_winner(&view));
    ASSERT_I64_EQ(job_view_winner(&view)->number, 9);
    ASSERT_I64_EQ(job_view_winner(&view)->state, ATTEMPT_WON);
    fixture_fini(&fx);
}

/* GOAL    late, repeated and forged replies change nothing but a counter. */
static void
job_stray_replies_are_counted_and_dropped(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit(&fx, 1, "safe");
    uint32_t link = fixture_sent_to(&fx, 0);
    const struct attempt_ref forged[] = {
        fixture_ref(3 - link, 1, 1), /* not the worker that has it */
        fixture_ref(link, 1, 2),     /* never sent */
        fixture_ref(link, 2, 1),     /* no such job */
        fixture_ref(99, 1, 1),       /* no such worker */
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(forged); i++) {
        fixture_reply(&fx, forged[i], REPLY_OK, 66);
        fixture_busy(&fx, forged[i]);
        fixture_started(&fx, forged[i]);
        fixture_ack(&fx, forged[i], FATE_STOPPED);
    }
    fixture_ack(&fx, fixture_ref(link, 1, 1), FATE_STOPPED); /* never told to stop */
    ASSERT_I64_EQ(core_counters(fx.core)->stray_replies_count, 17);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_RUNNING);

    fixture_reply(&fx, fixture_ref(link, 1, 1), REPLY_OK, 1);
    fixture_reply(&fx, fixture_ref(link, 1, 1), REPLY_OK, 2);
    fixture_reply(&fx, fixture_ref(link, 1, 1), REPLY_FAILED_FINAL, 0);
    ASSERT_I64_EQ(core_counters(fx.core)->stray_replies_count, 19);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_SUCCEEDED);
    ASSERT_I64_EQ(fx.answers_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a worker that dropped a job before its start ends it when its time is up, and
 *         hands it back when it is not. */
static void
job_expired_copy_ends_or_moves_on(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_submit(&fx, 1, "safe");
    uint32_t link = fixture_sent_to(&fx, 0);
    fixture_reply(&fx, fixture_ref(link, 1, 1), REPLY_EXPIRED, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[0].state, ATTEMPT_EXPIRED);
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 3 - link);
    fixture_advance_ms(&fx, 995);
    fixture_reply(&fx, fixture_ref(3 - link, 1, 2), REPLY_EXPIRED, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_DEADLINE_EXCEEDED);
    ASSERT_I64_EQ(fx.answers_count, 1);
    fixture_fini(&fx);
}

/* GOAL    children live no longer than their parent, to any depth. */
static void
job_children_end_with_their_parent(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 8 });
    fixture_submit(&fx, 1, "safe");
    fixture_advance_ms(&fx, 100);
    for (uint32_t job = 2; job <= 4; job++) {
        struct core_event event = fixture_submit_event(job, "safe");
        event.submit.parent = fixture_job_id(job - 1);
        event.submit.timeout = duration_s(60);
        fixture_step(&fx, &event);
        ASSERT_I64_EQ(fixture_view(&fx, job).deadline.ns, fixture_view(&fx, 1).deadline.ns);
    }
    fixture_reply(&fx, fixture_ref(1, 4, 1), REPLY_OK, 1);
    fixture_cancel(&fx, 1, CAUSE_USER);
    ASSERT_I64_EQ(fixture_view(&fx, 1).cause, CAUSE_USER);
    ASSERT_I64_EQ(fixture_view(&fx, 2).cause, CAUSE_PARENT);
    ASSERT_I64_EQ(fixture_view(&fx, 3).cause, CAUSE_PARENT);
    ASSERT_I64_EQ(fixture_view(&fx, 4).state, JOB_SUCCEEDED);
    ASSERT_I64_EQ(fx.cancels_count, 3);

    struct core_event orphan = fixture_submit_event(5, "safe");
    orphan.submit.parent = fixture_job_id(1);
    expect_refused(&fx, &orphan, SUBMIT_DEADLINE);
    fixture_fini(&fx);
}

/* GOAL    finished records are kept by number and by age, then forgotten, oldest first. */
static void
job_finished_records_are_collected(void)
{
    struct core_config config;
    fixture_config(&config);
    config.finished_max = 2;
    config.finished_kept = duration_s(10);
    struct fixture fx;
    fixture_start(&fx, &config, 1);
    for (uint32_t job = 1; job <= 3; job++) {
        fixture_submit(&fx, job, "safe");
        fixture_reply(&fx, fixture_ref(1, job, 1), REPLY_OK, 1);
    }
    const struct core_command *forget = fixture_command(&fx, COMMAND_FORGET, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(forget);
    CU_ASSERT_TRUE(id_equal(forget->job, fixture_job_id(1)));
    job_id_t ids[4];
    ASSERT_I64_EQ(core_jobs_recent(fx.core, 0, ids, 4), 2);
    CU_ASSERT_TRUE(id_equal(ids[0], fixture_job_id(3)));
    ASSERT_I64_EQ(core_jobs_recent(fx.core, 1, ids, 4), 1);
    CU_ASSERT_TRUE(id_equal(ids[0], fixture_job_id(2)));
    fixture_advance_ms(&fx, 10000);
    ASSERT_I64_EQ(core_counters(fx.core)->jobs_kept_count, 0);
    fixture_fini(&fx);
}

/* GOAL    bounds hold and everything is given back, ten times over. */
static void
job_pools_fill_and_empty(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 100 });
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < fx.config.jobs_max; i++) {
            fixture_submit(&fx, 1000 * round + i, "safe");
            CU_ASSERT_PTR_NOT_NULL(fixture_command(&fx, COMMAND_ACCEPT, 0));
        }
        fixture_submit(&fx, 1000 * round + 999, "safe");
        ASSERT_I64_EQ(fixture_command(&fx, COMMAND_REFUSE, 0)->refuse.why, SUBMIT_FULL);
        fixture_worker_down(&fx, 1);
        fixture_advance_ms(&fx, 1000);
        ASSERT_I64_EQ(core_counters(fx.core)->jobs_live_count, 0);
        fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 100 });
    }
    ASSERT_I64_EQ(fx.answers_count, 10 * fx.config.jobs_max);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(job_plain_one_is_accepted_sent_answered),
    TEST(job_refusals_say_why),
    TEST(job_queue_is_by_earliest_deadline),
    TEST(job_deadline_stops_everything),
    TEST(job_queued_past_its_deadline_is_not_sent),
    TEST(job_reply_after_deadline_is_late),
    TEST(job_cancel_carries_its_cause),
    TEST(job_failure_is_retried_elsewhere),
    TEST(job_failure_without_budget_is_not_retried),
    TEST(job_failure_of_what_is_not_idempotent_is_final),
    TEST(job_retry_that_never_leaves_is_refunded),
    TEST(job_busy_is_sent_elsewhere_for_free),
    TEST(job_stray_replies_are_counted_and_dropped),
    TEST(job_expired_copy_ends_or_moves_on),
    TEST(job_children_end_with_their_parent),
    TEST(job_finished_records_are_collected),
    TEST(job_pools_fill_and_empty),
};
TEST_MAIN("core_job", tests)

/* SPDX-License-Identifier: MIT */
#include "common/pure/rng.h"
#include "tests/support/core_fixture.h"

#include <stdlib.h>

static void
config_with_heartbeat(struct core_config *config)
{
    fixture_config(config);
    config->heartbeat = duration_ms(100);
    config->heartbeats_missed_max = 3;
    config->cancel_ack_max = duration_ms(40);
}

/* GOAL    the least loaded worker for its slots gets the job. */
static void
worker_least_loaded_for_its_slots_is_chosen(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 2 });
    fixture_worker_up_as(&fx, 2, "w2", (struct fixture_worker){ .slots_count = 6 });
    for (uint32_t job = 1; job <= 8; job++) {
        fixture_submit(&fx, job, "safe");
    }
    ASSERT_I64_EQ(fixture_worker(&fx, 1).in_flight_count, 2);
    ASSERT_I64_EQ(fixture_worker(&fx, 2).in_flight_count, 6);
    fixture_fini(&fx);
}

/* GOAL    a free slot comes before a place in a queue; ahead of its slots a worker gets as
 *         many as it has slots, and no more than its queue holds. */
static void
worker_queue_is_used_when_slots_are_taken(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    fixture_worker_up_as(
        &fx, 1, "w1", (struct fixture_worker){ .slots_count = 2, .queue_max = 100 });
    fixture_worker_up_as(
        &fx, 2, "w2", (struct fixture_worker){ .slots_count = 2, .queue_max = 1 });
    for (uint32_t job = 1; job <= 4; job++) {
        fixture_submit(&fx, job, "safe");
    }
    ASSERT_I64_EQ(fixture_worker(&fx, 1).in_flight_count, 2);
    ASSERT_I64_EQ(fixture_worker(&fx, 2).in_flight_count, 2);
    for (uint32_t job = 5; job <= 9; job++) {
        fixture_submit(&fx, job, "safe");
    }
    ASSERT_I64_EQ(fixture_worker(&fx, 1).in_flight_count, 4);
    ASSERT_I64_EQ(fixture_worker(&fx, 2).in_flight_count, 3);
    fixture_fini(&fx);
}

/* GOAL    equals are chosen by lot, and the lot by the seed. */
static void
worker_equals_are_chosen_by_seeded_lot(void)
{
    uint32_t chosen[3][32];
    for (uint32_t run = 0; run < 3; run++) {
        struct core_config config;
        fixture_config(&config);
        config.seed = run == 2 ? 7 : 42;
        struct fixture fx;
        fixture_start(&fx, &config, 2);
        for (uint32_t i = 0; i < 32; i++) {
            fixture_submit(&fx, i, "safe");
            chosen[run][i] = fixture_sent_to(&fx, 0);
            fixture_reply(&fx, fixture_ref(chosen[run][i], i, 1), REPLY_OK, 1);
        }
        fixture_fini(&fx);
    }
    CU_ASSERT_TRUE(memcmp(chosen[0], chosen[1], sizeof chosen[0]) == 0);
    CU_ASSERT_TRUE(memcmp(chosen[0], chosen[2], sizeof chosen[0]) != 0);
    uint32_t ones = 0;
    for (uint32_t i = 0; i < 32; i++) {
        ones += chosen[0][i] == 1;
    }
    CU_ASSERT_TRUE(ones > 4);
    CU_ASSERT_TRUE(ones < 28);
}

/* GOAL    copies of other coordinators, told by LOAD, count as load. */
static void
worker_foreign_load_counts(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 2);
    fixture_load(&fx, 1, 1);
    for (uint32_t job = 1; job <= 2; job++) {
        fixture_submit(&fx, job, "safe");
    }
    ASSERT_I64_EQ(fixture_worker(&fx, 1).in_flight_count, 0);
    ASSERT_I64_EQ(fixture_worker(&fx, 2).in_flight_count, 1);
    ASSERT_I64_EQ(fixture_view(&fx, 2).state, JOB_QUEUED);
    fixture_load(&fx, 1, 0);
    ASSERT_I64_EQ(fixture_view(&fx, 2).state, JOB_RUNNING);
    fixture_fini(&fx);
}

/* GOAL    the copies of a lost worker are replaced for free, in the same step. */
static void
worker_lost_copies_are_replaced(void)
{
    struct core_config config;
    fixture_config(&config);
    config.hedge_burst = 0;
    struct fixture fx;
    fixture_init(&fx, &config);
    fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 50 });
    for (uint32_t job = 1; job <= 50; job++) {
        fixture_submit(&fx, job, "safe");
    }
    fixture_worker_up_as(&fx, 2, "w2", (struct fixture_worker){ .slots_count = 50 });
    fixture_worker_down(&fx, 1);
    ASSERT_I64_EQ(fx.sends_count, 100);
    for (uint32_t job = 1; job <= 50; job++) {
        struct job_view view = fixture_view(&fx, job);
        ASSERT_I64_EQ(view.attempts[0].state, ATTEMPT_UNREACHABLE);
        ASSERT_I64_EQ(view.attempts[1].kind, ATTEMPT_REDISPATCH);
        fixture_reply(&fx, fixture_ref(2, job, 2), REPLY_OK, 1);
        ASSERT_I64_EQ(fixture_view(&fx, job).state, JOB_SUCCEEDED);
    }
    fixture_fini(&fx);
}

/* GOAL    what is not idempotent is never run again: it fails, and says that its outcome is
 *         not known. */
static void
worker_lost_with_what_is_not_idempotent_fails_it(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "once");
    fixture_worker_up(&fx, 2);
    fixture_worker_down(&fx, 1);
    struct job_view view = fixture_view(&fx, 1);
    ASSERT_I64_EQ(view.state, JOB_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(view.message, "outcome is unknown"));
    ASSERT_I64_EQ(fx.sends_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a job that loses worker after worker is given up at the third. */
static void
worker_lost_again_and_again_fails_the_job(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    fixture_submit(&fx, 1, "safe");
    for (uint32_t link = 1; link <= 3; link++) {
        ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_RUNNING);
        fixture_worker_up(&fx, link + 1);
        fixture_worker_down(&fx, link);
    }
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_FAILED);
    ASSERT_I64_EQ(fx.sends_count, 3);
    fixture_fini(&fx);
}

/* GOAL    a copy lost while its rival lives is not replaced: the rival may win. */
static void
worker_lost_while_a_rival_lives_is_waited_for(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 3);
    fixture_submit_hedged(&fx, 1, 10);
    uint32_t primary = fixture_sent_to(&fx, 0);
    fixture_advance_ms(&fx, 10);
    uint32_t rival = fixture_sent_to(&fx, 0);
    fixture_worker_down(&fx, primary);
    ASSERT_I64_EQ(fx.sends_count, 2);
    fixture_worker_down(&fx, rival); /* now it is */
    ASSERT_I64_EQ(fx.sends_count, 3);
    fixture_fini(&fx);
}

/* GOAL    silence makes a worker suspect, then dead: its copies move, its link is closed. */
static void
worker_silent_is_suspect_then_dead(void)
{
    struct core_config config;
    config_with_heartbeat(&config);
    struct fixture fx;
    fixture_start(&fx, &config, 1);
    fixture_submit(&fx, 1, "safe");
    fixture_advance_ms(&fx, 60);
    fixture_worker_up(&fx, 2);
    fixture_advance_ms(&fx, 89);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_LIVE);
    fixture_advance_ms(&fx, 1);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_SUSPECT);
    fixture_load(&fx, 1, 1);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_LIVE);

    fixture_load(&fx, 2, 0);
    fixture_advance_ms(&fx, 149);
    fixture_load(&fx, 2, 0);
    fixture_advance_ms(&fx, 149);
    fixture_load(&fx, 2, 0);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_SUSPECT);
    fixture_advance_ms(&fx, 2);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_DEAD);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[1].kind, ATTEMPT_REDISPATCH);
    fixture_fini(&fx);
}

/* GOAL    a suspect gets no copy while another has room. */
static void
worker_suspect_is_the_last_resort(void)
{
    struct core_config config;
    config_with_heartbeat(&config);
    struct fixture fx;
    fixture_init(&fx, &config);
    fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 1 });
    fixture_worker_up_as(&fx, 2, "w2", (struct fixture_worker){ .slots_count = 8 });
    fixture_advance_ms(&fx, 149);
    fixture_load(&fx, 2, 0);
    fixture_advance_ms(&fx, 1);
    for (uint32_t job = 1; job <= 8; job++) {
        fixture_submit(&fx, job, "safe");
        ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 2);
    }
    fixture_submit(&fx, 9, "safe");
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 1);
    fixture_fini(&fx);
}

/* GOAL    a loser that does not say it stopped makes its worker suspect within
 *         cancel_ack_max; the acknowledgement makes it live again. */
static void
worker_that_leaves_cancels_unheard_is_suspect(void)
{
    struct core_config config;
    config_with_heartbeat(&config);
    struct fixture fx;
    fixture_start(&fx, &config, 1);
    fixture_submit(&fx, 1, "safe");
    fixture_cancel(&fx, 1, CAUSE_USER);
    fixture_advance_ms(&fx, 39);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_LIVE);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).in_flight_count, 1); /* it is load still */
    fixture_advance_ms(&fx, 1);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_SUSPECT);
    fixture_load(&fx, 1, 1); /* a heartbeat is no acknowledgement */
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_SUSPECT);
    fixture_ack(&fx, fixture_ref(1, 1, 1), FATE_STOPPED);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_LIVE);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).in_flight_count, 0);
    fixture_fini(&fx);
}

/* GOAL    one that never acknowledges is closed, though its heart beats. */
static void
worker_that_never_acknowledges_is_closed(void)
{
    struct core_config config;
    config_with_heartbeat(&config);
    struct fixture fx;
    fixture_start(&fx, &config, 1);
    fixture_submit(&fx, 1, "safe");
    fixture_cancel(&fx, 1, CAUSE_USER);
    bool is_closed = false;
    for (int i = 0; i < 6; i++) {
        fixture_advance_ms(&fx, 50);
        is_closed = is_closed || fixture_command(&fx, COMMAND_CLOSE_WORKER, 0) != NULL;
        fixture_load(&fx, 1, 1);
    }
    CU_ASSERT_TRUE(is_closed);
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_DEAD);
    ASSERT_I64_EQ(fixture_view(&fx, 1).attempts[0].state, ATTEMPT_ABANDONED);
    ASSERT_I64_EQ(core_counters(fx.core)->cancels_unacked_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a worker that returns under its name replaces the connection that it had. */
static void
worker_returning_replaces_the_old_one(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    fixture_worker_up_as(&fx, 1, "same", (struct fixture_worker){ .slots_count = 1 });
    fixture_submit(&fx, 1, "safe");
    fixture_worker_up_as(&fx, 2, "same", (struct fixture_worker){ .slots_count = 1 });
    const struct core_command *close = fixture_command(&fx, COMMAND_CLOSE_WORKER, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(close);
    ASSERT_I64_EQ(close->close_worker.link, 1);
    ASSERT_I64_EQ(core_workers_count(fx.core), 1);
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 2);
    fixture_worker_down(&fx, 1); /* stale news */
    ASSERT_I64_EQ(fixture_worker(&fx, 2).state, WORKER_LIVE);
    fixture_reply(&fx, fixture_ref(1, 1, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_RUNNING);
    fixture_fini(&fx);
}

/* GOAL    a draining worker ends what it has and gets nothing new. */
static void
worker_draining_gets_nothing_new(void)
{
    struct fixture fx;
    fixture_init(&fx, NULL);
    fixture_worker_up_as(&fx, 1, "w1", (struct fixture_worker){ .slots_count = 4 });
    fixture_worker_up_as(&fx, 2, "w2", (struct fixture_worker){ .slots_count = 1 });
    fixture_step(&fx, &(struct core_event){ .kind = EVENT_WORKER_DRAIN, .link = 1 });
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_DRAINING);
    fixture_submit(&fx, 1, "safe");
    ASSERT_I64_EQ(fixture_sent_to(&fx, 0), 2);
    fixture_submit(&fx, 2, "safe");
    ASSERT_I64_EQ(fixture_view(&fx, 2).state, JOB_QUEUED);
    fixture_worker_down(&fx, 1);
    ASSERT_I64_EQ(fixture_handler(&fx, "safe").workers_count, 1);
    fixture_fini(&fx);
}

/* GOAL    a coordinator that slept blames nobody for the silence. */
static void
worker_silence_during_our_own_sleep_is_forgiven(void)
{
    struct core_config config;
    config_with_heartbeat(&config);
    struct fixture fx;
    fixture_start(&fx, &config, 1);
    fixture_submit(&fx, 1, "safe");
    fx.now = instant_add(fx.now, duration_ms(900)); /* no TIMER in between */
    fixture_step(&fx, &(struct core_event){ .kind = EVENT_TIMER });
    ASSERT_I64_EQ(fixture_worker(&fx, 1).state, WORKER_LIVE);
    fixture_reply(&fx, fixture_ref(1, 1, 1), REPLY_OK, 1);
    ASSERT_I64_EQ(fixture_view(&fx, 1).state, JOB_SUCCEEDED);
    fixture_fini(&fx);
}

/* GOAL    a handler is idempotent only while all workers that have it say so. */
static void
worker_disagreeing_on_idempotence_is_safe(void)
{
    struct fixture fx;
    fixture_start(&fx, NULL, 1);
    CU_ASSERT_TRUE((fixture_handler(&fx, "safe").flags & HANDLER_IDEMPOTENT) != 0);
    static const struct handler_offer offer = { .name = "safe", .flags = 0 };
    fixture_step(&fx, &(struct core_event){ .kind = EVENT_WORKER_UP,
                          .worker_up = { .link = 2,
                              .name = "w2",
                              .zone = "",
                              .slots_count = 1,
                              .handlers = &offer,
                              .handlers_count = 1 } });
    CU_ASSERT_TRUE((fixture_handler(&fx, "safe").flags & HANDLER_IDEMPOTENT) == 0);
    fixture_worker_down(&fx, 2);
    CU_ASSERT_TRUE((fixture_handler(&fx, "safe").flags & HANDLER_IDEMPOTENT) != 0);
    fixture_fini(&fx);
}

/* GOAL    past workers_max a newcomer is closed, unless a dead one can make room. */
static void
worker_bound_closes_the_newcomer(void)
{
    struct core_config config;
    fixture_config(&config);
    config.workers_max = 2;
    struct fixture fx;
    fixture_start(&fx, &config, 3);
    ASSERT_I64_EQ(fixture_command(&fx, COMMAND_CLOSE_WORKER, 0)->close_worker.link, 3);
    fixture_worker_down(&fx, 1);
    fixture_worker_up(&fx, 4);
    ASSERT_I64_EQ(fx.commands_count, 0);
    ASSERT_I64_EQ(core_workers_count(fx.core), 2);
    fixture_fini(&fx);
}

struct crowd {
    struct fixture fx;
    struct {
        instant_t at;
        struct attempt_ref ref;
    } pending[512]; /* replies under way */
    uint32_t pending_count;
    uint32_t submitted_count;
    uint32_t answered_count;
    uint32_t slow_count;
};

#define CROWD_JOBS  500
#define CROWD_LANES 8

/* Of the next submit, the next reply and the core's own time: what comes first. */
static struct core_event
crowd_next_event(struct crowd *crowd)
{
    struct fixture *fx = &crowd->fx;
    if (crowd->submitted_count < CROWD_JOBS &&
        crowd->submitted_count - crowd->answered_count < CROWD_LANES) {
        struct core_event event = fixture_submit_event(++crowd->submitted_count, "safe");
        event.submit.policy.mode = MODE_HEDGE;
        event.submit.policy.hedge_delay_is_set = true;
        event.submit.policy.hedge_delay = duration_ms(20);
        return event;
    }
    uint32_t first = 0;
    for (uint32_t i = 1; i < crowd->pending_count; i++) {
        if (instant_before(crowd->pending[i].at, crowd->pending[first].at)) {
            first = i;
        }
    }
    instant_t wake_at = core_wake_at(fx->core);
    if (crowd->pending_count > 0 && instant_before(crowd->pending[first].at, wake_at)) {
        struct core_event event = { .kind = EVENT_REPLY,
            .reply = { .ref = crowd->pending[first].ref, .blob = 1 } };
        fx->now = crowd->pending[first].at;
        crowd->pending[first] = crowd->pending[--crowd->pending_count];
        return event;
    }
    fx->now = wake_at;
    return (struct core_event){ .kind = EVENT_TIMER };
}

/* Worker 3 is stopped: what is sent there never comes back. */
static void
crowd_take_commands(struct crowd *crowd)
{
    struct fixture *fx = &crowd->fx;
    for (uint32_t i = 0; i < fx->commands_count; i++) {
        const struct core_command *command = &fx->commands[i];
        if (command->kind == COMMAND_SEND && command->send.link != 3) {
            crowd->pending[crowd->pending_count].at = instant_add(fx->now, duration_ms(2));
            crowd->pending[crowd->pending_count++].ref =
                (struct attempt_ref){ command->send.link, command->job, command->send.attempt };
        }
        if (command->kind == COMMAND_ANSWER) {
            struct job_view view;
            CU_ASSERT_TRUE(core_job(fx->core, command->job, &view));
            ASSERT_I64_EQ(view.state, JOB_SUCCEEDED);
            crowd->answered_count++;
            crowd->slow_count +=
                instant_since(view.finished_at, view.created_at).ns > duration_ms(100).ns;
        }
    }
}

/* GOAL    one of three workers stops answering under load: every job is answered in time by
 *         its hedge, within the budget, and the stopped one is soon shunned.
 * METHOD  500 jobs, 8 at a time, 2 ms each, 2 slots a worker, hedge at 20 ms, 5 % + 10. */
static void
worker_stopped_under_load_is_outrun(void)
{
    static struct crowd crowd;
    struct fixture *fx = &crowd.fx;
    fixture_init(fx, NULL);
    for (uint32_t link = 1; link <= 3; link++) {
        char name[16];
        snprintf(name, sizeof name, "w%u", link);
        fixture_worker_up_as(
            fx, link, name, (struct fixture_worker){ .slots_count = 2, .queue_max = 64 });
    }
    while (crowd.answered_count < CROWD_JOBS) {
        struct core_event event = crowd_next_event(&crowd);
        fixture_step(fx, &event);
        crowd_take_commands(&crowd);
    }
    CU_ASSERT_TRUE(crowd.slow_count <= 5); /* p99 */
    CU_ASSERT_TRUE(fixture_handler(fx, "safe").attempts_count[ATTEMPT_HEDGE] <= 35);
    fixture_advance_ms(fx, 250);
    ASSERT_I64_EQ(fixture_worker(fx, 3).state, WORKER_SUSPECT);
    fixture_fini(fx);
}

/* GOAL    with more workers than are looked at for each job, no room stays empty while jobs
 *         wait, whatever ends where (C8, asserted in each step).
 * METHOD  48 workers of 1 to 3 slots, 128 jobs, random replies, refusals, losses, returns. */
static void
worker_crowd_leaves_no_room_empty(void)
{
    struct core_config config;
    fixture_config(&config);
    config.jobs_max = 256;
    config.workers_max = 64;
    struct fixture fx;
    fixture_init(&fx, &config);
    struct rng rng;
    rng_init(&rng, 11);
    uint32_t link_of[48];
    uint32_t links_count = 0;
    uint32_t jobs_count = 0;
    for (uint32_t round = 0; round < 6000; round++) {
        uint32_t at = rng_below(&rng, 48);
        uint32_t what = rng_below(&rng, 100);
        if (links_count < 48) {
            at = links_count++;
            what = 0;
        }
        if (what < 2) {
            char name[16];
            snprintf(name, sizeof name, "w%u", at);
            link_of[at] = round + 1;
            fixture_worker_up_as(
                &fx, round + 1, name, (struct fixture_worker){ .slots_count = 1 + at % 3 });
        } else if (what < 50 && core_counters(fx.core)->jobs_live_count < 128) {
            fixture_submit(&fx, jobs_count++, what < 40 ? "safe" : "once");
        } else {
            uint32_t job =
                jobs_count - 1 - rng_below(&rng, jobs_count < 128 ? jobs_count : 128);
            struct job_view view;
            if (core_job(fx.core, fixture_job_id(job), &view) && view.attempts_count > 0) {
                const struct attempt_view *last = &view.attempts[view.attempts_count - 1];
                uint32_t worker = (uint32_t) strtoul(last->worker + 1, NULL, 10);
                struct attempt_ref ref = fixture_ref(link_of[worker], job, last->number);
                if (what < 60) {
                    fixture_busy(&fx, ref);
                } else {
                    fixture_reply(&fx, ref, what < 70 ? REPLY_FAILED_RETRYABLE : REPLY_OK, 1);
                }
            }
        }
        fixture_advance_ms(&fx, rng_below(&rng, 3));
    }
    CU_ASSERT_TRUE(fx.sends_count > 500);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(worker_crowd_leaves_no_room_empty),
    TEST(worker_least_loaded_for_its_slots_is_chosen),
    TEST(worker_queue_is_used_when_slots_are_taken),
    TEST(worker_equals_are_chosen_by_seeded_lot),
    TEST(worker_foreign_load_counts),
    TEST(worker_lost_copies_are_replaced),
    TEST(worker_lost_with_what_is_not_idempotent_fails_it),
    TEST(worker_lost_again_and_again_fails_the_job),
    TEST(worker_lost_while_a_rival_lives_is_waited_for),
    TEST(worker_silent_is_suspect_then_dead),
    TEST(worker_suspect_is_the_last_resort),
    TEST(worker_that_leaves_cancels_unheard_is_suspect),
    TEST(worker_that_never_acknowledges_is_closed),
    TEST(worker_returning_replaces_the_old_one),
    TEST(worker_draining_gets_nothing_new),
    TEST(worker_silence_during_our_own_sleep_is_forgiven),
    TEST(worker_disagreeing_on_idempotence_is_safe),
    TEST(worker_bound_closes_the_newcomer),
    TEST(worker_stopped_under_load_is_outrun),
};
TEST_MAIN("core_worker", tests)

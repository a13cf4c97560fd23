/* SPDX-License-Identifier: MIT
 *
 * Overload in virtual time: one worker of one slot, jobs of 10 ms, arrivals at any rate.
 */
#include "tests/support/core_fixture.h"

#define SERVICE_MS 10
#define TIMEOUT_MS 200

struct crowd {
    struct fixture fx;
    uint32_t submitted_count;
    uint32_t accepted_count;
    uint32_t refused_count;
    uint32_t ok_count;
    uint32_t running; /* the job at the worker, 0 none */
    int64_t ends_ns;
    duration_t retry_after; /* of the last refusal */
};

static void
crowd_init(struct crowd *crowd)
{
    struct core_config config;
    memset(crowd, 0, sizeof *crowd);
    fixture_config(&config);
    config.jobs_max = 1024;
    config.finished_max = 4096;
    fixture_start(&crowd->fx, &config, 1);
}

/* What the last step sent goes to the worker. */
static void
take_commands(struct crowd *crowd)
{
    struct fixture *fx = &crowd->fx;
    for (uint32_t i = 0; i < fx->commands_count; i++) {
        const struct core_command *command = &fx->commands[i];
        if (command->kind == COMMAND_SEND) {
            CU_ASSERT_EQUAL_FATAL(crowd->running, 0);
            memcpy(&crowd->running, command->job.bytes + 8, sizeof crowd->running);
            crowd->ends_ns = fx->now.ns + duration_ms(SERVICE_MS).ns;
        } else if (command->kind == COMMAND_REFUSE) {
            ASSERT_I64_EQ(command->refuse.why, SUBMIT_LATE);
            crowd->refused_count++;
            crowd->retry_after = command->refuse.retry_after;
        } else if (command->kind == COMMAND_ACCEPT) {
            crowd->accepted_count++;
        } else if (command->kind == COMMAND_CANCEL) {
            crowd->running = 0; /* it stops at once */
            fixture_ack(fx,
                (struct attempt_ref){ .link = command->cancel.link,
                    .job = command->job,
                    .attempt = command->cancel.attempt },
                FATE_STOPPED);
            take_commands(crowd);
            return;
        }
    }
}

static void
finish_running(struct crowd *crowd)
{
    uint32_t job = crowd->running;
    crowd->running = 0;
    crowd->ok_count++;
    fixture_reply(&crowd->fx, fixture_ref(1, job, 1), REPLY_OK, 1);
    take_commands(crowd);
}

static void
fire_timers(struct crowd *crowd)
{
    fixture_step(&crowd->fx, &(struct core_event){ .kind = EVENT_TIMER });
    take_commands(crowd);
}

/* Arrivals each gap_us, for so long. */
static void
crowd_run(struct crowd *crowd, int64_t gap_us, int64_t ms)
{
    struct fixture *fx = &crowd->fx;
    int64_t until_ns = fx->now.ns + duration_ms(ms).ns;
    int64_t next_ns = fx->now.ns;
    for (;;) {
        int64_t end_ns = crowd->running != 0 ? crowd->ends_ns : INT64_MAX;
        int64_t wake_ns = core_wake_at(fx->core).ns;
        int64_t first_ns = next_ns < end_ns ? next_ns : end_ns;
        first_ns = wake_ns < first_ns ? wake_ns : first_ns;
        if (first_ns >= until_ns) {
            break;
        }
        fx->now.ns = first_ns > fx->now.ns ? first_ns : fx->now.ns;
        if (first_ns == wake_ns) {
            fire_timers(crowd);
        } else if (first_ns == end_ns) {
            finish_running(crowd);
        } else {
            struct core_event event = fixture_submit_event(++crowd->submitted_count, "safe");
            event.submit.timeout = duration_ms(TIMEOUT_MS);
            event.submit.policy.mode = MODE_SINGLE;
            fixture_step(fx, &event);
            take_commands(crowd);
            next_ns += gap_us * 1000;
        }
    }
    fx->now.ns = until_ns;
}

/* GOAL    at any overload nearly all that is accepted ends in time, and the worker is always
 *         busy with it: goodput is what the slots can do.
 * METHOD  2, 5 and 10 times of the capacity, two seconds each; 100 jobs a second fit. */
static void
admit_overload_costs_no_goodput(void)
{
    static const int64_t factors[] = { 2, 5, 10 };
    for (unsigned i = 0; i < 3; i++) {
        struct crowd crowd;
        crowd_init(&crowd);
        crowd_run(&crowd, SERVICE_MS * 1000 / factors[i], 1000); /* until it is measured */
        uint32_t ok_before = crowd.ok_count;
        uint32_t accepted_before = crowd.accepted_count;
        crowd_run(&crowd, SERVICE_MS * 1000 / factors[i], 2000);
        uint32_t ok_count = crowd.ok_count - ok_before;
        CU_ASSERT_TRUE(ok_count >= 195);
        CU_ASSERT_TRUE(crowd.refused_count > 0);
        CU_ASSERT_TRUE(crowd.retry_after.ns > 0);
        CU_ASSERT_TRUE(crowd.retry_after.ns <= duration_ms(TIMEOUT_MS).ns);
        /* Hardly anybody is let in for nothing. */
        CU_ASSERT_TRUE(crowd.accepted_count - accepted_before <= ok_count + 20);
        fixture_fini(&crowd.fx);
    }
}

/* GOAL    below the capacity nobody is refused, also just after an overload. */
static void
admit_refuses_nobody_without_need(void)
{
    struct crowd crowd;
    crowd_init(&crowd);
    crowd_run(&crowd, 12 * 1000, 3000);
    ASSERT_I64_EQ(crowd.refused_count, 0);
    crowd_run(&crowd, 1 * 1000, 1000);
    CU_ASSERT_TRUE(crowd.refused_count > 500);
    crowd_run(&crowd, 1000 * 1000, 1000); /* the queue empties */
    uint32_t refused_count = crowd.refused_count;
    crowd_run(&crowd, 12 * 1000, 3000);
    ASSERT_I64_EQ(crowd.refused_count, refused_count);
    fixture_fini(&crowd.fx);
}

static const struct test tests[] = {
    TEST(admit_overload_costs_no_goodput),
    TEST(admit_refuses_nobody_without_need),
};

TEST_MAIN("core_admit", tests)

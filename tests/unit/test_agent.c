/* SPDX-License-Identifier: MIT
 *
 * The agent on the real scheduler, with a list of frames for a link and handlers that do
 * what the test says.
 */
#include "worker/agent.h"

#include "tests/support/cunit_main.h"
#include "tests/support/fake_link.h"

#include <sched.h>
#include <stdatomic.h>

#define LONG_US    (60u * 1000 * 1000)
#define CAUSE_USER 3

/* ---- handlers that obey the test ----------------------------------------------------- */

struct stage {
    atomic_uint entered_count;
    atomic_uint stopped_count;
    atomic_bool is_open;
    atomic_int cause; /* of the last stop */
};

/* Parks until it is stopped. */
static void
gate_run(struct run *run, void *user)
{
    struct stage *stage = user;
    atomic_fetch_add(&stage->entered_count, 1);
    while (!atomic_load(&stage->is_open)) {
        if (hr_sleep(100000) != 0) {
            atomic_store(&stage->cause, hr_ctx_cause(run->ctx));
            atomic_fetch_add(&stage->stopped_count, 1);
            return;
        }
    }
    run_reply(run, "open", 4, "text/plain");
}

/* Does not care for its cancellation. */
static void
stubborn_run(struct run *run, void *user)
{
    struct stage *stage = user;
    atomic_fetch_add(&stage->entered_count, 1);
    while (!atomic_load(&stage->is_open)) {
        hr_yield();
    }
    run_reply(run, "at last", 7, "text/plain");
}

static void
fail_run(struct run *run, void *user)
{
    (void) user;
    run_fail(run, /* is_retryable= */ true, "try %d", 2);
}

static void
silent_run(struct run *run, void *user)
{
    (void) run;
    (void) user;
}

static void
mirror_run(struct run *run, void *user)
{
    (void) user;
    size_t size;
    const uint8_t *input = run_input(run, &size);
    run_reply(run, input, size, "text/plain");
}

static void
flood_run(struct run *run, void *user)
{
    (void) user;
    static uint8_t bytes[WIRE_BULK_SIZE_MAX + 1];
    run_reply(run, bytes, sizeof bytes, "text/plain");
}

/* Its fiber is not under the ctx: it hears of the stop by a hook, and takes its time. */
static void
self_run(struct run *run, void *user)
{
    struct stage *stage = user;
    atomic_fetch_add(&stage->entered_count, 1);
    while (hr_ctx_err(run->ctx) == 0) {
        CU_ASSERT_EQUAL(hr_sleep(100000), 0);
    }
    CU_ASSERT_EQUAL(hr_sleep(100000), 0); /* waits even now */
    atomic_fetch_add(&stage->stopped_count, 1);
}

/* ---- fixture ------------------------------------------------------------------------- */

struct fixture {
    struct stage stage;
    struct fake_link link;
    struct registry *registry;
    struct agent *agent;
    struct agent_port *port;
    atomic_uint idles_count;
};

static void
on_idle(void *user)
{
    struct fixture *fx = user;
    atomic_fetch_add(&fx->idles_count, 1);
}

static struct agent_config
config_default(struct fixture *fx)
{
    return (struct agent_config){
        .registry = fx->registry,
        .incarnation = 42,
        .slots_cpu_count = 1,
        .slots_other_count = 2,
        .queue_max = 1,
        .inputs_size_max = 1 << 20,
        .heartbeat = duration_s(3600),
        .heartbeats_missed_max = 3,
        .seed = 5,
        .on_idle = on_idle,
        .user = fx,
    };
}

static void
fixture_add(struct fixture *fx, const char *name, uint32_t flags,
    void (*run)(struct run *run, void *user))
{
    struct handler handler = { .flags = flags, .run = run, .user = &fx->stage };
    snprintf(handler.name, sizeof handler.name, "%s", name);
    CU_ASSERT_EQUAL_FATAL(registry_add(fx->registry, &handler), ERR_OK);
}

/* Before fixture_start the config may be changed. */
static void
fixture_init(struct fixture *fx, struct agent_config *config)
{
    memset(fx, 0, sizeof *fx);
    fake_link_init(&fx->link);
    CU_ASSERT_EQUAL_FATAL(registry_new(&fx->registry), ERR_OK);
    fixture_add(fx, "gate", HANDLER_IDEMPOTENT, gate_run);
    fixture_add(fx, "stubborn", 0, stubborn_run);
    fixture_add(fx, "fail", 0, fail_run);
    fixture_add(fx, "silent", 0, silent_run);
    fixture_add(fx, "mirror", 0, mirror_run);
    fixture_add(fx, "flood", 0, flood_run);
    fixture_add(fx, "self", HANDLER_STOPS_ITSELF, self_run);
    *config = config_default(fx);
}

static void
fixture_start(struct fixture *fx, const struct agent_config *config)
{
    const struct hr_options options = { .procs_count = 2 };
    CU_ASSERT_EQUAL_FATAL(hr_start(&options), 0);
    CU_ASSERT_EQUAL_FATAL(agent_new(config, &fx->agent), ERR_OK);
    const struct agent_link link = { .user = &fx->link, .send = fake_link_send };
    fx->port = agent_port_add(fx->agent, &link);
    agent_on_up(fx->port, /* epoch= */ 7);
}

static void
fixture_default(struct fixture *fx)
{
    struct agent_config config;
    fixture_init(fx, &config);
    fixture_start(fx, &config);
}

/* What was heard can still be asked. */
static void
fixture_stop(struct fixture *fx)
{
    if (fx->agent != NULL) {
        CU_ASSERT_EQUAL(hr_stop(), 0); /* waits for every fiber: none is lost */
        agent_free(fx->agent);
        fx->agent = NULL;
    }
}

static void
fixture_fini(struct fixture *fx)
{
    fixture_stop(fx);
    registry_free(fx->registry);
    fake_link_fini(&fx->link);
}

static void
send_job(struct fixture *fx, uint32_t job, const char *handler, uint64_t budget_us)
{
    struct wire_msg msg = fake_link_job(job, handler, "input", budget_us);
    agent_on_message(fx->port, &msg);
}

static void
send_cancel(struct fixture *fx, uint32_t job)
{
    struct wire_msg msg = fake_link_cancel(job, CAUSE_USER);
    agent_on_message(fx->port, &msg);
}

static void
wait_entered(struct fixture *fx, unsigned count)
{
    while (atomic_load(&fx->stage.entered_count) < count) {
        sched_yield();
    }
}

static struct agent_counts
counts_of(struct fixture *fx)
{
    struct agent_counts counts;
    agent_counts(fx->agent, &counts);
    return counts;
}

/* ---- running ------------------------------------------------------------------------- */

static void
agent_job_is_started_and_answered(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "mirror", LONG_US);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_RESULT, 1, 1);
    ASSERT_I64_EQ(frame.status, WIRE_OK);
    ASSERT_STR_EQ(frame.text, "input");
    ASSERT_I64_EQ(frame.epoch, 7);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_STARTED, 1), 1);
    fixture_fini(&fx);
}

/* GOAL    each way to fail has its status and its words. */
static void
agent_failures_are_told(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "fail", LONG_US);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_RESULT, 1, 1);
    ASSERT_I64_EQ(frame.status, WIRE_FAILED_RETRYABLE);
    ASSERT_STR_EQ(frame.text, "try 2");
    send_job(&fx, 2, "silent", LONG_US);
    frame = fake_link_wait(&fx.link, WIRE_RESULT, 2, 1);
    ASSERT_I64_EQ(frame.status, WIRE_FAILED_FINAL);
    ASSERT_STR_EQ(frame.text, "the handler returned without a word");
    send_job(&fx, 3, "flood", LONG_US);
    frame = fake_link_wait(&fx.link, WIRE_RESULT, 3, 1);
    ASSERT_I64_EQ(frame.status, WIRE_FAILED_FINAL);
    ASSERT_STR_EQ(frame.text, "result is larger than 4194304 bytes");
    send_job(&fx, 4, "nowhere", LONG_US);
    frame = fake_link_wait(&fx.link, WIRE_RESULT, 4, 1);
    ASSERT_I64_EQ(frame.status, WIRE_FAILED_RETRYABLE);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_STARTED, 4), 0);
    ASSERT_I64_EQ(counts_of(&fx).unknown_handlers_count, 1);
    fixture_fini(&fx);
}

/* GOAL    two run, one waits, the next hears BUSY; the one that waits starts when a slot is
 *         free; a hedge does not wait. */
static void
agent_queue_is_bounded(void)
{
    struct fixture fx;
    fixture_default(&fx);
    for (uint32_t job = 1; job <= 4; job++) {
        send_job(&fx, job, "gate", LONG_US);
    }
    fake_link_wait(&fx.link, WIRE_BUSY, 4, 1);
    wait_entered(&fx, 2);
    ASSERT_I64_EQ(counts_of(&fx).attempts.queued_count, 1);
    send_cancel(&fx, 1);
    fake_link_wait(&fx.link, WIRE_STARTED, 3, 1);
    struct wire_msg hedge = fake_link_job(5, "gate", "", LONG_US);
    hedge.job.is_hedge = true;
    agent_on_message(fx.port, &hedge);
    fake_link_wait(&fx.link, WIRE_BUSY, 5, 1);
    atomic_store(&fx.stage.is_open, true);
    fake_link_wait(&fx.link, WIRE_RESULT, 2, 1);
    fake_link_wait(&fx.link, WIRE_RESULT, 3, 1);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_RESULT, 4), 0);
    fixture_fini(&fx);
}

/* GOAL    a result that the link has no room for waits for it, and is not lost. */
static void
agent_full_link_delays_the_result(void)
{
    struct fixture fx;
    fixture_default(&fx);
    fx.link.fulls_count = 3;
    send_job(&fx, 1, "mirror", LONG_US);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_RESULT, 1, 1);
    ASSERT_STR_EQ(frame.text, "input");
    ASSERT_I64_EQ(counts_of(&fx).results_delayed_count, 1);
    ASSERT_I64_EQ(counts_of(&fx).frames_lost_count, 0);
    fixture_fini(&fx);
}

static void
agent_duplicate_runs_once(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "gate", LONG_US);
    wait_entered(&fx, 1);
    send_job(&fx, 1, "gate", LONG_US);
    atomic_store(&fx.stage.is_open, true);
    fake_link_wait(&fx.link, WIRE_RESULT, 1, 1);
    send_job(&fx, 1, "gate", LONG_US);
    ASSERT_I64_EQ(counts_of(&fx).attempts.duplicates_count, 2);
    fixture_stop(&fx);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_STARTED, 1), 1);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_RESULT, 1), 1);
    fixture_fini(&fx);
}

/* ---- stopping ------------------------------------------------------------------------ */

static void
agent_cancel_stops_a_parked_handler(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "gate", LONG_US);
    wait_entered(&fx, 1);
    send_cancel(&fx, 1);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_CANCEL_ACK, 1, 1);
    ASSERT_I64_EQ(frame.fate, ATTEMPTS_FATE_STOPPED);
    ASSERT_I64_EQ(atomic_load(&fx.stage.cause), HR_CAUSE_USER + CAUSE_USER);
    fixture_stop(&fx);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 1);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_RESULT, 1), 0);
    fixture_fini(&fx);
}

/* GOAL    one that finishes in spite of its cancel is acknowledged as completed: not before. */
static void
agent_cancel_waits_for_a_stubborn_handler(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "stubborn", LONG_US);
    wait_entered(&fx, 1);
    send_cancel(&fx, 1);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_CANCEL_ACK, 1), 0);
    atomic_store(&fx.stage.is_open, true);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_CANCEL_ACK, 1, 1);
    ASSERT_I64_EQ(frame.fate, ATTEMPTS_FATE_COMPLETED);
    fixture_stop(&fx);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_RESULT, 1), 0);
    fixture_fini(&fx);
}

/* GOAL    a handler that sees to its own end may wait after it was stopped. */
static void
agent_cancel_lets_a_handler_stop_itself(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "self", LONG_US);
    wait_entered(&fx, 1);
    send_cancel(&fx, 1);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_CANCEL_ACK, 1, 1);
    ASSERT_I64_EQ(frame.fate, ATTEMPTS_FATE_STOPPED);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 1);
    fixture_fini(&fx);
}

static void
agent_cancel_before_its_job_is_remembered(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_cancel(&fx, 1);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_CANCEL_ACK, 1, 1);
    ASSERT_I64_EQ(frame.fate, ATTEMPTS_FATE_NOT_SEEN);
    send_job(&fx, 1, "mirror", LONG_US);
    fixture_stop(&fx);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_STARTED, 1), 0);
    fixture_fini(&fx);
}

/* GOAL    out of time is an acknowledged stop, also when the worker's clock is first. */
static void
agent_deadline_stops_and_awaits_the_cancel(void)
{
    struct fixture fx;
    fixture_default(&fx);
    uint32_t attempt = 1;
    send_job(&fx, attempt, "gate", /* budget_us= */ 5000);
    while (counts_of(&fx).attempts.lapsed_count == 0) {
        if (counts_of(&fx).attempts.expired_count >= attempt) { /* before it started */
            send_job(&fx, ++attempt, "gate", /* budget_us= */ 5000);
        }
        sched_yield();
    }
    ASSERT_I64_EQ(counts_of(&fx).attempts.running_count, 0);
    ASSERT_I64_EQ(atomic_load(&fx.stage.cause), HR_CAUSE_DEADLINE);
    send_cancel(&fx, attempt);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_CANCEL_ACK, attempt, 1);
    ASSERT_I64_EQ(frame.fate, ATTEMPTS_FATE_STOPPED);
    CU_ASSERT_TRUE(frame.ran_us > 0);
    fixture_stop(&fx);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_RESULT, attempt), 0);
    fixture_fini(&fx);
}

/* GOAL    the chaos pause ends when the copy is stopped, and the handler does not run then. */
static void
agent_stall_is_cancellable(void)
{
    struct fixture fx;
    struct agent_config config;
    fixture_init(&fx, &config);
    config.stall_share = 1.0;
    config.stall = duration_s(3600);
    fixture_start(&fx, &config);
    send_job(&fx, 1, "gate", 2 * 3600 * UINT64_C(1000000));
    fake_link_wait(&fx.link, WIRE_STARTED, 1, 1);
    send_cancel(&fx, 1);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_CANCEL_ACK, 1, 1);
    ASSERT_I64_EQ(frame.fate, ATTEMPTS_FATE_STOPPED);
    ASSERT_I64_EQ(atomic_load(&fx.stage.entered_count), 0);
    ASSERT_I64_EQ(counts_of(&fx).stalled_count, 1);
    fixture_fini(&fx);
}

/* ---- links come and go --------------------------------------------------------------- */

/* GOAL    when the coordinator is back, also as another one, its old copies stop in silence. */
static void
agent_new_session_stops_the_old_copies(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "gate", LONG_US);
    send_job(&fx, 2, "gate", LONG_US);
    send_job(&fx, 3, "gate", LONG_US); /* waits */
    wait_entered(&fx, 2);
    agent_on_down(fx.port, ERR_CLOSED);
    agent_on_up(fx.port, /* epoch= */ 8);
    send_job(&fx, 1, "mirror", LONG_US); /* the same numbers, another copy */
    struct fake_frame frame;
    do {
        frame = fake_link_wait(&fx.link, WIRE_STARTED, 1, 1);
    } while (frame.job != 1);
    frame = fake_link_wait(&fx.link, WIRE_RESULT, 1, 1);
    ASSERT_I64_EQ(frame.epoch, 8);
    fixture_stop(&fx);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 2);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_RESULT, 0), 1);
    ASSERT_I64_EQ(fake_link_count(&fx.link, WIRE_CANCEL_ACK, 0), 0);
    fixture_fini(&fx);
}

/* GOAL    a link that is down for too long stops its copies; one that timed out has been
 *         silent for so long already. */
static void
agent_lost_link_stops_its_copies(void)
{
    struct fixture fx;
    struct agent_config config;
    fixture_init(&fx, &config);
    config.heartbeat = duration_ms(1);
    fixture_start(&fx, &config);
    send_job(&fx, 1, "gate", LONG_US);
    wait_entered(&fx, 1);
    agent_on_down(fx.port, ERR_CLOSED);
    while (atomic_load(&fx.stage.stopped_count) == 0) {
        agent_tick(fx.agent);
    }
    ASSERT_I64_EQ(atomic_load(&fx.stage.cause), HR_CAUSE_USER + (int) AGENT_CAUSE_LINK_LOST);
    fixture_fini(&fx);

    fixture_default(&fx); /* a heartbeat of an hour: only the reason counts */
    send_job(&fx, 1, "gate", LONG_US);
    wait_entered(&fx, 1);
    agent_on_down(fx.port, ERR_TIMEOUT);
    fixture_stop(&fx);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 1);
    fixture_fini(&fx);
}

/* GOAL    a link that is down but not lost leaves its copies alone. */
static void
agent_short_loss_stops_nothing(void)
{
    struct fixture fx;
    fixture_default(&fx);
    send_job(&fx, 1, "gate", LONG_US);
    wait_entered(&fx, 1);
    agent_on_down(fx.port, ERR_CLOSED);
    agent_tick(fx.agent);
    ASSERT_I64_EQ(counts_of(&fx).attempts.running_count, 1);
    atomic_store(&fx.stage.is_open, true);
    fixture_stop(&fx);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 0);
    fixture_fini(&fx);
}

/* ---- the worker's own end ------------------------------------------------------------ */

static void
agent_drain_finishes_what_runs(void)
{
    struct fixture fx;
    fixture_default(&fx);
    for (uint32_t job = 1; job <= 3; job++) {
        send_job(&fx, job, "gate", LONG_US);
    }
    wait_entered(&fx, 2);
    agent_drain(fx.agent);
    fake_link_wait(&fx.link, WIRE_DRAIN, 0, 1);
    fake_link_wait(&fx.link, WIRE_BUSY, 3, 1);
    send_job(&fx, 4, "gate", LONG_US);
    fake_link_wait(&fx.link, WIRE_BUSY, 4, 1);
    ASSERT_I64_EQ(atomic_load(&fx.idles_count), 0);
    atomic_store(&fx.stage.is_open, true);
    fake_link_wait(&fx.link, WIRE_RESULT, 0, 2);
    fixture_stop(&fx);
    ASSERT_I64_EQ(atomic_load(&fx.idles_count), 1);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 0);
    fixture_fini(&fx);
}

static void
agent_shutdown_answers_everyone(void)
{
    struct fixture fx;
    fixture_default(&fx);
    for (uint32_t job = 1; job <= 3; job++) {
        send_job(&fx, job, "gate", LONG_US);
    }
    wait_entered(&fx, 2);
    agent_drain(fx.agent);
    agent_stop_all(fx.agent, AGENT_CAUSE_SHUTDOWN);
    fake_link_wait(&fx.link, WIRE_BUSY, 3, 1);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_RESULT, 0, 2);
    ASSERT_I64_EQ(frame.status, WIRE_FAILED_RETRYABLE);
    fixture_stop(&fx);
    ASSERT_I64_EQ(atomic_load(&fx.idles_count), 1);
    ASSERT_I64_EQ(atomic_load(&fx.stage.stopped_count), 2);
    fixture_fini(&fx);
}

/* GOAL    LOAD comes when the link is up, and when much has changed. */
static void
agent_load_tells_of_change(void)
{
    struct fixture fx;
    struct agent_config config;
    fixture_init(&fx, &config);
    config.slots_other_count = 100;
    fixture_start(&fx, &config);
    struct fake_frame frame = fake_link_wait(&fx.link, WIRE_LOAD, 0, 1);
    ASSERT_I64_EQ(frame.load.running_count, 0);
    for (uint32_t job = 1; job <= 50; job++) {
        send_job(&fx, job, "gate", LONG_US);
    }
    while (fake_link_count(&fx.link, WIRE_LOAD, 0) < 2) {
        agent_tick(fx.agent);
    }
    frame = fake_link_wait(&fx.link, WIRE_LOAD, 0, 2);
    CU_ASSERT_TRUE(frame.load.running_count >= 4);
    atomic_store(&fx.stage.is_open, true);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(agent_job_is_started_and_answered),
    TEST(agent_failures_are_told),
    TEST(agent_queue_is_bounded),
    TEST(agent_full_link_delays_the_result),
    TEST(agent_duplicate_runs_once),
    TEST(agent_cancel_stops_a_parked_handler),
    TEST(agent_cancel_waits_for_a_stubborn_handler),
    TEST(agent_cancel_lets_a_handler_stop_itself),
    TEST(agent_cancel_before_its_job_is_remembered),
    TEST(agent_deadline_stops_and_awaits_the_cancel),
    TEST(agent_stall_is_cancellable),
    TEST(agent_new_session_stops_the_old_copies),
    TEST(agent_lost_link_stops_its_copies),
    TEST(agent_short_loss_stops_nothing),
    TEST(agent_drain_finishes_what_runs),
    TEST(agent_shutdown_answers_everyone),
    TEST(agent_load_tells_of_change),
};
TEST_MAIN("agent", tests)

/* SPDX-License-Identifier: MIT
 *
 * tests/support/core_fixture.h - a core, a made-up clock, and what it commanded.
 *
 * Every step is followed by core_check(), so each test also asserts all invariants.
 * Worker n has link n; job n has an id made of n.
 */
#ifndef TESTS_SUPPORT_CORE_FIXTURE_H
#define TESTS_SUPPORT_CORE_FIXTURE_H

#include "coordinator/core/core.h"
#include "tests/support/cunit_main.h"

#define FIXTURE_COMMANDS_MAX 4096

struct fixture {
    struct core *core;
    struct core_config config;
    instant_t now;
    struct core_command commands[FIXTURE_COMMANDS_MAX]; /* of the last step */
    uint32_t commands_count;
    uint32_t sends_count; /* in all */
    uint32_t cancels_count;
    uint32_t answers_count;
};

static inline job_id_t
fixture_job_id(uint32_t number)
{
    job_id_t id = { { 1 } };
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static inline void
fixture_step(struct fixture *fx, const struct core_event *event)
{
    core_step(fx->core, fx->now, event);
    fx->commands_count = 0;
    struct core_command command;
    while (core_next_command(fx->core, &command)) {
        if (fx->commands_count < FIXTURE_COMMANDS_MAX) {
            fx->commands[fx->commands_count++] = command;
        }
        fx->sends_count += command.kind == COMMAND_SEND;
        fx->cancels_count += command.kind == COMMAND_CANCEL;
        fx->answers_count += command.kind == COMMAND_ANSWER;
    }
    core_check(fx->core);
}

/* What the core promises while nothing happens: a TIMER at each moment it asks for. */
static inline void
fixture_advance_to(struct fixture *fx, instant_t until)
{
    while (instant_reached(until, core_wake_at(fx->core))) {
        instant_t wake_at = core_wake_at(fx->core);
        fx->now = instant_before(fx->now, wake_at) ? wake_at : fx->now;
        fixture_step(fx, &(struct core_event){ .kind = EVENT_TIMER });
    }
    fx->now = until;
}

static inline void
fixture_advance_ms(struct fixture *fx, int64_t ms)
{
    fixture_advance_to(fx, instant_add(fx->now, duration_ms(ms)));
}

static inline void
fixture_config(struct core_config *config)
{
    core_config_default(config);
    config->seed = 42;
    config->jobs_max = 64;
    config->finished_max = 64;
    config->workers_max = 16;
    config->heartbeat = duration_s(3600); /* tests of silence set their own */
}

static inline void
fixture_init(struct fixture *fx, const struct core_config *config)
{
    memset(fx, 0, sizeof *fx);
    fx->now = (instant_t){ .ns = 1000000000 };
    if (config != NULL) {
        fx->config = *config;
    } else {
        fixture_config(&fx->config);
    }
    CU_ASSERT_EQUAL_FATAL(core_new(&fx->config, &fx->core), ERR_OK);
}

static inline void
fixture_fini(struct fixture *fx)
{
    core_free(fx->core);
}

struct fixture_worker {
    uint32_t slots_count;
    uint32_t queue_max;
    const char *zone;
};

static inline void
fixture_worker_up_as(
    struct fixture *fx, uint32_t link, const char *name, struct fixture_worker shape)
{
    static const struct handler_offer offers[] = {
        { .name = "safe", .flags = HANDLER_IDEMPOTENT },
        { .name = "once", .flags = 0 },
    };
    fixture_step(fx, &(struct core_event){ .kind = EVENT_WORKER_UP,
                         .worker_up = { .link = link,
                             .name = name,
                             .zone = shape.zone != NULL ? shape.zone : "",
                             .incarnation = 1000 + link,
                             .slots_count = shape.slots_count,
                             .queue_max = shape.queue_max,
                             .handlers = offers,
                             .handlers_count = ARRAY_COUNT(offers) } });
}

/* A worker named "w<link>" with one slot and no queue. */
static inline void
fixture_worker_up(struct fixture *fx, uint32_t link)
{
    char name[16];
    snprintf(name, sizeof name, "w%u", link);
    fixture_worker_up_as(fx, link, name, (struct fixture_worker){ .slots_count = 1 });
}

/* With workers 1 to workers_count. */
static inline void
fixture_start(struct fixture *fx, const struct core_config *config, uint32_t workers_count)
{
    fixture_init(fx, config);
    for (uint32_t link = 1; link <= workers_count; link++) {
        fixture_worker_up(fx, link);
    }
}

static inline struct core_event
fixture_submit_event(uint32_t job, const char *handler)
{
    return (struct core_event){ .kind = EVENT_SUBMIT,
        .submit = { .job = fixture_job_id(job),
            .handler = handler,
            .timeout = duration_ms(1000),
            .policy = { .mode = MODE_SINGLE, .idempotent = -1 } } };
}

static inline void
fixture_submit(struct fixture *fx, uint32_t job, const char *handler)
{
    struct core_event event = fixture_submit_event(job, handler);
    fixture_step(fx, &event);
}

static inline void
fixture_submit_hedged(struct fixture *fx, uint32_t job, int64_t delay_ms)
{
    struct core_event event = fixture_submit_event(job, "safe");
    event.submit.policy.mode = MODE_HEDGE;
    event.submit.policy.hedge_delay_is_set = true;
    event.submit.policy.hedge_delay = duration_ms(delay_ms);
    fixture_step(fx, &event);
}

static inline struct attempt_ref
fixture_ref(uint32_t link, uint32_t job, uint32_t attempt)
{
    return (struct attempt_ref){ .link = link, .job = fixture_job_id(job), .attempt = attempt };
}

static inline void
fixture_reply(struct fixture *fx, struct attempt_ref ref, enum reply_status status, blob_t blob)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_REPLY,
                         .reply = { .ref = ref,
                             .status = status,
                             .blob = blob,
                             .message = status == REPLY_OK ? NULL : "it broke",
                             .ran = duration_ms(5),
                             .cpu = duration_ms(2) } });
}

static inline void
fixture_ack(struct fixture *fx, struct attempt_ref ref, enum cancel_fate fate)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_CANCEL_ACK,
                         .cancel_ack = { .ref = ref, .fate = fate, .ran = duration_ms(7) } });
}

static inline void
fixture_started(struct fixture *fx, struct attempt_ref ref)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_STARTED, .ref = ref });
}

static inline void
fixture_busy(struct fixture *fx, struct attempt_ref ref)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_BUSY, .ref = ref });
}

static inline void
fixture_worker_down(struct fixture *fx, uint32_t link)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_WORKER_DOWN, .link = link });
}

static inline void
fixture_load(struct fixture *fx, uint32_t link, uint32_t running_count)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_WORKER_LOAD,
                         .load = { .link = link, .running_count = running_count } });
}

static inline void
fixture_cancel(struct fixture *fx, uint32_t job, enum cancel_cause cause)
{
    fixture_step(fx, &(struct core_event){ .kind = EVENT_CANCEL,
                         .job = { .job = fixture_job_id(job), .cause = cause } });
}

/* The index-th command of a kind in the last step; NULL when there are fewer. */
static inline const struct core_command *
fixture_command(const struct fixture *fx, enum core_command_kind kind, uint32_t index)
{
    for (uint32_t i = 0; i < fx->commands_count; i++) {
        if (fx->commands[i].kind == kind && index-- == 0) {
            return &fx->commands[i];
        }
    }
    return NULL;
}

/* The worker that the only (or index-th) SEND of the last step went to; 0: none. */
static inline uint32_t
fixture_sent_to(const struct fixture *fx, uint32_t index)
{
    const struct core_command *command = fixture_command(fx, COMMAND_SEND, index);
    return command != NULL ? (uint32_t) command->send.link : 0;
}

static inline struct job_view
fixture_view(const struct fixture *fx, uint32_t job)
{
    struct job_view view = { 0 };
    CU_ASSERT_TRUE_FATAL(core_job(fx->core, fixture_job_id(job), &view));
    return view;
}

static inline struct worker_view
fixture_worker(const struct fixture *fx, uint32_t link)
{
    struct worker_view view = { 0 };
    for (uint32_t i = 0; i < core_workers_count(fx->core); i++) {
        if (core_worker_at(fx->core, i, &view) && view.link == link) {
            return view;
        }
    }
    CU_FAIL_FATAL("no such worker");
    return view;
}

static inline struct handler_view
fixture_handler(const struct fixture *fx, const char *name)
{
    struct handler_view view = { 0 };
    for (uint32_t i = 0; i < core_handlers_count(fx->core); i++) {
        core_handler_at(fx->core, i, &view);
        if (strcmp(view.name, name) == 0) {
            return view;
        }
    }
    CU_FAIL_FATAL("no such handler");
    return view;
}

#endif

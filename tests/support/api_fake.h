/* SPDX-License-Identifier: MIT
 *
 * tests/support/api_fake.h - the front end over real sockets, the real core behind it, and
 * a worker that does what its handlers' names say.
 *
 *     echo    answers its input at once, with the input's content type
 *     hold    answers "released" when the test calls fake_release()
 *     fail    fails for good: "it broke"
 *     html    answers "<b>" as text/html
 *     binary  answers the bytes 00 ff
 *     nobody  known, but its worker went down
 *
 * The loop runs on a thread of its own; the test speaks to it through sockets, and sees
 * what happened in atomics.
 */
#ifndef TESTS_SUPPORT_API_FAKE_H
#define TESTS_SUPPORT_API_FAKE_H

#include "common/sys/clock.h"
#include "coordinator/http/api.h"
#include "coordinator/ledger.h"
#include "tests/support/http_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_EVENTS_MAX 4096
#define FAKE_INPUT_MAX  (1024 * 1024)
#define FAKE_LINK       1

struct fake {
    struct loop *loop;
    struct core *core;
    struct ledger *ledger;
    struct api *api;
    struct loop_wake *wake; /* the test wants something, or answers wait to be told */
    pthread_t thread;
    uint16_t port;
    struct core_event events[FAKE_EVENTS_MAX]; /* of the worker, not yet fed */
    uint32_t events_count;
    struct attempt_ref held[FAKE_EVENTS_MAX];
    uint32_t held_count;
    job_id_t answers[FAKE_EVENTS_MAX];
    uint32_t answers_count;
    bool stepping;
    bool refused;
    struct core_command refusal;
    atomic_bool want_release;
    atomic_bool want_close;
    atomic_bool is_drained; /* api_is_idle(), as of the last wake */
    atomic_uint submits_count;
    atomic_uint gone_count;
    atomic_uint cancels_count[CAUSE_SHUTDOWN + 1];
};

/* ---- the worker ----------------------------------------------------------------------- */

static inline void
fake_push(struct fake *fake, struct core_event event)
{
    CHECK(fake->events_count < FAKE_EVENTS_MAX);
    fake->events[fake->events_count++] = event;
}

static inline void
fake_reply(struct fake *fake, struct attempt_ref ref, enum reply_status status)
{
    fake_push(fake, (struct core_event){ .kind = EVENT_REPLY,
                        .reply = { .ref = ref,
                            .status = status,
                            .blob = 1,
                            .result_size = 1,
                            .message = status == REPLY_OK ? "" : "it broke",
                            .ran = duration_ms(1) } });
}

static inline void
fake_on_send(struct fake *fake, const struct core_command *command)
{
    const struct entry *entry = ledger_find(fake->ledger, command->job);
    struct attempt_ref ref = {
        .link = command->send.link, .job = command->job, .attempt = command->send.attempt
    };
    fake_push(fake, (struct core_event){ .kind = EVENT_STARTED, .ref = ref });
    if (strcmp(entry->handler, "hold") == 0) {
        fake->held[fake->held_count++] = ref;
    } else {
        bool fails = strcmp(entry->handler, "fail") == 0;
        fake_reply(fake, ref, fails ? REPLY_FAILED_FINAL : REPLY_OK);
    }
}

static inline void
fake_on_cancel(struct fake *fake, const struct core_command *command)
{
    atomic_fetch_add(&fake->cancels_count[command->cancel.cause], 1);
    for (uint32_t i = 0; i < fake->held_count; i++) {
        if (id_equal(fake->held[i].job, command->job)) {
            fake->held[i] = fake->held[--fake->held_count];
            break;
        }
    }
    fake_push(fake, (struct core_event){ .kind = EVENT_CANCEL_ACK,
                        .cancel_ack = { .ref = { .link = command->cancel.link,
                                            .job = command->job,
                                            .attempt = command->cancel.attempt },
                            .fate = FATE_STOPPED,
                            .stopped_after = duration_us(1500) } });
}

static inline void
fake_on_answer(struct fake *fake, const struct core_command *command)
{
    struct entry *entry = ledger_find(fake->ledger, command->job);
    if (command->answer.state == JOB_SUCCEEDED) {
        bool is_echo = strcmp(entry->handler, "echo") == 0;
        if (is_echo) {
            ledger_result_put(fake->ledger, entry, entry->input->bytes, entry->input->size,
                entry->content_type);
        } else if (strcmp(entry->handler, "html") == 0) {
            ledger_result_put(fake->ledger, entry, (const uint8_t *) "<b>", 3, "text/html");
        } else if (strcmp(entry->handler, "binary") == 0) {
            ledger_result_put(
                fake->ledger, entry, (const uint8_t *) "\0\xff", 2, "bad\r\nX-Evil: yes");
        } else {
            ledger_result_put(
                fake->ledger, entry, (const uint8_t *) "released", 8, "text/plain");
        }
    }
    ledger_input_done(fake->ledger, entry);
    fake->answers[fake->answers_count++] = command->job;
}

/* attempt 0: of the job as a whole. */
static inline void
fake_tell_stream(struct fake *fake, enum feed_kind kind, job_id_t job, uint32_t attempt)
{
    struct job_view view;
    if (core_job(fake->core, job, &view)) {
        api_tell(fake->api, &(struct feed_event){ .kind = kind,
                                .job = job,
                                .unix_ms = clock_unix_ms(),
                                .attempt = attempt,
                                .attempt_kind = ATTEMPT_PRIMARY,
                                .state = view.state,
                                .worker = "w1" });
    }
}

/* ---- the shell ------------------------------------------------------------------------ */

static inline void
fake_perform(struct fake *fake, const struct core_command *command)
{
    switch (command->kind) {
    case COMMAND_SEND:
        fake_on_send(fake, command);
        fake_tell_stream(fake, FEED_SENT, command->job, command->send.attempt);
        break;
    case COMMAND_CANCEL: fake_on_cancel(fake, command); break;
    case COMMAND_ANSWER:
        fake_on_answer(fake, command);
        fake_tell_stream(fake, FEED_FINISHED, command->job, 0);
        break;
    case COMMAND_REFUSE:
        fake->refused = true;
        fake->refusal = *command;
        break;
    case COMMAND_FORGET: ledger_forget(fake->ledger, command->job); break;
    case COMMAND_ACCEPT: fake_tell_stream(fake, FEED_ACCEPTED, command->job, 0); break;
    case COMMAND_CLOSE_WORKER: break;
    }
}

static inline void
fake_step_one(struct fake *fake, const struct core_event *event)
{
    struct core_command command;
    core_step(fake->core, clock_now(), event);
    while (core_next_command(fake->core, &command)) {
        fake_perform(fake, &command);
    }
}

/* The event, and all that the worker says to it; answers are told from the loop. */
static inline void
fake_step(struct fake *fake, const struct core_event *event)
{
    if (event != NULL) {
        fake_push(fake, *event);
    }
    for (uint32_t i = 0; i < fake->events_count; i++) {
        struct core_event next = fake->events[i];
        fake_step_one(fake, &next);
    }
    fake->events_count = 0;
    if (fake->answers_count > 0) {
        loop_wake_post(fake->wake);
    }
}

static inline void
fake_tell(struct fake *fake)
{
    while (fake->answers_count > 0) {
        job_id_t job = fake->answers[0];
        memmove(
            fake->answers, fake->answers + 1, --fake->answers_count * sizeof fake->answers[0]);
        struct entry *entry;
        api_ticket_t ticket;
        while ((entry = ledger_find(fake->ledger, job)) != NULL &&
               (ticket = ledger_next_waiter(fake->ledger, entry)) != 0) {
            api_answer(fake->api, ticket, job);
        }
    }
}

static inline void
fake_on_wake(void *user)
{
    struct fake *fake = user;
    if (atomic_exchange(&fake->want_release, false)) {
        for (uint32_t i = 0; i < fake->held_count; i++) {
            fake_reply(fake, fake->held[i], REPLY_OK);
        }
        fake->held_count = 0;
        fake_step(fake, NULL);
    }
    fake_tell(fake);
    if (atomic_exchange(&fake->want_close, false)) {
        api_close(fake->api);
    }
    atomic_store(&fake->is_drained, api_is_idle(fake->api));
}

static inline const struct core *
fake_core(void *user)
{
    return ((struct fake *) user)->core;
}

static inline instant_t
fake_now(void *user)
{
    (void) user;
    return clock_now();
}

static inline uint64_t
fake_unix_ms(void *user, instant_t when)
{
    (void) user;
    return UINT64_C(1732428648123) + (uint64_t) (when.ns / 1000000);
}

static inline bool
fake_submit(void *user, api_ticket_t ticket, const struct api_submit *submit, job_id_t *ret_job,
    struct core_command *ret_refuse)
{
    struct fake *fake = user;
    struct entry *entry;
    job_id_t job = submit->job;
    atomic_fetch_add(&fake->submits_count, 1);
    if (ledger_add(fake->ledger, job, submit, &entry) != ERR_OK) {
        *ret_refuse = (struct core_command){
            .kind = COMMAND_REFUSE, .job = job, .refuse = { .why = SUBMIT_DUPLICATE_ID }
        };
        return false;
    }
    CHECK(ticket == 0 || ledger_wait(fake->ledger, entry, ticket) == ERR_OK);
    fake->refused = false;
    fake_step(fake, &(struct core_event){ .kind = EVENT_SUBMIT,
                        .submit = { .job = job,
                            .handler = submit->handler,
                            .timeout = submit->timeout,
                            .policy = submit->policy,
                            .input_size = submit->input_size } });
    if (fake->refused) {
        (void) ledger_next_waiter(fake->ledger, entry);
        ledger_undo(fake->ledger, entry);
        *ret_refuse = fake->refusal;
        return false;
    }
    *ret_job = job;
    return true;
}

static inline void
fake_gone(void *user, api_ticket_t ticket)
{
    struct fake *fake = user;
    struct entry *entry = ledger_unwait(fake->ledger, ticket);
    atomic_fetch_add(&fake->gone_count, 1);
    if (entry != NULL && !entry->detached && entry->waiters == NULL) {
        fake_step(
            fake, &(struct core_event){ .kind = EVENT_GONE, .job = { .job = entry->id } });
    }
}

static inline bool
fake_job(void *user, job_id_t job, struct job_view *ret_job)
{
    return core_job(((struct fake *) user)->core, job, ret_job);
}

static inline bool
fake_recall(void *user, api_ticket_t ticket, const struct api_recall *recall)
{
    (void) user;
    (void) ticket;
    (void) recall;
    return false;
}

static inline bool
fake_has_store(void *user)
{
    (void) user;
    return false;
}

static inline bool
fake_is_promised(void *user, job_id_t job)
{
    (void) user;
    (void) job;
    return true;
}

static inline bool
fake_wait(void *user, api_ticket_t ticket, job_id_t job)
{
    struct fake *fake = user;
    struct entry *entry = ledger_find(fake->ledger, job);
    struct job_view view;
    if (entry == NULL || !core_job(fake->core, job, &view)) {
        return false;
    }
    if (view.state > JOB_RUNNING) {
        api_answer(fake->api, ticket, job);
        return true;
    }
    if (entry->waiters == NULL) {
        entry->detached = true;
    }
    return ledger_wait(fake->ledger, entry, ticket) == ERR_OK;
}

static inline bool
fake_cancel(void *user, job_id_t job)
{
    struct fake *fake = user;
    struct job_view view;
    if (!core_job(fake->core, job, &view)) {
        return false;
    }
    fake_step(fake, &(struct core_event){
                        .kind = EVENT_CANCEL, .job = { .job = job, .cause = CAUSE_USER } });
    return true;
}

static inline void
fake_set_hedging(void *user, const char *handler, const struct hedge_order *order)
{
    fake_step(user, &(struct core_event){ .kind = EVENT_HEDGING,
                        .hedging = { .handler = handler, .order = *order } });
}

static inline bool
fake_result(void *user, job_id_t job, struct api_result *ret_result)
{
    struct fake *fake = user;
    const struct entry *entry = ledger_find(fake->ledger, job);
    if (entry == NULL || entry->result == NULL) {
        return false;
    }
    *ret_result = (struct api_result){
        .bytes = entry->result, .size = entry->result_size, .content_type = entry->result_type
    };
    return true;
}

static inline void
fake_metrics(void *user, void (*write)(void *out, const char *text), void *out)
{
    (void) user;
    write(out, "fake_metric 1\n");
}

static inline bool
fake_is_ready(void *user)
{
    (void) user;
    return true;
}

/* ---- life ----------------------------------------------------------------------------- */

static inline void *
fake_main(void *user)
{
    loop_run(((struct fake *) user)->loop);
    return NULL;
}

static inline void
fake_join_workers(struct fake *fake)
{
    static const struct handler_offer offers[] = {
        { "echo", HANDLER_IDEMPOTENT },
        { "hold", HANDLER_IDEMPOTENT },
        { "fail", HANDLER_IDEMPOTENT },
        { "html", 0 },
        { "binary", 0 },
    };
    static const struct handler_offer nobody[] = { { "nobody", 0 } };
    struct event_worker_up up = { .link = FAKE_LINK,
        .name = "w1",
        .zone = "z1",
        .incarnation = 0xabc,
        .slots_count = 4000,
        .queue_max = 100,
        .handlers = offers,
        .handlers_count = ARRAY_COUNT(offers) };
    fake_step(fake, &(struct core_event){ .kind = EVENT_WORKER_UP, .worker_up = up });
    up.link = FAKE_LINK + 1;
    up.name = "w2";
    up.handlers = nobody;
    up.handlers_count = 1;
    fake_step(fake, &(struct core_event){ .kind = EVENT_WORKER_UP, .worker_up = up });
    fake_step(fake, &(struct core_event){ .kind = EVENT_WORKER_DOWN, .link = FAKE_LINK + 1 });
}

/* Without its thread: whoever wants to run the loop himself.  Zero in the config: its default,
 * and 64 connections. */
static inline void
fake_build_as(struct fake *fake, const struct api_config *wanted)
{
    memset(fake, 0, sizeof *fake);
    struct core_config core;
    core_config_default(&core);
    core.heartbeat = duration_s(3600);
    core.hedge_delay = duration_ns(-1);
    CHECK(core_new(&core, &fake->core) == ERR_OK);
    CHECK(ledger_new(
              &(struct ledger_config){
                  .entries_max = 5000, .waiters_max = 5000, .bytes_max = 512u << 20 },
              &fake->ledger) == ERR_OK);
    CHECK(loop_new(&fake->loop) == ERR_OK);
    CHECK(loop_wake_new(fake->loop, fake_on_wake, fake, &fake->wake) == ERR_OK);
    const struct api_backend backend = { .shell = fake,
        .core = fake_core,
        .now = fake_now,
        .unix_ms = fake_unix_ms,
        .submit = fake_submit,
        .job = fake_job,
        .recall = fake_recall,
        .has_store = fake_has_store,
        .gone = fake_gone,
        .is_promised = fake_is_promised,
        .wait = fake_wait,
        .cancel = fake_cancel,
        .set_hedging = fake_set_hedging,
        .result = fake_result,
        .metrics = fake_metrics,
        .is_ready = fake_is_ready };
    struct api_config config = *wanted;
    config.input_size_max = FAKE_INPUT_MAX;
    config.connections_max = config.connections_max > 0 ? config.connections_max : 64;
    config.timeout_max = duration_s(3600);
    char why[API_WHY_SIZE_MAX];
    CHECK(api_new(fake->loop, &config, &backend, &fake->api, why) == ERR_OK);
    fake->port = api_port(fake->api);
    fake_join_workers(fake);
}

static inline void
fake_build(
    struct fake *fake, const char *listen, uint32_t connections_max, struct api_limits limits)
{
    fake_build_as(fake, &(struct api_config){ .listen = listen,
                            .hosts = "h",
                            .is_insecure = true,
                            .connections_max = connections_max,
                            .limits = limits });
}

static inline void
fake_run(struct fake *fake)
{
    CHECK(pthread_create(&fake->thread, NULL, fake_main, fake) == 0);
}

static inline void
fake_start_as(struct fake *fake, const struct api_config *config)
{
    fake_build_as(fake, config);
    fake_run(fake);
}

static inline void
fake_start_at(
    struct fake *fake, const char *listen, uint32_t connections_max, struct api_limits limits)
{
    fake_build(fake, listen, connections_max, limits);
    fake_run(fake);
}

static inline void
fake_start(struct fake *fake, uint32_t connections_max, struct api_limits limits)
{
    fake_start_at(fake, "127.0.0.1:0", connections_max, limits);
}

static inline void
fake_stop(struct fake *fake)
{
    loop_stop(fake->loop);
    CHECK(pthread_join(fake->thread, NULL) == 0);
    api_free(fake->api);
    loop_wake_free(fake->wake);
    ledger_free(fake->ledger);
    core_free(fake->core);
    loop_free(fake->loop);
}

static inline void
fake_release(struct fake *fake)
{
    atomic_store(&fake->want_release, true);
    loop_wake_post(fake->wake);
}

/* Until the counter says so; the loop's thread brings it there, or the test's time is over. */
static inline bool
fake_reaches(atomic_uint *counter, unsigned count)
{
    instant_t until = instant_add(clock_now(), duration_s(10));
    while (atomic_load(counter) < count) {
        if (instant_reached(clock_now(), until)) {
            return false;
        }
        sched_yield();
    }
    return true;
}

/* ---- clients -------------------------------------------------------------------------- */

static inline void
fake_connect(struct client *client, const struct fake *fake)
{
    client_open(client, fake->port);
}

/* One request on a connection of its own. */
static inline struct answer
fake_ask(const struct fake *fake, const char *request)
{
    struct client client;
    client_open(&client, fake->port);
    (void) client_send(&client, request);
    struct answer answer = client_answer(&client);
    client_close(&client);
    return answer;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * The contract, clause by clause, judged from outside: by what was sent to the core and
 * what it commanded, never by its own structs.
 */
#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void spoke(struct world *world, worker_link_t link);
static void expect_answer(
    struct world *world, const struct sim_job *job, enum job_state state, blob_t blob);
static void expect_reply(struct world *world, const struct event_reply *reply);
static void expect_end(
    struct world *world, const struct attempt_ref *ref, bool did_nothing, duration_t ran);
static void take_submit(struct world *world);
static void check_kind(struct world *world, const struct sim_job *job, enum attempt_kind kind);
static void
check_room(struct world *world, const struct sim_job *job, const struct core_command *command);
static void check_expected(struct world *world);
static void check_families(struct world *world);
static void check_silence(struct world *world);
static void
take_answer(struct world *world, struct sim_job *job, const struct core_command *command);
static void
take_send(struct world *world, struct sim_job *job, const struct core_command *command);
static void
take_cancel(struct world *world, struct sim_job *job, const struct core_command *command);
static void check_conservation(struct world *world);

/* Ids are made by chaos.c: the job's index is in them. */
struct sim_job *
ledger_job(struct world *world, job_id_t id)
{
    uint32_t number;
    memcpy(&number, id.bytes + 8, sizeof number);
    if (number == 0 || number > world->jobs_count ||
        !id_equal(world->jobs[number - 1].id, id)) {
        return NULL;
    }
    return &world->jobs[number - 1];
}

static uint32_t
number_of(const struct world *world, const struct sim_job *job)
{
    return (uint32_t) (job - world->jobs) + 1;
}

struct copy *
ledger_copy(struct world *world, const struct attempt_ref *ref)
{
    struct sim_job *job = ledger_job(world, ref->job);
    for (struct copy *copy = job != NULL ? job->copies : NULL; copy != NULL;
         copy = copy->next) {
        if (copy->link == ref->link && copy->number == ref->attempt) {
            return copy;
        }
    }
    return NULL;
}

static void
end_copy(struct world *world, struct copy *copy)
{
    CHECK(copy->is_live);
    copy->is_live = false;
    world->live_count--;
    world->jobs[copy->job].live_count--;
}

void
ledger_expect(struct world *world, const struct core_event *event)
{
    world->expected = (struct expectation){ .must = MUST_NOTHING };
    world->answers_count = 0;
    switch (event->kind) {
    case EVENT_REPLY:
        spoke(world, event->reply.ref.link);
        expect_reply(world, &event->reply);
        return;
    case EVENT_BUSY:
        spoke(world, event->ref.link);
        expect_end(world, &event->ref, true, DURATION_ZERO);
        return;
    case EVENT_CANCEL_ACK: {
        spoke(world, event->cancel_ack.ref.link);
        const struct copy *copy = ledger_copy(world, &event->cancel_ack.ref);
        if (copy != NULL && copy->is_live && !instant_is_never(copy->told_at)) {
            enum cancel_fate fate = event->cancel_ack.fate;
            expect_end(world, &event->cancel_ack.ref,
                fate == FATE_NOT_SEEN || fate == FATE_DEQUEUED, event->cancel_ack.ran);
        }
        return;
    }
    case EVENT_WORKER_DOWN: ledger_link_down(world, event->link); return;
    case EVENT_SUBMIT: world->is_submit_open = true; return;
    case EVENT_GONE:
    case EVENT_CANCEL: {
        const struct sim_job *job = ledger_job(world, event->job.job);
        if (job != NULL && job->is_accepted && !job->is_answered && !job->is_lost) {
            expect_answer(world, job, JOB_CANCELLED, 0);
        }
        return;
    }
    case EVENT_WORKER_LOAD:
        spoke(world, event->load.link);
        net_find(world, event->load.link)->is_drained |= event->load.draining;
        return;
    case EVENT_WORKER_DRAIN:
        spoke(world, event->link);
        net_find(world, event->link)->is_drained = true;
        return;
    case EVENT_STARTED:
        spoke(world, event->ref.link);
        ties_started(world, &event->ref);
        return;
    case EVENT_WORKER_UP: spoke(world, event->worker_up.link); return;
    case EVENT_HEDGING: ledger_steer(world, &event->hedging); return;
    case EVENT_TIMER:
    case EVENT_DRAIN: return;
    }
}

static void
spoke(struct world *world, worker_link_t link)
{
    net_find(world, link)->spoke_at = world->now;
}

static void
expect_answer(struct world *world, const struct sim_job *job, enum job_state state, blob_t blob)
{
    world->expected = (struct expectation){
        .must = MUST_ANSWER, .job = number_of(world, job), .answer = state, .blob = blob
    };
}

/* The first good reply counts, at once; so does a final failure.  Another failure never fails
 * the job while a rival lives. */
static void
expect_reply(struct world *world, const struct event_reply *reply)
{
    const struct copy *copy = ledger_copy(world, &reply->ref);
    if (copy != NULL && copy->is_live && !world->jobs[copy->job].is_answered) {
        const struct sim_job *job = &world->jobs[copy->job];
        if (reply->status == REPLY_OK) {
            expect_answer(world, job, JOB_SUCCEEDED, reply->blob);
        } else if (reply->status == REPLY_FAILED_FINAL) {
            expect_answer(world, job, JOB_FAILED, 0);
        } else if (job->live_count > 1) {
            world->expected =
                (struct expectation){ .must = MUST_NOT_ANSWER, .job = number_of(world, job) };
        }
    }
    expect_end(world, &reply->ref, reply->status == REPLY_EXPIRED, reply->ran);
}

static void
expect_end(struct world *world, const struct attempt_ref *ref, bool did_nothing, duration_t ran)
{
    struct copy *copy = ledger_copy(world, ref);
    if (copy == NULL || !copy->is_live) {
        return; /* a stray: must change nothing */
    }
    copy->did_nothing = did_nothing;
    ties_ended(world, copy, did_nothing);
    if (did_nothing) {
        ledger_refund(world, copy);
    }
    ledger_settle(world, copy, ran);
    end_copy(world, copy);
}

void
ledger_link_down(struct world *world, worker_link_t link)
{
    net_find(world, link)->is_core_up = false;
    for (uint32_t i = 0; i < world->copies_count; i++) {
        struct copy *copy = &world->copies[i];
        if (copy->is_live && copy->link == link) {
            /* What it took can only be guessed: at most all its time, which is paid for if
             * it was a primary. */
            bool is_primary = copy->kind != ATTEMPT_HEDGE && copy->kind != ATTEMPT_RETRY;
            ledger_settle(world, copy, is_primary ? DURATION_FOREVER : DURATION_ZERO);
            end_copy(world, copy);
        }
    }
}

/* Each SUBMIT is taken or refused, once, in its own step. */
static void
take_submit(struct world *world)
{
    if (!world->is_submit_open) {
        world_fail(world, "clause 12: an answer to a SUBMIT that nobody made");
    }
    world->is_submit_open = false;
}

void
ledger_command(struct world *world, const struct core_command *command)
{
    struct sim_job *job = ledger_job(world, command->job);
    if (command->kind == COMMAND_CLOSE_WORKER) {
        WORLD_NOTE(world, "core closes link %" PRIu64, command->close_worker.link);
        ledger_link_down(world, command->close_worker.link);
        return;
    }
    if (job == NULL) {
        world_fail(world, "clause 3: a command for a job that was never submitted");
    }
    switch (command->kind) {
    case COMMAND_ACCEPT:
        if (job->is_accepted) {
            world_fail(world, "clause 2: job %u accepted twice", number_of(world, job));
        }
        if (world->is_draining) {
            world_fail(world, "clause 13: job %u accepted in a drain", number_of(world, job));
        }
        take_submit(world);
        job->is_accepted = true;
        if (++world->open_count > world->config.jobs_max) {
            world_fail(world, "clause 12: %u jobs at once", world->open_count);
        }
        return;
    case COMMAND_REFUSE:
        WORLD_NOTE(world, "job %u refused (%d)", number_of(world, job), command->refuse.why);
        take_submit(world);
        return;
    case COMMAND_SEND: take_send(world, job, command); return;
    case COMMAND_CANCEL: take_cancel(world, job, command); return;
    case COMMAND_ANSWER: take_answer(world, job, command); return;
    case COMMAND_FORGET:
        if (!job->is_answered || job->live_count > 0) {
            world_fail(world, "clause 2: job %u forgotten too early", number_of(world, job));
        }
        job->is_forgotten = true;
        return;
    case COMMAND_CLOSE_WORKER: return;
    }
}

static void
check_send(struct world *world, struct sim_job *job, const struct core_command *command)
{
    uint32_t number = number_of(world, job);
    const struct conn *conn = net_find(world, command->send.link);
    if (!job->is_accepted || job->is_answered) {
        world_fail(
            world, "clause 2: job %u sent before its acceptance or after its answer", number);
    }
    if (!conn->is_core_up || conn->epoch != world->epoch) {
        world_fail(world, "clause 3: job %u sent on a link that is down", number);
    }
    if (command->send.deadline.ns > job->deadline.ns ||
        instant_reached(world->now, command->send.deadline)) {
        world_fail(world, "clause 6: job %u sent at or past its deadline", number);
    }
    check_kind(world, job, command->send.kind);
    check_room(world, job, command);
    for (const struct copy *copy = job->copies; copy != NULL; copy = copy->next) {
        if (copy->number == command->send.attempt) {
            world_fail(world, "clause 3: job %u uses a number twice", number);
        }
        if (copy->is_live && copy->link == command->send.link) {
            world_fail(world, "two copies of job %u at one worker", number);
        }
        if (!job->is_idempotent && !copy->did_nothing) {
            world_fail(world, "clause 10: job %u is not idempotent and ran twice", number);
        }
    }
}

/* What was not asked for is not sent, and not before it is due. */
static void
check_kind(struct world *world, const struct sim_job *job, enum attempt_kind kind)
{
    uint32_t number = number_of(world, job);
    bool is_extra = kind == ATTEMPT_HEDGE || kind == ATTEMPT_RACE || kind == ATTEMPT_TIE;
    if ((kind == ATTEMPT_PRIMARY) != (job->copies == NULL) ||
        is_extra != (job->live_count > 0)) {
        world_fail(world, "job %u: a %s with %u copies out", number, attempt_kind_text(kind),
            job->live_count);
    }
    if ((kind == ATTEMPT_HEDGE && job->policy.mode != MODE_HEDGE) ||
        (kind == ATTEMPT_RACE && job->policy.mode != MODE_RACE)) {
        world_fail(world, "job %u: a %s that its policy does not ask for", number,
            attempt_kind_text(kind));
    }
    bool is_hedge = kind == ATTEMPT_HEDGE || kind == ATTEMPT_TIE;
    if (is_hedge && world->is_hedging_off[job->handler]) {
        world_fail(world, "job %u: a copy of a handler whose hedging is off", number);
    }
    if (kind != ATTEMPT_HEDGE || !job->policy.hedge_delay_is_set) {
        return;
    }
    instant_t oldest_at = world->now; /* one that was refused is replaced sooner than others */
    for (const struct copy *copy = job->copies; copy != NULL; copy = copy->next) {
        oldest_at = instant_min(oldest_at, copy->sent_at);
    }
    if (instant_before(world->now, instant_add(oldest_at, job->policy.hedge_delay))) {
        world_fail(world, "job %u: a hedge before its delay", number);
    }
}

static void
check_room(struct world *world, const struct sim_job *job, const struct core_command *command)
{
    const struct conn *conn = net_find(world, command->send.link);
    const struct sim_worker *worker = &world->workers[conn->worker];
    uint32_t there_count = 0;
    for (uint32_t i = 0; i < world->copies_count; i++) {
        there_count += world->copies[i].is_live && world->copies[i].link == conn->link;
    }
    bool is_extra = command->send.kind == ATTEMPT_HEDGE || command->send.kind == ATTEMPT_RACE;
    if (is_extra && there_count >= worker->slots_count) {
        world_fail(
            world, "a copy of job %u to a worker without a free slot", number_of(world, job));
    }
    if (there_count >= worker->slots_count + worker->queue_max) {
        world_fail(world, "clause 12: %u copies at %s, which has no room", there_count + 1,
            worker->name);
    }
    if (conn->is_drained) {
        world_fail(
            world, "clause 13: job %u sent to a worker that drains", number_of(world, job));
    }
}

static void
take_send(struct world *world, struct sim_job *job, const struct core_command *command)
{
    check_send(world, job, command);
    if (world->copies_count >= WORLD_COPIES_MAX) {
        world_fail(world, "clause 12: more than %d copies", WORLD_COPIES_MAX);
    }
    WORLD_NOTE(world, "job %u.%u to %s, %s", number_of(world, job), command->send.attempt,
        world->workers[net_find(world, command->send.link)->worker].name,
        attempt_kind_text(command->send.kind));
    struct copy *copy = &world->copies[world->copies_count++];
    *copy = (struct copy){ .link = command->send.link,
        .worker = net_find(world, command->send.link)->worker,
        .job = number_of(world, job) - 1,
        .number = command->send.attempt,
        .kind = command->send.kind,
        .sent_at = world->now,
        .told_at = INSTANT_NEVER,
        .is_live = true,
        .next = job->copies };
    job->copies = copy;
    job->live_count++;
    world->live_count++;
    if (copy->kind == ATTEMPT_TIE) {
        ties_sent(world, job, copy);
    }
    job->charged_count += copy->kind != ATTEMPT_REDISPATCH;
    if (job->charged_count > job->attempts_max) {
        world_fail(world, "clause 4: job %u has more copies than %u", number_of(world, job),
            job->attempts_max);
    }
    ledger_charge(world, copy);
}

static void
take_cancel(struct world *world, struct sim_job *job, const struct core_command *command)
{
    struct attempt_ref ref = { command->cancel.link, command->job, command->cancel.attempt };
    struct copy *copy = ledger_copy(world, &ref);
    WORLD_NOTE(world, "job %u.%u told to stop: %s", number_of(world, job), ref.attempt,
        cancel_cause_text(command->cancel.cause));
    if (copy == NULL || !copy->is_live || !instant_is_never(copy->told_at)) {
        world_fail(world, "clause 7: a cancel for job %u.%u, which is not live or was told",
            number_of(world, job), ref.attempt);
    }
    copy->told_at = world->now;
}

static void
take_answer(struct world *world, struct sim_job *job, const struct core_command *command)
{
    uint32_t number = number_of(world, job);
    WORLD_NOTE(world, "job %u answered: %s", number, job_state_text(command->answer.state));
    if (!job->is_accepted || job->is_answered) {
        world_fail(world, "clause 2: job %u answered twice, or never accepted", number);
    }
    job->is_answered = true;
    job->answer = command->answer.state;
    world->open_count--;
    world->answers_count++;
    struct expectation *expected = &world->expected;
    bool is_expected = expected->must == MUST_ANSWER && expected->job == number;
    expected->is_met = expected->is_met || is_expected;
    if (is_expected &&
        (expected->answer != command->answer.state || expected->blob != command->answer.blob)) {
        world_fail(world, "clause 3: job %u has another answer than the event gives", number);
    }
    if (!is_expected && command->answer.state == JOB_SUCCEEDED) {
        world_fail(world, "clause 3: the result of job %u is nobody's", number);
    }
    if (expected->must == MUST_NOT_ANSWER && expected->job == number) {
        world_fail(world, "job %u ends by a failed copy while a rival lives", number);
    }
    /* A coordinator that slept answers when it wakes. */
    instant_t latest = instant_add(job->deadline, duration_us(1));
    if (instant_before(latest, world->asleep_until)) {
        latest = world->asleep_until;
    }
    if (instant_before(latest, world->now)) {
        world_fail(world, "clause 6: job %u answered after its deadline", number);
    }
    /* One that no worker ever got may be given up for those behind it. */
    if (command->answer.state == JOB_DEADLINE_EXCEEDED && job->copies != NULL &&
        instant_until(world->now, job->deadline).ns > duration_ms(20).ns) {
        world_fail(world, "job %u was given up before its deadline", number);
    }
    if (command->answer.state == JOB_CANCELLED && !job->is_asked && job->parent == 0) {
        world_fail(world, "job %u was cancelled by nobody", number);
    }
}

static void
check_expected(struct world *world)
{
    if (world->is_submit_open) {
        world_fail(world, "clause 12: a SUBMIT neither taken nor refused");
    }
    if (world->expected.must == MUST_ANSWER && !world->expected.is_met) {
        world_fail(world, "clause 2: job %u should have been answered: %s", world->expected.job,
            job_state_text(world->expected.answer));
    }
}

/* Children end with their parent; what is over is kept up to its bound. */
static void
check_families(struct world *world)
{
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < world->jobs_count; i++) {
        const struct sim_job *job = &world->jobs[i];
        if (!job->is_accepted || job->is_lost) {
            continue;
        }
        kept_count += job->is_answered && !job->is_forgotten && job->live_count == 0;
        if (!job->is_answered && job->parent != 0 && world->jobs[job->parent - 1].is_answered) {
            world_fail(world, "clause 6: job %u outlives its parent", i + 1);
        }
    }
    if (kept_count > world->config.finished_max) {
        world_fail(world, "clause 12: %u records of finished jobs", kept_count);
    }
}

/* Who was silent for too long is closed; the time that the coordinator slept is not theirs. */
static void
check_silence(struct world *world)
{
    int64_t patience_ns =
        world->config.heartbeat.ns * world->config.heartbeats_missed_max + duration_ms(1).ns;
    for (uint32_t i = world->conns_count; i > 0; i--) {
        const struct conn *conn = &world->conns[i - 1];
        if (conn->epoch != world->epoch) {
            return;
        }
        if (conn->is_core_up && instant_since(world->now, conn->spoke_at).ns > patience_ns &&
            instant_since(world->now, world->asleep_until).ns > patience_ns) {
            world_fail(
                world, "clause 7: link %" PRIu64 " is silent, and not closed", conn->link);
        }
    }
}

void
ledger_check_step(struct world *world)
{
    check_expected(world);
    if (world->answers_count > 0) {
        check_families(world);
    }
    check_silence(world);
    check_conservation(world);
    /* Clause 7: told in the same step; acknowledged, or the link closed. */
    duration_t patience = duration_max(
        duration_ns(world->config.heartbeat.ns * world->config.heartbeats_missed_max),
        duration_ns(2 * world->config.cancel_ack_max.ns));
    for (uint32_t i = 0; world->live_count > 0 && i < world->copies_count; i++) {
        const struct copy *copy = &world->copies[i];
        if (!copy->is_live || !world->jobs[copy->job].is_answered) {
            continue;
        }
        if (instant_is_never(copy->told_at)) {
            world_fail(world, "clause 7: job %u.%u lost and was not told", copy->job + 1,
                copy->number);
        }
        instant_t latest = instant_add(copy->told_at, patience);
        if (instant_before(latest, world->now) &&
            instant_since(world->now, world->asleep_until).ns > patience.ns) {
            world_fail(world, "clause 7: job %u.%u was told, and nothing came of it",
                copy->job + 1, copy->number);
        }
    }
}

/* Clause 4: what was sent is what ended and what lives, by both books. */
static void
check_conservation(struct world *world)
{
    const struct core_counters *counters = core_counters(world->core);
    if (counters->attempts_live_count != world->live_count) {
        world_fail(world, "clause 4: the core has %u copies in flight, the ledger %" PRIu64,
            counters->attempts_live_count, world->live_count);
    }
    uint64_t sent_count = 0;
    uint64_t ended_count = 0;
    for (uint32_t i = 0; i < core_handlers_count(world->core); i++) {
        struct handler_view handler;
        core_handler_at(world->core, i, &handler);
        for (size_t kind = 0; kind < ARRAY_COUNT(handler.attempts_count); kind++) {
            sent_count += handler.attempts_count[kind];
        }
        for (size_t state = 0; state < ARRAY_COUNT(handler.attempts_ended_count); state++) {
            ended_count += handler.attempts_ended_count[state];
        }
    }
    if (sent_count != ended_count + world->live_count) {
        world_fail(world, "clause 4: sent %" PRIu64 ", ended %" PRIu64 ", live %" PRIu64,
            sent_count, ended_count, world->live_count);
    }
    if (counters->jobs_kept_count > world->config.jobs_max + world->config.finished_max) {
        world_fail(world, "clause 12: %u records", counters->jobs_kept_count);
    }
}

/* The coordinator died: its jobs with it, and a new one starts its own books. */
void
ledger_core_lost(struct world *world)
{
    for (uint32_t i = 0; i < world->jobs_count; i++) {
        struct sim_job *job = &world->jobs[i];
        job->is_lost = job->is_lost || (job->is_accepted && !job->is_answered);
        job->is_forgotten = true;
        job->live_count = 0;
    }
    for (uint32_t i = 0; i < world->copies_count; i++) {
        world->copies[i].is_live = false;
    }
    world->live_count = 0;
    world->open_count = 0;
    world->primaries_count = 0;
    world->charged_count = 0;
    world->primaries_work_s = 0;
    world->charged_work_s = 0;
    memset(world->is_hedging_off, 0, sizeof world->is_hedging_off);
}

void
ledger_check_end(struct world *world)
{
    for (uint32_t i = 0; i < world->jobs_count; i++) {
        const struct sim_job *job = &world->jobs[i];
        struct job_view view;
        if (job->is_accepted && !job->is_answered && !job->is_lost) {
            world_fail(world, "clause 2: job %u never became terminal", i + 1);
        }
        if (!job->is_answered || job->is_forgotten) {
            continue;
        }
        if (!core_job(world->core, job->id, &view) || view.state != job->answer) {
            world_fail(world, "clause 2: job %u changed after its answer", i + 1);
        }
    }
    if (world->live_count > 0) {
        world_fail(world, "clause 7: %" PRIu64 " copies never ended", world->live_count);
    }
}

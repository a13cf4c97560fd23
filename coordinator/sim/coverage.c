/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/coverage.h"

#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <string.h>

/* The first rows are the enum's, then these. */
enum copy_row {
    COPY_QUEUED_TOLD = ATTEMPT_UNREACHABLE + 1,
    COPY_RUNNING_TOLD,
    COPY_NO_JOB,
    COPY_NEVER_SENT,
    COPY_RECORD_GONE,
    COPY_ROWS
};
_Static_assert(COPY_ROWS == COVERAGE_COPY_STATES, "a row for each state");

/* For jobs that are over: with copies that have not ended, or settled. */
enum job_row {
    JOB_ROW_WAITING = JOB_QUEUED,
    JOB_ROW_ONE = JOB_RUNNING,
    JOB_ROW_OVER_FIRST = JOB_SUCCEEDED,
    JOB_ROW_SETTLED_FIRST = JOB_DEADLINE_EXCEEDED + 1,
    JOB_ROW_WAITING_AGAIN = JOB_ROW_SETTLED_FIRST + 4,
    JOB_ROW_RACING,
    JOB_ROW_NONE,
    JOB_ROWS
};
_Static_assert(JOB_ROWS == COVERAGE_JOB_STATES, "a row for each state");

static const char *const copy_events[COVERAGE_COPY_EVENTS] = { "STARTED", "REPLY_ok",
    "REPLY_retryable", "REPLY_final", "REPLY_expired", "BUSY", "ACK_not_seen", "ACK_dequeued",
    "ACK_stopped", "ACK_completed" };
static const char *const job_events[COVERAGE_JOB_EVENTS] = { "SUBMIT", "SUBMIT_child", "GONE",
    "CANCEL", "DEADLINE" };
static const char *const worker_events[COVERAGE_WORKER_EVENTS] = { "LOAD", "LOAD_draining",
    "DRAIN", "DOWN", "UP", "SILENCE" };

/* ---- copies ---- */

static uint32_t
copy_row(struct world *world, const struct attempt_ref *ref)
{
    struct job_view job;
    if (!core_job(world->core, ref->job, &job)) {
        return COPY_NO_JOB;
    }
    if (ledger_copy(world, ref) == NULL) {
        return COPY_NEVER_SENT;
    }
    for (uint32_t i = 0; i < job.attempts_count; i++) {
        const struct attempt_view *attempt = &job.attempts[i];
        if (attempt->number != ref->attempt) {
            continue;
        }
        if (attempt->cancel_cause != CAUSE_NONE && instant_is_never(attempt->ended_at)) {
            return attempt->state == ATTEMPT_QUEUED ? COPY_QUEUED_TOLD : COPY_RUNNING_TOLD;
        }
        return attempt->state;
    }
    return COPY_RECORD_GONE;
}

static const char *
copy_row_text(uint32_t row)
{
    static const char *const more[] = { "QUEUED_told", "RUNNING_told", "no_job", "never_sent",
        "record_gone" };
    return row <= ATTEMPT_UNREACHABLE ? attempt_state_text((enum attempt_state) row)
                                      : more[row - ATTEMPT_UNREACHABLE - 1];
}

/* ---- jobs ---- */

static uint32_t
job_row(const struct world *world, job_id_t id)
{
    struct job_view job;
    if (!core_job(world->core, id, &job)) {
        return JOB_ROW_NONE;
    }
    uint32_t live_count = 0;
    for (uint32_t i = 0; i < job.attempts_count; i++) {
        live_count += instant_is_never(job.attempts[i].ended_at);
    }
    if (job.state >= JOB_SUCCEEDED) {
        uint32_t first = live_count > 0 ? JOB_ROW_OVER_FIRST : JOB_ROW_SETTLED_FIRST;
        return first + (job.state - (uint32_t) JOB_SUCCEEDED);
    }
    if (live_count == 0) {
        return job.attempts_count == 0 ? JOB_ROW_WAITING : JOB_ROW_WAITING_AGAIN;
    }
    return live_count == 1 ? JOB_ROW_ONE : JOB_ROW_RACING;
}

static const char *
job_row_text(uint32_t row, char *text, size_t text_size)
{
    static const char *const last[] = { "waiting_again", "racing", "no_job" };
    static const char *const first[] = { "waiting", "running" };
    if (row < JOB_SUCCEEDED) {
        return first[row];
    }
    if (row >= JOB_ROW_WAITING_AGAIN) {
        return last[row - JOB_ROW_WAITING_AGAIN];
    }
    bool is_settled = row >= JOB_ROW_SETTLED_FIRST;
    uint32_t state = is_settled ? row - JOB_ROW_SETTLED_FIRST + JOB_SUCCEEDED : row;
    snprintf(text, text_size, "%s_%s", job_state_text((enum job_state) state),
        is_settled ? "settled" : "unsettled");
    return text;
}

/* A TIMER that comes at or after some job's deadline. */
static void
note_deadlines(struct coverage *coverage, const struct world *world)
{
    for (uint32_t i = 0; i < world->jobs_count; i++) {
        const struct sim_job *job = &world->jobs[i];
        if (job->is_accepted && !job->is_answered && !job->is_lost &&
            instant_reached(world->now, job->deadline)) {
            coverage->job[job_row(world, job->id)][4]++;
        }
    }
}

/* ---- workers ---- */

static uint32_t
worker_row(const struct world *world, worker_link_t link, const char *name)
{
    struct worker_view worker;
    for (uint32_t i = 0; i < core_workers_count(world->core); i++) {
        if (core_worker_at(world->core, i, &worker) &&
            (name != NULL ? strcmp(worker.name, name) == 0 : worker.link == link)) {
            return worker.state;
        }
    }
    return WORKER_DEAD + 1;
}

/* A TIMER that finds a worker silent for too long: it is suspect first, then closed. */
static void
note_silence(struct coverage *coverage, const struct world *world)
{
    struct worker_view worker;
    for (uint32_t i = 0; i < core_workers_count(world->core); i++) {
        if (core_worker_at(world->core, i, &worker) &&
            instant_since(world->now, worker.heard_at).ns * 2 >
                world->config.heartbeat.ns * 3) {
            coverage->worker[worker.state][5]++;
        }
    }
}

/* ---- all ---- */

static void
note_copy(struct coverage *coverage, struct world *world, const struct core_event *event)
{
    const struct attempt_ref *ref = &event->ref;
    uint32_t column = event->kind == EVENT_BUSY ? 5 : 0;
    if (event->kind == EVENT_REPLY) {
        ref = &event->reply.ref;
        column = 1 + (uint32_t) event->reply.status;
    } else if (event->kind == EVENT_CANCEL_ACK) {
        ref = &event->cancel_ack.ref;
        column = 6 + (uint32_t) event->cancel_ack.fate - FATE_NOT_SEEN;
    }
    coverage->copy[copy_row(world, ref)][column]++;
}

void
coverage_note(struct coverage *coverage, struct world *world, const struct core_event *event)
{
    switch (event->kind) {
    case EVENT_SUBMIT:
        coverage->job[job_row(world, event->submit.job)][0]++;
        if (!id_is_none(event->submit.parent)) {
            coverage->job[job_row(world, event->submit.parent)][1]++;
        }
        return;
    case EVENT_GONE: coverage->job[job_row(world, event->job.job)][2]++; return;
    case EVENT_CANCEL: coverage->job[job_row(world, event->job.job)][3]++; return;
    case EVENT_WORKER_LOAD:
        coverage->worker[worker_row(world, event->load.link, NULL)][event->load.draining]++;
        return;
    case EVENT_WORKER_DRAIN:
        coverage->worker[worker_row(world, event->link, NULL)][2]++;
        return;
    case EVENT_WORKER_DOWN: coverage->worker[worker_row(world, event->link, NULL)][3]++; return;
    case EVENT_WORKER_UP:
        coverage->worker[worker_row(world, 0, event->worker_up.name)][4]++;
        return;
    case EVENT_TIMER:
        note_deadlines(coverage, world);
        note_silence(coverage, world);
        return;
    case EVENT_STARTED:
    case EVENT_REPLY:
    case EVENT_BUSY:
    case EVENT_CANCEL_ACK: note_copy(coverage, world, event); return;
    case EVENT_HEDGING:
    case EVENT_DRAIN: return;
    }
}

void
coverage_print(const struct coverage *coverage, FILE *out)
{
    for (uint32_t row = 0; row < COVERAGE_COPY_STATES; row++) {
        for (uint32_t column = 0; column < COVERAGE_COPY_EVENTS; column++) {
            fprintf(out, "copy %s %s %" PRIu64 "\n", copy_row_text(row), copy_events[column],
                coverage->copy[row][column]);
        }
    }
    for (uint32_t row = 0; row < COVERAGE_JOB_STATES; row++) {
        char text[48];
        for (uint32_t column = 0; column < COVERAGE_JOB_EVENTS; column++) {
            fprintf(out, "job %s %s %" PRIu64 "\n", job_row_text(row, text, sizeof text),
                job_events[column], coverage->job[row][column]);
        }
    }
    for (uint32_t row = 0; row < COVERAGE_WORKER_STATES; row++) {
        for (uint32_t column = 0; column < COVERAGE_WORKER_EVENTS; column++) {
            fprintf(out, "worker %s %s %" PRIu64 "\n",
                row <= WORKER_DEAD ? worker_state_text((enum worker_state) row) : "no_worker",
                worker_events[column], coverage->worker[row][column]);
        }
    }
}

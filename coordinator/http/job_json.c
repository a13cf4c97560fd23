/* SPDX-License-Identifier: MIT
 *
 * The core's views as JSON: the shapes of API.md.
 */
#include "common/pure/json_scan.h"
#include "common/pure/utf8.h"
#include "coordinator/http/state.h"

#include <inttypes.h>
#include <stdio.h>

#define INLINE_SIZE_MAX (64 * 1024)

instant_t
job_started_at(const struct job_view *job)
{
    instant_t first = INSTANT_NEVER;
    for (uint32_t i = 0; i < job->attempts_count; i++) {
        first = instant_min(first, job->attempts[i].started_at);
    }
    return first;
}

bool
job_is_settled(const struct job_view *job)
{
    bool is_settled = job->state > JOB_RUNNING;
    for (uint32_t i = 0; i < job->attempts_count; i++) {
        is_settled = is_settled && !instant_is_never(job->attempts[i].ended_at);
    }
    return is_settled;
}

/* ---- values --------------------------------------------------------------------------- */

static void
out_text(struct out *out, const char *key, const char *text)
{
    out_key(out, key);
    out_string(out, slice_of(text));
}

static void
out_number(struct out *out, const char *key, uint64_t number)
{
    out_key(out, key);
    out_u64(out, number);
}

static void
out_duration(struct out *out, const char *key, duration_t duration)
{
    out_key(out, key);
    out_ms(out, duration);
}

/* The distance from start; null for what did not happen. */
static void
out_since(struct out *out, const char *key, instant_t when, instant_t start)
{
    out_key(out, key);
    if (instant_is_never(when)) {
        out_null(out);
    } else {
        out_ms(out, instant_since(when, start));
    }
}

static void
out_at(struct api *api, const char *key, instant_t when)
{
    out_key(&api->out, key);
    if (instant_is_never(when)) {
        out_null(&api->out);
    } else {
        out_time(&api->out, api->backend.unix_ms(api->backend.shell, when));
    }
}

static void
out_text_or_null(struct out *out, const char *key, const char *text)
{
    out_key(out, key);
    if (text == NULL || text[0] == '\0') {
        out_null(out);
    } else {
        out_string(out, slice_of(text));
    }
}

static const char *
cause_or_null(enum cancel_cause cause)
{
    return cause == CAUSE_NONE ? NULL : cancel_cause_text(cause);
}

/* ---- jobs ----------------------------------------------------------------------------- */

static void
attempt_json(struct out *out, const struct attempt_view *attempt, instant_t created_at)
{
    bool was_cancelled = !instant_is_never(attempt->cancel_sent_at);
    bool was_acked = !instant_is_never(attempt->cancel_acked_at);
    out_open(out, '{');
    out_number(out, "number", attempt->number);
    out_text(out, "kind", attempt_kind_text(attempt->kind));
    out_text(out, "worker", attempt->worker);
    out_text(out, "state", attempt_state_text(attempt->state));
    out_since(out, "sent_ms", attempt->sent_at, created_at);
    out_since(out, "started_ms", attempt->started_at, created_at);
    out_since(out, "ended_ms", attempt->ended_at, created_at);
    out_since(out, "cancel_sent_ms", attempt->cancel_sent_at, created_at);
    out_since(out, "cancel_acked_ms", attempt->cancel_acked_at, created_at);
    out_text_or_null(
        out, "cancel_cause", was_cancelled ? cause_or_null(attempt->cancel_cause) : NULL);
    out_text_or_null(out, "cancel_fate",
        attempt->cancel_fate == FATE_NONE ? NULL : cancel_fate_text(attempt->cancel_fate));
    out_key(out, "cancel_stopped_after_ms");
    if (was_acked && attempt->cancel_fate == FATE_STOPPED) {
        out_ms(out, attempt->cancel_stopped_after);
    } else {
        out_null(out);
    }
    out_duration(out, "ran_ms", attempt->ran);
    out_duration(out, "cpu_ms", attempt->cpu);
    out_duration(out, "wasted_ms", attempt->wasted);
    out_text_or_null(out, "message", attempt->message);
    out_close(out, '}');
}

static void
out_attempts(struct out *out, const struct job_view *job)
{
    out_key(out, "attempts");
    out_open(out, '[');
    for (uint32_t i = 0; i < job->attempts_count; i++) {
        attempt_json(out, &job->attempts[i], job->created_at);
    }
    out_close(out, ']');
}

static void
out_winner(struct out *out, const struct job_view *job)
{
    const struct attempt_view *winner = job_view_winner(job);
    out_key(out, "winner");
    if (winner == NULL) {
        out_null(out);
        return;
    }
    out_open(out, '{');
    out_number(out, "attempt", winner->number);
    out_text(out, "kind", attempt_kind_text(winner->kind));
    out_text(out, "worker", winner->worker);
    out_close(out, '}');
}

static void
out_hedge(struct out *out, const struct job_view *job)
{
    uint64_t sent_count = 0;
    for (uint32_t i = 0; i < job->attempts_count; i++) {
        sent_count += job->attempts[i].kind == ATTEMPT_HEDGE ? 1 : 0;
    }
    bool was_refused = job->hedge_refusal != HEDGE_NOT_REFUSED;
    out_key(out, "hedge");
    out_open(out, '{');
    out_key(out, "on");
    out_bool(out, job->hedge_on);
    out_key(out, "delay_ms");
    if (job->hedge_on) {
        out_ms(out, job->hedge_delay);
    } else {
        out_null(out);
    }
    out_key(out, "delay_from");
    out_string(out, slice_of(hedge_source_text(job->hedge_source)));
    out_number(out, "sent", sent_count);
    out_duration(out, "saved_ms", job->hedge_saved);
    out_text_or_null(
        out, "refused", was_refused ? hedge_refusal_text(job->hedge_refusal) : NULL);
    out_since(out, "refused_ms", was_refused ? job->hedge_refused_at : INSTANT_NEVER,
        job->created_at);
    out_close(out, '}');
}

/* The bytes in the form that shows most of them. */
static void
out_result_bytes(struct out *out, const struct api_result *result)
{
    struct slice bytes = { (const char *) result->bytes, result->size };
    size_t at;
    bool says_json = strncmp(result->content_type, "application/json", 16) == 0;
    if (says_json && json_scan(bytes, 32, &at) == ERR_OK) {
        out_key(out, "json");
        out_json(out, bytes);
    } else if (utf8_is_valid(bytes)) {
        out_key(out, "text");
        out_string(out, bytes);
    } else {
        out_key(out, "base64");
        out_base64(out, result->bytes, result->size);
    }
}

static void
out_result(struct api *api, const struct job_view *job, enum result_form form)
{
    struct out *out = &api->out;
    out_key(out, "result");
    if (job->state != JOB_SUCCEEDED) {
        out_null(out);
        return;
    }
    struct api_result result = { .content_type = "" };
    bool is_there = api->backend.result(api->backend.shell, job->id, &result);
    out_open(out, '{');
    out_text_or_null(out, "content_type", result.content_type);
    out_number(out, "size", job->result_size);
    out_key(out, "available");
    out_bool(out, is_there);
    bool is_inline = form == RESULT_INLINE ||
                     (form == RESULT_INLINE_SMALL && result.size <= INLINE_SIZE_MAX);
    if (is_there && is_inline) {
        out_result_bytes(out, &result);
    }
    out_close(out, '}');
}

static void
out_timing(struct api *api, const struct job_view *job)
{
    struct out *out = &api->out;
    instant_t now = api->backend.now(api->backend.shell);
    out_duration(out, "timeout_ms", instant_since(job->deadline, job->created_at));
    out_since(out, "age_ms", now, job->created_at);
    out_key(out, "timing_ms");
    out_open(out, '{');
    out_since(out, "queue", job_started_at(job), job->created_at);
    out_since(out, "total", job->finished_at, job->created_at);
    out_close(out, '}');
}

static void
out_error(struct out *out, const struct job_view *job)
{
    out_key(out, "error");
    if (job->state != JOB_FAILED) {
        out_null(out);
        return;
    }
    out_open(out, '{');
    out_text(out, "message", job->message);
    out_close(out, '}');
}

void
job_json(struct api *api, const struct job_view *job, enum result_form form)
{
    struct out *out = &api->out;
    int64_t wasted_ns = 0;
    for (uint32_t i = 0; i < job->attempts_count; i++) {
        wasted_ns += job->attempts[i].wasted.ns;
    }
    out_open(out, '{');
    out_key(out, "id");
    out_id(out, job->id);
    out_text(out, "handler", job->handler);
    out_text(out, "state", job_state_text(job->state));
    out_text_or_null(out, "cause", cause_or_null(job->cause));
    out_text(out, "mode", job_mode_text(job->mode));
    out_at(api, "created_at", job->created_at);
    out_at(api, "finished_at", job->finished_at);
    out_at(api, "deadline_at", job->deadline);
    out_timing(api, job);
    out_number(out, "input_size", job->input_size);
    out_winner(out, job);
    out_hedge(out, job);
    out_attempts(out, job);
    out_duration(out, "wasted_ms", duration_ns(wasted_ns));
    out_result(api, job, form);
    out_error(out, job);
    out_close(out, '}');
}

void
job_json_attempts(struct api *api, const struct job_view *job)
{
    out_open(&api->out, '{');
    out_attempts(&api->out, job);
    out_close(&api->out, '}');
}

/* ---- workers and handlers ------------------------------------------------------------- */

void
worker_json(struct api *api, const struct worker_view *worker)
{
    struct out *out = &api->out;
    const struct core *core = api->backend.core(api->backend.shell);
    instant_t now = api->backend.now(api->backend.shell);
    char incarnation[17];
    snprintf(incarnation, sizeof incarnation, "%016" PRIx64, worker->incarnation);
    out_open(out, '{');
    out_text(out, "name", worker->name);
    out_text(out, "zone", worker->zone);
    out_text(out, "incarnation", incarnation);
    out_text(out, "state", worker_state_text(worker->state));
    out_number(out, "slots", worker->slots_count);
    out_number(out, "queue_max", worker->queue_max);
    out_number(out, "in_flight", worker->in_flight_count);
    out_number(out, "running", worker->running_count);
    out_number(out, "queued", worker->queued_count);
    out_duration(out, "rtt_ms", worker->rtt);
    out_since(out, "up_ms", now, worker->up_at);
    out_since(out, "heard_ms", now, worker->heard_at);
    out_number(out, "done", worker->done_count);
    out_key(out, "handlers");
    out_open(out, '[');
    uint32_t handlers_count = core_handlers_count(core);
    for (uint32_t i = 0; i < handlers_count && i < 64; i++) {
        if (((worker->handlers_mask >> i) & 1) != 0) {
            struct handler_view handler;
            core_handler_at(core, i, &handler);
            out_string(out, slice_of(handler.name));
        }
    }
    out_close(out, ']');
    out_close(out, '}');
}

void
out_hedges_refused(struct out *out, const struct handler_view *handler)
{
    out_key(out, "hedges_refused");
    out_open(out, '{');
    for (unsigned i = HEDGE_NOT_REFUSED + 1; i < HEDGE_REFUSALS_COUNT; i++) {
        out_number(
            out, hedge_refusal_text((enum hedge_refusal) i), handler->hedges_refused_count[i]);
    }
    out_close(out, '}');
}

static void
out_handler_counts(struct out *out, const struct handler_view *handler)
{
    out_key(out, "finished");
    out_open(out, '{');
    for (unsigned i = JOB_SUCCEEDED; i <= JOB_DEADLINE_EXCEEDED; i++) {
        out_number(out, job_state_text((enum job_state) i), handler->finished_count[i]);
    }
    out_close(out, '}');
    out_key(out, "attempts");
    out_open(out, '{');
    for (unsigned i = 0; i < ATTEMPT_KINDS_COUNT; i++) {
        out_number(out, attempt_kind_text((enum attempt_kind) i), handler->attempts_count[i]);
    }
    out_close(out, '}');
    out_number(out, "hedge_wins", handler->hedge_wins_count);
    out_hedges_refused(out, handler);
    out_duration(out, "saved_ms", duration_ns((int64_t) (handler->saved_s * 1e9)));
}

void
handler_json(struct api *api, const struct handler_view *handler)
{
    struct out *out = &api->out;
    out_open(out, '{');
    out_text(out, "name", handler->name);
    out_key(out, "idempotent");
    out_bool(out, (handler->flags & HANDLER_IDEMPOTENT) != 0);
    out_key(out, "cpu");
    out_bool(out, (handler->flags & HANDLER_CPU) != 0);
    out_number(out, "workers", handler->workers_count);
    out_number(out, "submitted", handler->submitted_count);
    out_handler_counts(out, handler);
    out_duration(out, "wasted_ms", duration_ns((int64_t) (handler->wasted_s * 1e9)));
    out_duration(out, "wasted_cpu_ms", duration_ns((int64_t) (handler->wasted_cpu_s * 1e9)));
    out_duration(out, "useful_cpu_ms", duration_ns((int64_t) (handler->useful_cpu_s * 1e9)));
    out_close(out, '}');
}

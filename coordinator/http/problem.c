/* SPDX-License-Identifier: MIT
 *
 * Refusals as RFC 9457 problems: what is wrong, and what to do about it.
 */
#include "coordinator/http/state.h"

#include <stdarg.h>
#include <stdio.h>

static void
out_member(struct out *out, const char *key, const char *text)
{
    if (text != NULL) {
        out_key(out, key);
        out_string(out, slice_of(text));
    }
}

static void
out_job_members(struct out *out, const struct problem *problem)
{
    const struct job_view *job = problem->job;
    if (job == NULL && !problem->has_job_id) {
        return;
    }
    out_key(out, "job_id");
    out_id(out, job != NULL ? job->id : problem->job_id);
    if (job == NULL) {
        return;
    }
    out_member(out, "state", job_state_text(job->state));
    if (job->cause != CAUSE_NONE) {
        out_member(out, "cause", cancel_cause_text(job->cause));
    }
    if (job->message[0] != '\0') {
        out_member(out, "message", job->message);
    }
    out_key(out, "attempts");
    out_u64(out, job->attempts_count);
}

void
reply_problem(struct conn *conn, const struct problem *problem)
{
    struct out *out = &conn->api->out;
    out_reset(out);
    out_open(out, '{');
    out_key(out, "type");
    char type[64];
    snprintf(type, sizeof type, "/problems/%s", problem->code);
    out_string(out, slice_of(type));
    out_member(out, "title", problem->title);
    out_key(out, "status");
    out_u64(out, problem->status);
    out_member(out, "detail", problem->detail);
    out_member(out, "code", problem->code);
    out_key(out, "retryable");
    out_bool(out, problem->is_retryable);
    out_member(out, "field", problem->field);
    out_member(out, "nearest", problem->nearest);
    if (problem->limit > 0) {
        out_key(out, "limit");
        out_u64(out, problem->limit);
        out_member(out, "unit", problem->unit);
    }
    if (problem->retry_after.ns > 0) {
        out_key(out, "retry_after_ms");
        out_ms(out, problem->retry_after);
    }
    out_job_members(out, problem);
    out_close(out, '}');
    out_add(out, SLICE("\n"));
    if (out->has_failed) {
        reply_no_memory(conn);
        return;
    }
    reply_send(conn, &(struct reply){ .status = problem->status,
                         .content_type = "application/problem+json",
                         .body = out_slice(out),
                         .job = problem->job,
                         .retry_after = problem->retry_after,
                         .allow = problem->allow,
                         .authenticate = problem->authenticate });
}

void
reply_bad_field(
    struct conn *conn, const char *field, const char *nearest, const char *format, ...)
{
    char detail[320];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    reply_problem(conn, &(struct problem){ .status = 400,
                            .code = "bad-request",
                            .title = "Bad request",
                            .detail = detail,
                            .field = field,
                            .nearest = nearest });
}

void
reply_too_big(struct conn *conn, const char *field, uint64_t limit)
{
    char detail[96];
    snprintf(detail, sizeof detail, "the %s may have at most %llu bytes", field,
        (unsigned long long) limit);
    reply_problem(conn, &(struct problem){ .status = 413,
                            .code = "too-big",
                            .title = "Too big",
                            .detail = detail,
                            .field = field,
                            .limit = limit,
                            .unit = "bytes" });
}

void
reply_no_memory(struct conn *conn)
{
    /* Not from the growing buffer: that is what there may be no memory for. */
    static const char body[] =
        "{\"type\":\"/problems/overloaded\",\"title\":\"Overloaded\",\"status\":503,"
        "\"detail\":\"there is no memory for this request\",\"code\":\"overloaded\","
        "\"retryable\":true}\n";
    conn->must_close = true;
    reply_send(conn, &(struct reply){ .status = 503,
                         .content_type = "application/problem+json",
                         .body = { body, sizeof body - 1 },
                         .retry_after = duration_s(1) });
}

void
reply_no_token(struct conn *conn)
{
    reply_problem(conn, &(struct problem){ .status = 401,
                            .code = "no-token",
                            .title = "No token",
                            .detail = "send 'Authorization: Bearer TOKEN' with a token that "
                                      "this server knows",
                            .field = "Authorization",
                            .authenticate = "Bearer realm=\"hedgerow\"" });
}

void
reply_not_in_scope(struct conn *conn, const char *scope)
{
    char detail[96];
    char authenticate[96];
    snprintf(detail, sizeof detail, "this token is not good for: %s", scope);
    snprintf(authenticate, sizeof authenticate,
        "Bearer realm=\"hedgerow\", error=\"insufficient_scope\", scope=\"%s\"", scope);
    reply_problem(conn, &(struct problem){ .status = 403,
                            .code = "not-in-scope",
                            .title = "Not in scope",
                            .detail = detail,
                            .field = "Authorization",
                            .authenticate = authenticate });
}

void
reply_unknown_job(struct conn *conn, job_id_t id)
{
    reply_problem(conn, &(struct problem){ .status = 404,
                            .code = "unknown-job",
                            .title = "No such job",
                            .detail = "it never was here, or its record is no longer kept",
                            .has_job_id = true,
                            .job_id = id });
}

void
reply_key_reused(struct conn *conn, job_id_t id)
{
    reply_problem(conn, &(struct problem){ .status = 422,
                            .code = "idempotency-key-reused",
                            .title = "Idempotency-Key reused",
                            .detail = "this key came with another request before; a key is "
                                      "for one request and its repetitions",
                            .field = "Idempotency-Key",
                            .has_job_id = true,
                            .job_id = id });
}

void
reply_key_in_flight(struct conn *conn, job_id_t id)
{
    reply_problem(conn, &(struct problem){ .status = 409,
                            .code = "idempotency-key-in-flight",
                            .title = "Idempotency-Key in flight",
                            .detail = "the first request with this key is on its way to disk",
                            .field = "Idempotency-Key",
                            .has_job_id = true,
                            .job_id = id,
                            .is_retryable = true,
                            .retry_after = duration_s(1) });
}

void
reply_key_outlived(struct conn *conn, job_id_t id)
{
    reply_problem(conn, &(struct problem){ .status = 410,
                            .code = "result-gone",
                            .title = "Result gone",
                            .detail = "the job of this Idempotency-Key has ended, and is no "
                                      "longer kept; it was not run again",
                            .has_job_id = true,
                            .job_id = id });
}

/* ---- jobs that did not succeed -------------------------------------------------------- */

static struct problem
problem_of_failed(const struct job_view *job, char *detail, size_t room)
{
    snprintf(detail, room, "the handler '%s' failed: %s", job->handler,
        job->message[0] != '\0' ? job->message : "it did not say why");
    return (struct problem){
        .status = 502, .code = "handler-failed", .title = "The handler failed"
    };
}

static struct problem
problem_of_deadline(const struct job_view *job, char *detail, size_t room)
{
    duration_t timeout = instant_since(job->deadline, job->created_at);
    snprintf(detail, room, "the job did not end within its %lld ms",
        (long long) duration_to_ms(timeout));
    return (struct problem){ .status = 504,
        .code = "deadline-exceeded",
        .title = "Deadline exceeded",
        .is_retryable = true };
}

static struct problem
problem_of_cancelled(const struct job_view *job, char *detail, size_t room)
{
    snprintf(detail, room, "the job was cancelled (%s)", cancel_cause_text(job->cause));
    return (struct problem){ .status = 499, .code = "cancelled", .title = "Cancelled" };
}

void
reply_job_problem(struct conn *conn, const struct job_view *job)
{
    char detail[384];
    struct problem problem = { 0 };
    switch (job->state) {
    case JOB_FAILED: problem = problem_of_failed(job, detail, sizeof detail); break;
    case JOB_CANCELLED: problem = problem_of_cancelled(job, detail, sizeof detail); break;
    case JOB_DEADLINE_EXCEEDED:
        problem = problem_of_deadline(job, detail, sizeof detail);
        break;
    case JOB_QUEUED:
    case JOB_RUNNING:
    case JOB_SUCCEEDED: CHECK_UNREACHABLE();
    }
    problem.detail = detail;
    problem.job = job;
    reply_problem(conn, &problem);
}

/* ---- jobs that were not taken --------------------------------------------------------- */

static void
refuse_unknown_handler(struct conn *conn, const char *handler)
{
    char detail[256];
    const char *nearest = submit_nearest_handler(conn->api, handler);
    if (nearest != NULL) {
        snprintf(detail, sizeof detail,
            "no worker ever offered '%.100s'; did you mean '%.100s'?", handler, nearest);
    } else {
        snprintf(detail, sizeof detail, "no worker ever offered '%.100s'", handler);
    }
    reply_problem(conn, &(struct problem){ .status = 404,
                            .code = "unknown-handler",
                            .title = "No such handler",
                            .detail = detail,
                            .field = "handler",
                            .nearest = nearest });
}

void
reply_refused(struct conn *conn, const char *handler, const struct core_command *refuse)
{
    struct problem problem = { .is_retryable = true,
        .retry_after = duration_max(refuse->refuse.retry_after, duration_s(1)) };
    switch (refuse->refuse.why) {
    case SUBMIT_UNKNOWN_HANDLER: refuse_unknown_handler(conn, handler); return;
    case SUBMIT_NO_WORKER:
        problem.status = 503;
        problem.code = "no-worker";
        problem.title = "No worker";
        problem.detail = "the handler is known, but no live worker has it";
        break;
    case SUBMIT_FULL:
        problem.status = 429;
        problem.code = "overloaded";
        problem.title = "Overloaded";
        problem.detail = "there is no room for another job";
        break;
    case SUBMIT_LATE:
        problem.status = 429;
        problem.code = "overloaded";
        problem.title = "Overloaded";
        problem.detail = "so many jobs wait for this handler that this one would be too late";
        break;
    case SUBMIT_DRAINING:
        problem.status = 503;
        problem.code = "draining";
        problem.title = "Draining";
        problem.detail = "this coordinator is being stopped";
        break;
    case SUBMIT_NOT_STORED:
        problem.status = 503;
        problem.code = "store-unavailable";
        problem.title = "Store unavailable";
        problem.detail = "the job was to be kept on disk, and the disk does not take it now";
        break;
    case SUBMIT_DEADLINE:
        problem.status = 504;
        problem.code = "deadline-exceeded";
        problem.title = "Deadline exceeded";
        problem.detail = "no useful time is left for this job";
        problem.retry_after = DURATION_ZERO;
        break;
    case SUBMIT_DUPLICATE_ID:
        problem.status = 409;
        problem.code = "duplicate-job";
        problem.title = "Duplicate job";
        problem.detail = "a job with this X-Job-Id exists already";
        problem.is_retryable = false;
        problem.retry_after = DURATION_ZERO;
        problem.has_job_id = true;
        problem.job_id = refuse->job;
        break;
    }
    reply_problem(conn, &problem);
}

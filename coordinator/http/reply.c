/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "coordinator/http/state.h"

#include <time.h>

static const struct status {
    unsigned status;
    const char *reason;
} statuses[] = {
    { 200, "OK" },
    { 202, "Accepted" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 499, "Client Closed Request" },
    { 500, "Internal Server Error" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
};
_Static_assert(ARRAY_COUNT(statuses) <= API_STATUSES_MAX, "one counter for each status");

static unsigned
status_index(unsigned status)
{
    for (unsigned i = 0; i < ARRAY_COUNT(statuses); i++) {
        if (statuses[i].status == status) {
            return i;
        }
    }
    CHECK_UNREACHABLE();
}

const char *
reply_reason(unsigned status)
{
    return statuses[status_index(status)].reason;
}

unsigned
reply_status_at(unsigned index)
{
    return index < ARRAY_COUNT(statuses) ? statuses[index].status : 0;
}

/* ---- the head ------------------------------------------------------------------------- */

#define HEAD_SIZE_MAX 1536

struct head {
    char bytes[HEAD_SIZE_MAX];
    size_t size;
};

static void
put(struct head *head, struct slice text)
{
    CHECK(text.size <= sizeof head->bytes - head->size);
    memcpy(head->bytes + head->size, text.at, text.size);
    head->size += text.size;
}

static void
put_u64(struct head *head, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char) ('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(head, (struct slice){ digits + at, sizeof digits - at });
}

/* Milliseconds with three decimals. */
static void
put_ms(struct head *head, duration_t duration)
{
    uint64_t us = (uint64_t) duration_to_us(duration);
    const char decimals[4] = { '.', (char) ('0' + us / 100 % 10), (char) ('0' + us / 10 % 10),
        (char) ('0' + us % 10) };
    put_u64(head, us / 1000);
    put(head, (struct slice){ decimals, sizeof decimals });
}

/* What a worker or a handler says of itself must not become a header of ours. */
static void
put_word(struct head *head, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        put(head, (struct slice){ c > ' ' && c < 0x7f ? &c : "_", 1 });
    }
}

static void
put_content_type(struct head *head, const char *type)
{
    struct slice text = slice_of(type);
    bool is_good = text.size > 0 && text.size < API_CONTENT_TYPE_SIZE_MAX;
    for (size_t i = 0; is_good && i < text.size; i++) {
        is_good = text.at[i] >= ' ' && text.at[i] < 0x7f;
    }
    put(head, SLICE("\r\nContent-Type: "));
    put(head, is_good ? text : SLICE("application/octet-stream"));
}

static struct slice
date_of(struct api *api)
{
    uint64_t seconds = clock_unix_ms() / 1000;
    if (seconds != api->date_s) {
        time_t when = (time_t) seconds;
        struct tm utc;
        CHECK(gmtime_r(&when, &utc) != NULL);
        CHECK(strftime(api->date, sizeof api->date, "%a, %d %b %Y %H:%M:%S GMT", &utc) == 29);
        api->date_s = seconds;
    }
    return (struct slice){ api->date, 29 };
}

static void
put_job_id(struct head *head, job_id_t job)
{
    char id[ID_TEXT_SIZE];
    id_to_text(job, id);
    put(head, SLICE("\r\nX-Job-Id: "));
    put(head, (struct slice){ id, ID_TEXT_SIZE - 1 });
}

static void
put_job(struct head *head, const struct job_view *job)
{
    put_job_id(head, job->id);
    put(head, SLICE("\r\nX-Job-Attempts: "));
    put_u64(head, job->attempts_count);
    const struct attempt_view *winner = job_view_winner(job);
    if (winner != NULL) {
        put(head, SLICE("\r\nX-Job-Winner: "));
        put(head, slice_of(attempt_kind_text(winner->kind)));
        put(head, SLICE("/"));
        put_word(head, slice_of(winner->worker));
    }
    instant_t started_at = job_started_at(job);
    if (instant_is_never(job->finished_at)) {
        return;
    }
    put(head, SLICE("\r\nServer-Timing: "));
    if (!instant_is_never(started_at)) {
        put(head, SLICE("queue;dur="));
        put_ms(head, instant_since(started_at, job->created_at));
        put(head, SLICE(", "));
    }
    put(head, SLICE("total;dur="));
    put_ms(head, instant_since(job->finished_at, job->created_at));
}

/* Which preferences were heard (RFC 7240, 3). */
static void
put_preference(struct head *head, const struct prefer *prefer, bool is_accepted)
{
    bool is_async = prefer->respond_async && is_accepted;
    if (!is_async && !prefer->has_wait) {
        return;
    }
    put(head, SLICE("\r\nPreference-Applied: "));
    if (is_async) {
        put(head, SLICE("respond-async"));
    }
    if (prefer->has_wait) {
        put(head, is_async ? SLICE(", wait=") : SLICE("wait="));
        put_u64(head, prefer->wait_s);
    }
}

/* NULL or "": no header. */
static void
put_name(struct head *head, struct slice header, const char *name)
{
    if (name != NULL && name[0] != '\0') {
        put(head, header);
        put(head, slice_of(name));
    }
}

static void
put_connection(struct head *head, const struct conn *conn)
{
    if (conn->must_close) {
        put(head, SLICE("\r\nConnection: close"));
    } else if (conn->version_minor == 0) {
        put(head, SLICE("\r\nConnection: keep-alive"));
    }
}

static void
put_status(struct head *head, unsigned status)
{
    put(head, SLICE("HTTP/1.1 "));
    put_u64(head, status);
    put(head, SLICE(" "));
    put(head, slice_of(reply_reason(status)));
}

void
reply_send(struct conn *conn, const struct reply *reply)
{
    struct head head;
    head.size = 0;
    put_status(&head, reply->status);
    put(&head, SLICE("\r\nDate: "));
    put(&head, date_of(conn->api));
    put_content_type(&head, reply->content_type);
    put(&head, SLICE("\r\nContent-Length: "));
    put_u64(&head, reply->body.size);
    put_connection(&head, conn);
    if (!id_is_none(reply->job_id)) {
        put_job_id(&head, reply->job_id);
    }
    if (reply->job != NULL) {
        put_job(&head, reply->job);
        put_preference(&head, &conn->prefer, reply->is_accepted);
    }
    put_name(&head, SLICE("\r\nX-Request-Id: "), conn->request_id);
    put_name(&head, SLICE("\r\ntraceparent: "), conn->traceparent);
    put_name(&head, SLICE("\r\nAllow: "), reply->allow);
    put_name(&head, SLICE("\r\nWWW-Authenticate: "), reply->authenticate);
    if (conn->is_replayed) {
        put(&head, SLICE("\r\nIdempotency-Replayed: true"));
    }
    if (reply->retry_after.ns > 0) {
        put(&head, SLICE("\r\nRetry-After: "));
        put_u64(&head, (uint64_t) ((reply->retry_after.ns + 999999999) / 1000000000));
    }
    if (reply->is_accepted) {
        char id[ID_TEXT_SIZE];
        id_to_text(reply->job->id, id);
        put_name(&head, SLICE("\r\nLocation: /v1/jobs/"), id);
    }
    if (reply->is_result) {
        /* Handlers' bytes come from our origin: no browser may take them for our pages. */
        put(&head, SLICE("\r\nX-Content-Type-Options: nosniff"
                         "\r\nContent-Security-Policy: sandbox"));
    }
    put(&head, SLICE("\r\n\r\n"));

    const struct net_bytes parts[] = { { head.bytes, head.size },
        { reply->body.at, reply->body.size } };
    bool has_body = reply->body.size > 0 && !conn->is_head;
    api_count_request(conn, status_index(reply->status));
    conn->written_size += head.size + (has_body ? reply->body.size : 0);
    if (net_conn_write(conn->net, parts, has_body ? 2 : 1) != ERR_OK) {
        conn_close(conn); /* half an answer is none */
    } else if (!conn_count_held(conn) && net_conn_unsent(conn->net) > API_UNSENT_SIZE_MAX) {
        conn->api->cut_count[DEADLINE_NONE]++;
        conn_close(conn); /* of all the slow readers, this one is over */
    } else if (conn->must_close) {
        conn_finish(conn);
    }
}

bool
reply_begin_stream(struct conn *conn)
{
    struct head head;
    head.size = 0;
    conn->must_close = true;
    put_status(&head, 200);
    put(&head, SLICE("\r\nDate: "));
    put(&head, date_of(conn->api));
    /* X-Accel-Buffering: nginx would keep events until it has a page of them. */
    put(&head, SLICE("\r\nContent-Type: text/event-stream\r\nCache-Control: no-store"
                     "\r\nX-Accel-Buffering: no\r\nConnection: close"));
    put_name(&head, SLICE("\r\nX-Request-Id: "), conn->request_id);
    put(&head, conn->version_minor == 1 ? SLICE("\r\nTransfer-Encoding: chunked\r\n\r\n")
                                        : SLICE("\r\n\r\n"));
    api_count_request(conn, status_index(200));
    const struct net_bytes bytes = { head.bytes, head.size };
    conn->written_size += head.size;
    if (net_conn_write(conn->net, &bytes, 1) != ERR_OK) {
        conn_close(conn);
        return false;
    }
    return true;
}

void
reply_json(struct conn *conn, unsigned status, const struct job_view *job)
{
    struct out *out = &conn->api->out;
    out_add(out, SLICE("\n"));
    if (out->has_failed) {
        reply_no_memory(conn);
        return;
    }
    reply_send(conn, &(struct reply){ .status = status,
                         .content_type = "application/json",
                         .body = out_slice(out),
                         .job = job });
}

void
reply_accepted(struct conn *conn, job_id_t id)
{
    struct api *api = conn->api;
    struct job_view job;
    if (!api->backend.job(api->backend.shell, id, &job)) {
        reply_unknown_job(conn, id);
        return;
    }
    out_reset(&api->out);
    job_json(api, &job, RESULT_NOT_INLINE);
    out_add(&api->out, SLICE("\n"));
    if (api->out.has_failed) {
        reply_no_memory(conn);
        return;
    }
    reply_send(conn, &(struct reply){ .status = 202,
                         .content_type = "application/json",
                         .body = out_slice(&api->out),
                         .job = &job,
                         .is_accepted = true });
}

/* ---- jobs ----------------------------------------------------------------------------- */

static void
reply_result(struct conn *conn, const struct job_view *job)
{
    struct api *api = conn->api;
    struct api_result result = { .content_type = "" };
    if (!api->backend.result(api->backend.shell, job->id, &result)) {
        reply_problem(conn, &(struct problem){ .status = 410,
                                .code = "result-gone",
                                .title = "Result gone",
                                .detail = "the job succeeded, but its result is no longer kept",
                                .job = job });
        return;
    }
    reply_send(conn, &(struct reply){ .status = 200,
                         .content_type = result.content_type,
                         .body = { (const char *) result.bytes, result.size },
                         .job = job,
                         .is_result = true });
}

void
reply_job(struct conn *conn, const struct job_view *job, enum answer_form form)
{
    bool is_view = form == ANSWER_VIEW;
    if (!is_view && job->state != JOB_SUCCEEDED) {
        reply_job_problem(conn, job);
        return;
    }
    if (form == ANSWER_RESULT) {
        reply_result(conn, job);
        return;
    }
    out_reset(&conn->api->out);
    job_json(conn->api, job, is_view ? RESULT_INLINE_SMALL : RESULT_INLINE);
    reply_json(conn, 200, job);
}

/* SPDX-License-Identifier: MIT
 *
 * Answers out of the store: jobs that memory no longer has.
 */
#include "common/pure/json_scan.h"
#include "coordinator/http/state.h"

#include <stdio.h>

/* ---- asking --------------------------------------------------------------------------- */

void
recall_or_unknown(struct conn *conn, const struct api_recall *recall)
{
    struct api *api = conn->api;
    conn->form = recall->what == RECALL_RESULT ? ANSWER_RESULT : ANSWER_VIEW;
    conn->job = recall->job;
    api_ticket_t ticket = conn_start_waiting(conn);
    if (!api->backend.recall(api->backend.shell, ticket, recall)) {
        conn_stop_waiting(conn);
        reply_unknown_job(conn, recall->job);
    }
}

/* ---- answering ------------------------------------------------------------------------ */

static void
read_cause(struct slice document, struct job_view *view)
{
    struct slice word;
    if (!json_scan_member(document, SLICE("cause"), &word)) {
        return;
    }
    for (unsigned cause = CAUSE_NONE + 1; cause <= CAUSE_SHUTDOWN; cause++) {
        char quoted[32];
        snprintf(quoted, sizeof quoted, "\"%s\"", cancel_cause_text((enum cancel_cause) cause));
        if (slice_equal(word, slice_of(quoted))) {
            view->cause = (enum cancel_cause) cause;
        }
    }
}

/* What the handler said when it failed. */
static void
read_message(struct slice document, char *message, size_t room)
{
    struct slice error;
    struct slice text;
    size_t size;
    message[0] = '\0';
    if (json_scan_member(document, SLICE("error"), &error) &&
        json_scan_member(error, SLICE("message"), &text) && text.size < room &&
        json_scan_string(text, message, &size) == ERR_OK) {
        message[size] = '\0';
    }
}

/* As much of a view as a problem needs. */
static void
view_of(const struct api_record *record, struct job_view *ret_view)
{
    static char message[CORE_MESSAGE_SIZE_MAX * 6]; /* for the time of one answer */
    *ret_view = (struct job_view){ .id = record->job,
        .handler = record->handler,
        .state = JOB_FAILED,
        .finished_at = INSTANT_NEVER,
        .message = message };
    read_cause(record->document, ret_view);
    read_message(record->document, message, sizeof message);
    for (unsigned state = JOB_SUCCEEDED; state <= JOB_DEADLINE_EXCEEDED; state++) {
        if (strcmp(record->state, job_state_text((enum job_state) state)) == 0) {
            ret_view->state = (enum job_state) state;
            return;
        }
    }
}

static void
answer_result(struct conn *conn, const struct api_record *record)
{
    struct job_view view;
    view_of(record, &view);
    if (view.state != JOB_SUCCEEDED) {
        reply_job_problem(conn, &view);
        return;
    }
    reply_send(conn, &(struct reply){ .status = 200,
                         .content_type = record->result.content_type,
                         .body = { (const char *) record->result.bytes, record->result.size },
                         .job_id = record->job,
                         .is_result = true });
}

static void
answer_document(struct conn *conn, const struct api_record *record, enum api_recall_what what)
{
    struct out *out = &conn->api->out;
    struct slice attempts;
    out_reset(out);
    if (what == RECALL_ATTEMPTS &&
        json_scan_member(record->document, SLICE("attempts"), &attempts)) {
        out_open(out, '{');
        out_key(out, "attempts");
        out_json(out, attempts);
        out_close(out, '}');
    } else {
        out_add(out, record->document);
    }
    reply_json(conn, 200, NULL);
}

static void
answer_list(struct conn *conn, const struct api_record *records, uint32_t count)
{
    struct out *out = &conn->api->out;
    out_reset(out);
    out_open(out, '{');
    out_key(out, "jobs");
    out_open(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        out_json(out, records[i].document);
    }
    out_close(out, ']');
    out_key(out, "next_page_token");
    if (count > 0) {
        out_id(out, records[count - 1].job);
    } else {
        out_null(out);
    }
    out_close(out, '}');
    reply_json(conn, 200, NULL);
}

void
api_recalled(struct api *api, api_ticket_t ticket, const struct api_recall *recall,
    const struct api_record *records, uint32_t records_count)
{
    struct conn *conn = api_take_waiting(api, ticket);
    if (conn == NULL) {
        return;
    }
    bool wants_outcome = recall->what == RECALL_JOB && conn->form != ANSWER_VIEW;
    if (recall->what == RECALL_LIST) {
        answer_list(conn, records, records_count);
    } else if (records_count == 0) {
        reply_unknown_job(conn, recall->job);
    } else if (recall->what == RECALL_RESULT || wants_outcome) {
        answer_result(conn, records);
    } else {
        answer_document(conn, records, recall->what);
    }
    conn_process(conn);
}

struct slice
api_document(struct api *api, const struct job_view *job)
{
    out_reset(&api->out);
    job_json(api, job, RESULT_INLINE_SMALL);
    return api->out.has_failed ? (struct slice){ 0 } : out_slice(&api->out);
}

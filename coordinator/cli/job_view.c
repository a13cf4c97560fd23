/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/job_view.h"

#include "common/edge/json.h"
#include "coordinator/cli/out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A member of a JSON object, into a field. */
#define TEXT_OF(json_, key_, field_) text_of(json_, key_, field_, sizeof(field_))

static void
text_of(const struct json *json, const char *key, char *room, size_t room_size)
{
    const char *text = json_text(json_get(json, key));
    snprintf(room, room_size, "%s", text != NULL ? text : "");
    out_sanitize(room);
}

static double
ms_of(const struct json *json, const char *key)
{
    double ms = (double) NAN;
    (void) json_f64(json_get(json, key), &ms);
    return ms;
}

static uint64_t
count_of(const struct json *json, const char *key)
{
    int64_t count = 0;
    (void) json_i64(json_get(json, key), &count);
    return count > 0 ? (uint64_t) count : 0;
}

static void
attempt_parse(const struct json *json, struct job_view_attempt *attempt)
{
    attempt->number = (unsigned) count_of(json, "number");
    TEXT_OF(json, "kind", attempt->kind);
    TEXT_OF(json, "worker", attempt->worker);
    TEXT_OF(json, "state", attempt->state);
    TEXT_OF(json, "cancel_cause", attempt->cancel_cause);
    TEXT_OF(json, "cancel_fate", attempt->cancel_fate);
    TEXT_OF(json, "message", attempt->message);
    attempt->sent_ms = ms_of(json, "sent_ms");
    attempt->started_ms = ms_of(json, "started_ms");
    attempt->ended_ms = ms_of(json, "ended_ms");
    attempt->cancel_sent_ms = ms_of(json, "cancel_sent_ms");
    attempt->cancel_acked_ms = ms_of(json, "cancel_acked_ms");
    attempt->cancel_stopped_after_ms = ms_of(json, "cancel_stopped_after_ms");
    attempt->ran_ms = ms_of(json, "ran_ms");
    attempt->cpu_ms = ms_of(json, "cpu_ms");
    attempt->wasted_ms = ms_of(json, "wasted_ms");
}

static void
parts_parse(const struct json *json, struct job_view *view)
{
    const struct json *timing = json_get(json, "timing_ms");
    view->queue_ms = ms_of(timing, "queue");
    view->total_ms = ms_of(timing, "total");
    view->winner = (unsigned) count_of(json_get(json, "winner"), "attempt");
    view->result_size = count_of(json_get(json, "result"), "size");
    TEXT_OF(json_get(json, "error"), "message", view->error);

    const struct json *hedge = json_get(json, "hedge");
    (void) json_bool(json_get(hedge, "on"), &view->hedge_on);
    view->hedge_delay_ms = ms_of(hedge, "delay_ms");
    view->hedge_sent = (unsigned) count_of(hedge, "sent");
    TEXT_OF(hedge, "refused", view->hedge_refused);
    view->hedge_refused_ms = ms_of(hedge, "refused_ms");

    const struct json *attempts = json_get(json, "attempts");
    size_t count = json_count(attempts);
    for (size_t i = 0; i < count && i < JOB_VIEW_ATTEMPTS_MAX; i++) {
        attempt_parse(json_at(attempts, i), &view->attempts[view->attempts_count++]);
    }
}

bool
job_view_read(const struct json *json, struct job_view *ret_view)
{
    struct job_view view = { 0 };
    TEXT_OF(json, "id", view.id);
    TEXT_OF(json, "handler", view.handler);
    TEXT_OF(json, "state", view.state);
    TEXT_OF(json, "cause", view.cause);
    TEXT_OF(json, "mode", view.mode);
    TEXT_OF(json, "created_at", view.created_at);
    view.timeout_ms = ms_of(json, "timeout_ms");
    view.age_ms = ms_of(json, "age_ms");
    view.wasted_ms = ms_of(json, "wasted_ms");
    view.input_size = count_of(json, "input_size");
    parts_parse(json, &view);
    if (view.id[0] == '\0' || view.state[0] == '\0') {
        return false;
    }
    *ret_view = view;
    return true;
}

bool
job_view_parse(const struct hedgerow_reply *reply, struct job_view *ret_view)
{
    struct json *json = NULL;
    if (reply->body == NULL ||
        json_parse(reply->body, reply->body_size, &json, NULL) != ERR_OK) {
        return false;
    }
    bool ok = job_view_read(json, ret_view);
    json_free(json);
    return ok;
}

bool
job_view_is_over(const struct job_view *view)
{
    return strcmp(view->state, "QUEUED") != 0 && strcmp(view->state, "RUNNING") != 0;
}

bool
job_view_is_live(const struct job_view *view)
{
    bool is_live = !job_view_is_over(view);
    for (unsigned i = 0; i < view->attempts_count; i++) {
        is_live = is_live || isnan(view->attempts[i].ended_ms);
    }
    return is_live;
}

enum hedgerow_outcome
job_view_outcome(const struct job_view *view)
{
    static const struct {
        const char *state;
        enum hedgerow_outcome outcome;
    } table[] = {
        { "QUEUED", HEDGEROW_OK },
        { "RUNNING", HEDGEROW_OK },
        { "SUCCEEDED", HEDGEROW_OK },
        { "CANCELLED", HEDGEROW_CANCELLED },
        { "DEADLINE_EXCEEDED", HEDGEROW_DEADLINE },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(table); i++) {
        if (strcmp(table[i].state, view->state) == 0) {
            return table[i].outcome;
        }
    }
    return HEDGEROW_FAILED;
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/client/problem.h"

#include "common/edge/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum hedgerow_outcome
outcome_of_err(err_t err)
{
    if (err == ERR_TIMEOUT) {
        return HEDGEROW_DEADLINE;
    }
    if (err == ERR_CANCELLED) {
        return HEDGEROW_INTERRUPTED;
    }
    bool is_broken = err == ERR_BAD_MESSAGE || err == ERR_TOO_BIG || err == ERR_NO_MEMORY ||
                     err == ERR_INVALID || err == ERR_AUTH;
    return is_broken ? HEDGEROW_BROKEN : HEDGEROW_UNAVAILABLE;
}

static void
message_of_err(struct hedgerow_reply *reply, err_t err, const char *detail, const char *server)
{
    char *message = reply->message;
    size_t room = sizeof reply->message;
    const char *words = detail[0] != '\0' ? detail : err_text(err);
    if (err == ERR_TIMEOUT) {
        snprintf(message, room, "no answer from the coordinator at %s within the time", server);
    } else if (err == ERR_CANCELLED) {
        snprintf(message, room, "interrupted");
    } else if (err == ERR_REFUSED) {
        snprintf(message, room, "no coordinator answers at %s: connection refused", server);
    } else if (err == ERR_CLOSED) {
        snprintf(message, room, "the coordinator at %s hung up before it answered: %s", server,
            words);
    } else if (err == ERR_BAD_MESSAGE) {
        snprintf(message, room, "what answers at %s is no coordinator: %s", server, words);
    } else {
        snprintf(message, room, "the coordinator at %s cannot be asked: %s", server, words);
    }
}

/* Without a problem in the body it was not the coordinator who refused, but a proxy. */
static enum hedgerow_outcome
outcome_of_status(int status, bool has_problem)
{
    if (status >= 200 && status < 300) {
        return HEDGEROW_OK;
    }
    if (status == 429) {
        return HEDGEROW_OVERLOADED;
    }
    if (status == 502 || status == 503 || status == 504) {
        return !has_problem    ? HEDGEROW_UNAVAILABLE
               : status == 502 ? HEDGEROW_FAILED
               : status == 504 ? HEDGEROW_DEADLINE
                               : HEDGEROW_UNAVAILABLE;
    }
    if (!has_problem) {
        return HEDGEROW_BROKEN;
    }
    switch (status) {
    case 404: return HEDGEROW_NOT_FOUND;
    case 410: return HEDGEROW_NOT_FOUND;
    case 401: return HEDGEROW_DENIED;
    case 403: return HEDGEROW_DENIED;
    case 499: return HEDGEROW_CANCELLED;
    default: return status >= 400 && status < 500 ? HEDGEROW_INVALID : HEDGEROW_BROKEN;
    }
}

static void
copy_text(const struct json *value, char *room, size_t room_size)
{
    const char *text = json_text(value);
    if (text != NULL) {
        snprintf(room, room_size, "%s", text);
    }
}

static bool
problem_read(struct hedgerow_reply *reply)
{
    struct json *problem = NULL;
    if (strncasecmp(reply->content_type, "application/problem+json", 24) != 0 ||
        json_parse(reply->body, reply->body_size, &problem, NULL) != ERR_OK) {
        return false;
    }
    copy_text(json_get(problem, "code"), reply->code, sizeof reply->code);
    copy_text(json_get(problem, "title"), reply->message, sizeof reply->message);
    copy_text(json_get(problem, "detail"), reply->message, sizeof reply->message);
    const char *job_id = json_text(json_get(problem, "job_id"));
    if (job_id != NULL && strlen(job_id) < sizeof reply->job_id) {
        snprintf(reply->job_id, sizeof reply->job_id, "%s", job_id);
    }
    int64_t retry_after_ms;
    if (json_i64(json_get(problem, "retry_after_ms"), &retry_after_ms)) {
        reply->retry_after_ms = retry_after_ms;
    }
    bool ok = reply->code[0] != '\0' && reply->message[0] != '\0';
    if (!ok) {
        reply->code[0] = '\0';
        reply->message[0] = '\0';
    }
    json_free(problem);
    return ok;
}

void
problem_judge(struct hedgerow_reply *reply, err_t err, const char *detail, const char *server)
{
    if (err != ERR_OK) {
        reply->outcome = outcome_of_err(err);
        message_of_err(reply, err, detail, server);
        return;
    }
    bool has_problem = reply->http_status >= 400 && problem_read(reply);
    reply->outcome = outcome_of_status(reply->http_status, has_problem);
    if (reply->outcome != HEDGEROW_OK && !has_problem) {
        snprintf(reply->message, sizeof reply->message,
            "what answers at %s is no coordinator: it says %d to this", server,
            reply->http_status);
    }
}

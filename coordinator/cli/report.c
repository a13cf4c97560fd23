/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/report.h"

#include "common/edge/json.h"
#include "common/pure/nearest.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/out.h"

#include <stdio.h>
#include <string.h>

#define HANDLERS_ASK_MS 1000

/* The name among those that exist which was meant. */
static void
hint_handler(
    struct hedgerow_client *client, const char *handler, const struct hedgerow_reply *refusal)
{
    bool is_said = strstr(refusal->message, "did you mean") != NULL;
    struct hedgerow_reply reply;
    struct json *json = NULL;
    if (hedgerow_get(client, "/v1/handlers", HANDLERS_ASK_MS, &reply) == HEDGEROW_OK &&
        json_parse(reply.body, reply.body_size, &json, NULL) == ERR_OK) {
        const struct json *handlers = json_get(json, "handlers");
        struct nearest nearest;
        nearest_init(&nearest, handler);
        for (size_t i = 0; i < json_count(handlers); i++) {
            const char *name = json_text(json_get(json_at(handlers, i), "name"));
            if (name != NULL) {
                nearest_offer(&nearest, name);
            }
        }
        const char *meant = nearest_word(&nearest);
        if (meant != NULL && !is_said) {
            out_hint("Did you mean '%s'?", meant);
        }
        if (json_count(handlers) == 0) {
            out_hint("No worker has joined yet:       hedgerow workers");
        }
        json_free(json);
    }
    hedgerow_reply_fini(&reply);
    out_hint("The handlers that there are:    hedgerow handlers");
}

static void
hint_server(const struct options *options)
{
    bool is_default = strcmp(options->server, HEDGEROW_SERVER_DEFAULT) == 0;
    if (is_default) {
        out_hint("Start one in another terminal:  hedgerow dev");
        out_hint("Or say where it is:             --server URL, or HEDGEROW_SERVER");
    } else {
        out_hint("Is --server (or HEDGEROW_SERVER) right?  Then look:  hedgerow health -s %s",
            options->server);
    }
}

static void
hint_outcome(struct hedgerow_client *client, const struct options *options, const char *handler,
    const struct hedgerow_reply *reply)
{
    switch (reply->outcome) {
    case HEDGEROW_NOT_FOUND:
        if (handler != NULL) {
            hint_handler(client, handler, reply);
        } else {
            out_hint("The latest jobs:  hedgerow list");
        }
        return;
    case HEDGEROW_UNAVAILABLE:
        if (reply->http_status == 0) {
            hint_server(options);
        } else if (strcmp(reply->code, "no-worker") == 0) {
            out_hint("Who is there:     hedgerow workers");
            out_hint("Start a worker:   hedgerow-worker --worker-dial tcp://HOST:7400");
        }
        return;
    case HEDGEROW_BROKEN: hint_server(options); return;
    case HEDGEROW_OVERLOADED:
        out_hint("Try again later, or with more workers: hedgerow workers");
        return;
    case HEDGEROW_DEADLINE:
        if (reply->http_status == 0) {
            hint_server(options);
        }
        return;
    case HEDGEROW_OK:
    case HEDGEROW_FAILED:
    case HEDGEROW_INVALID:
    case HEDGEROW_DENIED:
    case HEDGEROW_CANCELLED:
    case HEDGEROW_INTERRUPTED: return;
    }
}

int
report_failure(struct hedgerow_client *client, const struct options *options,
    const char *handler, const struct hedgerow_reply *reply)
{
    if (options->output == OUTPUT_JSON || options->output == OUTPUT_JSONL) {
        json_print_problem(reply, stdout);
    }
    if (strcmp(reply->code, "unknown-job") == 0 && reply->job_id[0] != '\0') {
        out_error("no job %s: %s", reply->job_id, reply->message);
    } else {
        out_error("%s", reply->message);
    }
    hint_outcome(client, options, handler, reply);
    if (reply->job_id[0] != '\0' && handler != NULL && reply->http_status != 0) {
        out_hint("What happened:    hedgerow explain %s", reply->job_id);
    }
    return cli_exit_of(reply->outcome);
}

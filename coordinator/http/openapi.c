/* SPDX-License-Identifier: MIT
 *
 * GET /openapi.json: the router's own table as an OpenAPI 3.1 document.
 *
 * Paths, methods, scopes, parameters and statuses are those by which requests are routed, so
 * the document cannot tell of a route that is not there, or forget one.
 */
#include "coordinator/http/state.h"

#include <ctype.h>
#include <stdio.h>

/* What any request may be answered with, whatever it asks for. */
#define ANSWERS_ALWAYS "400 405 408 413 414 417 421 431 503 505"

static const char components[] =
    "{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\","
    "\"description\":\"a token that is good for the operation's x-scope\"}},\"schemas\":{"
    "\"Problem\":{\"type\":\"object\",\"description\":\"RFC 9457\",\"required\":[\"type\","
    "\"title\",\"status\",\"detail\",\"code\",\"retryable\"],\"properties\":{"
    "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"code\":{\"type\":\"string\"},\"retryable\":{\"type\":\"boolean\"},"
    "\"field\":{\"type\":\"string\"},\"nearest\":{\"type\":\"string\"},"
    "\"limit\":{\"type\":\"integer\"},\"unit\":{\"type\":\"string\"},"
    "\"retry_after_ms\":{\"type\":\"number\"},\"job_id\":{\"type\":\"string\"},"
    "\"state\":{\"type\":\"string\"},\"cause\":{\"type\":\"string\"},"
    "\"message\":{\"type\":\"string\"},\"attempts\":{\"type\":\"integer\"}}},"
    "\"Job\":{\"type\":\"object\",\"required\":[\"id\",\"handler\",\"state\",\"created_at\","
    "\"attempts\",\"result\",\"error\"],\"properties\":{\"id\":{\"type\":\"string\"},"
    "\"handler\":{\"type\":\"string\"},\"state\":{\"type\":\"string\"},"
    "\"created_at\":{\"type\":\"string\"},\"finished_at\":{\"type\":[\"string\",\"null\"]},"
    "\"attempts\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
    "\"result\":{\"type\":[\"object\",\"null\"]},\"error\":{\"type\":[\"object\",\"null\"]}}},"
    "\"Submit\":{\"type\":\"object\",\"required\":[\"handler\"],\"additionalProperties\":false,"
    "\"properties\":{\"handler\":{\"type\":\"string\",\"minLength\":1},\"input\":{},"
    "\"input_text\":{\"type\":\"string\"},\"input_base64\":{\"type\":\"string\"},"
    "\"content_type\":{\"type\":\"string\"},"
    "\"timeout_ms\":{\"type\":\"number\",\"exclusiveMinimum\":0},"
    "\"hedge\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"enabled\":{\"type\":\"boolean\"},\"delay\":{\"type\":[\"number\",\"string\"]},"
    "\"max_attempts\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":5}}},"
    "\"fanout\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"mode\":{\"enum\":[\"single\",\"hedge\",\"race\"]},"
    "\"copies\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":5}}},"
    "\"idempotent\":{\"type\":\"boolean\"},\"on_disconnect\":{\"enum\":[\"cancel\",\"detach\"]}"
    ","
    "\"durability\":{\"enum\":[\"none\",\"sync\"]},\"run_at\":{\"type\":\"string\"}}}}}";

/* ---- words ---------------------------------------------------------------------------- */

static bool
next_word(struct slice *rest, struct slice *ret_word)
{
    do {
        if (!slice_next(rest, ' ', ret_word)) {
            return false;
        }
    } while (ret_word->size == 0);
    return true;
}

static void
out_text(struct out *out, const char *key, const char *text)
{
    out_key(out, key);
    out_string(out, slice_of(text));
}

static void
out_schema_ref(struct out *out, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "#/components/schemas/%s", name);
    out_key(out, "schema");
    out_open(out, '{');
    out_text(out, "$ref", path);
    out_close(out, '}');
}

/* What {} stands for: /v1/jobs/{} is by id, others by the name of what they are about. */
static const char *
hole_name(const char *pattern)
{
    return strstr(pattern, "/jobs/") != NULL      ? "id"
           : strstr(pattern, "/workers/") != NULL ? "worker"
                                                  : "handler";
}

void
openapi_path(const char *pattern, char *path, size_t room)
{
    const char *hole = strstr(pattern, "{}");
    if (hole == NULL) {
        snprintf(path, room, "%s", pattern);
    } else {
        snprintf(path, room, "%.*s{%s}%s", (int) (hole - pattern), pattern, hole_name(pattern),
            hole + 2);
    }
}

/* ---- one operation -------------------------------------------------------------------- */

static void
out_parameter(struct out *out, const char *in, struct slice name)
{
    out_open(out, '{');
    out_key(out, "name");
    out_string(out, name);
    out_text(out, "in", in);
    if (strcmp(in, "path") == 0) {
        out_key(out, "required");
        out_bool(out, true);
    }
    out_key(out, "schema");
    out_json(out, SLICE("{\"type\":\"string\"}"));
    out_close(out, '}');
}

static void
out_parameters(struct out *out, const struct route *route)
{
    struct slice rest = slice_of(route->query);
    struct slice name;
    out_key(out, "parameters");
    out_open(out, '[');
    if (strstr(route->pattern, "{}") != NULL) {
        out_parameter(out, "path", slice_of(hole_name(route->pattern)));
    }
    while (next_word(&rest, &name)) {
        out_parameter(out, "query", name);
    }
    out_close(out, ']');
}

static void
out_body(struct out *out, const struct route *route)
{
    if (route->body == BODY_SMALL) {
        return;
    }
    bool is_document = route->body == BODY_DOCUMENT;
    out_key(out, "requestBody");
    out_open(out, '{');
    out_key(out, "required");
    out_bool(out, is_document);
    out_key(out, "content");
    out_open(out, '{');
    out_key(out, is_document ? "application/json" : "*/*");
    out_open(out, '{');
    if (is_document) {
        out_schema_ref(out, "Submit");
    }
    out_close(out, '}');
    out_close(out, '}');
    out_close(out, '}');
}

static unsigned
status_of(struct slice text)
{
    uint64_t status = 0;
    CHECK(slice_to_u64(text, &status));
    return (unsigned) status;
}

/* what: "" for a problem. */
static void
out_answer(struct out *out, struct slice status, struct slice what)
{
    char key[8];
    bool is_problem = what.size == 0;
    bool is_job = slice_equal(what, SLICE("job"));
    snprintf(key, sizeof key, "%.*s", (int) (status.size < 7 ? status.size : 7), status.at);
    out_key(out, key);
    out_open(out, '{');
    out_text(out, "description", reply_reason(status_of(status)));
    out_key(out, "content");
    out_open(out, '{');
    out_key(out, is_problem                            ? "application/problem+json"
                 : is_job                              ? "application/json"
                 : slice_equal(what, SLICE("json"))    ? "application/json"
                 : slice_equal(what, SLICE("events"))  ? "text/event-stream"
                 : slice_equal(what, SLICE("samples")) ? "application/x-ndjson"
                 : slice_equal(what, SLICE("metrics")) ? "text/plain"
                                                       : "*/*");
    out_open(out, '{');
    if (is_problem || is_job) {
        out_schema_ref(out, is_job ? "Job" : "Problem");
    }
    out_close(out, '}');
    out_close(out, '}');
    out_close(out, '}');
}

static void
out_answers(struct out *out, const char *list)
{
    struct slice rest = slice_of(list);
    struct slice what;
    while (next_word(&rest, &what)) {
        struct slice status = { 0 };
        (void) slice_next(&what, ':', &status);
        out_answer(out, status, what.at != NULL ? what : (struct slice){ 0 });
    }
}

static void
out_operation(struct out *out, const struct route *route)
{
    char method[16];
    size_t size = 0;
    for (const char *c = codec_method_text(route->method); *c != '\0'; c++) {
        method[size++] = (char) tolower((unsigned char) *c);
    }
    method[size] = '\0';
    out_key(out, method);
    out_open(out, '{');
    out_text(out, "summary", route->summary);
    out_parameters(out, route);
    out_body(out, route);
    bool is_open = route->scope == ACCESS_OPEN;
    out_key(out, "responses");
    out_open(out, '{');
    out_answers(out, route->answers);
    out_answers(out, is_open ? "" : "401 403");
    out_answers(out, ANSWERS_ALWAYS);
    out_close(out, '}');
    out_key(out, "security");
    out_json(out, is_open ? SLICE("[]") : SLICE("[{},{\"token\":[]}]"));
    out_text(out, "x-scope", is_open ? "open" : access_scope_text(route->scope));
    out_close(out, '}');
}

/* Is it the first route of its path?  All of a path stand together in the document. */
static bool
is_first(unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (strcmp(routes_at(i)->pattern, routes_at(index)->pattern) == 0) {
            return false;
        }
    }
    return true;
}

void
handle_openapi(struct request *request)
{
    struct out *out = &request->conn->api->out;
    if (!query_refuse_all(request)) {
        return;
    }
    out_reset(out);
    out_open(out, '{');
    out_text(out, "openapi", "3.1.0");
    out_key(out, "info");
    out_open(out, '{');
    out_text(out, "title", "Hedgerow");
    out_text(out, "version", HEDGEROW_VERSION);
    out_close(out, '}');
    out_key(out, "paths");
    out_open(out, '{');
    for (unsigned i = 0; i < routes_count(); i++) {
        char path[96];
        if (!is_first(i)) {
            continue;
        }
        openapi_path(routes_at(i)->pattern, path, sizeof path);
        out_key(out, path);
        out_open(out, '{');
        for (unsigned k = i; k < routes_count(); k++) {
            if (strcmp(routes_at(k)->pattern, routes_at(i)->pattern) == 0) {
                out_operation(out, routes_at(k));
            }
        }
        out_close(out, '}');
    }
    out_close(out, '}');
    out_key(out, "components");
    out_json(out, SLICE(components));
    out_close(out, '}');
    reply_json(request->conn, 200, NULL);
}

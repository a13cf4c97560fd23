/* SPDX-License-Identifier: MIT */
#include "coordinator/http/host.h"
#include "coordinator/http/state.h"

#include <inttypes.h>
#include <stdio.h>

/* Of a request whose route takes none to speak of. */
#define SMALL_BODY_SIZE_MAX 4096

/* The routes that carry the load come first. */
static const struct route routes[] = {
    { CODEC_POST, "/v1/handlers/{}:invoke", submit_invoke, BODY_INPUT, ACCESS_SUBMIT,
        "Run a job: the body is its input, the answer its result",
        "timeout hedge mode copies max_attempts idempotent on_disconnect durability run_at",
        "200:bytes 202:job 404 409 410 422 429 499 502 504" },
    { CODEC_POST, "/v1/jobs", submit_job, BODY_DOCUMENT, ACCESS_SUBMIT, "Run a job", "",
        "200:job 202:job 404 409 410 415 422 429 499 502 504" },
    { CODEC_GET, "/v1/jobs/{}", handle_job, BODY_SMALL, ACCESS_READ,
        "One job, at once or when it is over", "wait", "200:job 404" },
    { CODEC_GET, "/v1/jobs/{}/result", handle_job_result, BODY_SMALL, ACCESS_READ,
        "The result's bytes", "", "200:bytes 202:job 404 410 499 502 504" },
    { CODEC_GET, "/v1/jobs/{}/attempts", handle_job_attempts, BODY_SMALL, ACCESS_READ,
        "The copies of a job", "", "200:json 404" },
    { CODEC_GET, "/v1/jobs/{}/events", handle_job_events, BODY_SMALL, ACCESS_READ,
        "What happens to a job, until it is over", "", "200:events 404 429" },
    { CODEC_POST, "/v1/jobs/{}:cancel", handle_job_cancel, BODY_SMALL, ACCESS_CANCEL,
        "Stop a job", "", "200:job 202:job 404" },
    { CODEC_GET, "/v1/jobs", handle_jobs, BODY_SMALL, ACCESS_READ, "Jobs, newest first",
        "state handler page_size page_token source", "200:json" },
    { CODEC_GET, "/v1/events", handle_events, BODY_SMALL, ACCESS_READ,
        "What happens to all jobs", "", "200:events 429" },
    { CODEC_GET, "/v1/workers", handle_workers, BODY_SMALL, ACCESS_READ, "The workers", "",
        "200:json" },
    { CODEC_GET, "/v1/handlers", handle_handlers, BODY_SMALL, ACCESS_READ,
        "The handlers, and what became of their jobs", "", "200:json" },
    { CODEC_GET, "/v1/hedging/{}/samples", handle_samples, BODY_SMALL, ACCESS_READ,
        "What a handler's copies of late were like", "after page_size", "200:samples 404" },
    { CODEC_GET, "/v1/hedging/{}", handle_hedging, BODY_SMALL, ACCESS_READ,
        "How a handler is hedged, and what that gains", "", "200:json 404" },
    { CODEC_PUT, "/v1/hedging/{}", handle_hedging_put, BODY_SMALL, ACCESS_ADMIN,
        "Hedge a handler otherwise, until the coordinator ends", "", "200:json 404" },
    { CODEC_GET, "/livez", handle_live, BODY_SMALL, ACCESS_OPEN, "Is the process alive?", "",
        "200:json" },
    { CODEC_GET, "/readyz", handle_ready, BODY_SMALL, ACCESS_OPEN, "Does it take jobs?", "",
        "200:json" },
    { CODEC_GET, "/version", handle_version, BODY_SMALL, ACCESS_OPEN, "Which one is it?", "",
        "200:json" },
    { CODEC_GET, "/openapi.json", handle_openapi, BODY_SMALL, ACCESS_OPEN, "This document", "",
        "200:json" },
    { CODEC_GET, "/metrics", handle_metrics, BODY_SMALL, ACCESS_READ, "Prometheus metrics", "",
        "200:metrics" },
};

const struct route *
routes_at(unsigned index)
{
    CHECK(index < ARRAY_COUNT(routes));
    return &routes[index];
}

unsigned
routes_count(void)
{
    return ARRAY_COUNT(routes);
}

void
routes_name(unsigned index, const char **ret_method, const char **ret_pattern)
{
    bool is_route = index < ARRAY_COUNT(routes);
    *ret_method = is_route ? codec_method_text(routes[index].method) : "other";
    *ret_pattern = is_route ? routes[index].pattern : "none";
}

unsigned
routes_index(const struct route *route)
{
    return route != NULL ? (unsigned) (route - routes) : routes_count();
}

/* ---- text of URIs --------------------------------------------------------------------- */

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return slice_lower(c) - 'a' + 10; /* the codec saw to it that it is one */
}

/* false: it does not fit, or a zero byte is in it. */
static bool
decode(struct slice part, bool is_query, char *text, size_t room)
{
    size_t size = 0;
    for (size_t i = 0; i < part.size; i++) {
        char c = part.at[i];
        if (c == '%') {
            c = (char) (hex_value(part.at[i + 1]) * 16 + hex_value(part.at[i + 2]));
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c == '\0' || size + 1 >= room) {
            return false;
        }
        text[size++] = c;
    }
    text[size] = '\0';
    return true;
}

bool
routes_next_query(struct slice *query, struct query_part *ret_part, bool *ret_is_bad)
{
    struct slice part = { 0 };
    do {
        if (!slice_next(query, '&', &part)) {
            return false;
        }
    } while (part.size == 0);
    struct slice value = part;
    struct slice key;
    (void) slice_next(&value, '=', &key);
    *ret_is_bad = !decode(key, true, ret_part->key, sizeof ret_part->key) ||
                  !decode(value, true, ret_part->value, sizeof ret_part->value);
    return true;
}

/* ---- matching ------------------------------------------------------------------------- */

/* *ret_capture is what {} stands for; empty without one. */
static bool
path_matches(struct slice path, const char *pattern, struct slice *ret_capture)
{
    const char *hole = strchr(pattern, '{');
    *ret_capture = (struct slice){ 0 };
    if (hole == NULL) {
        return slice_equal(path, slice_of(pattern));
    }
    struct slice before = { pattern, (size_t) (hole - pattern) };
    struct slice after = slice_of(hole + 2);
    if (path.size <= before.size + after.size || memcmp(path.at, before.at, before.size) != 0 ||
        memcmp(path.at + path.size - after.size, after.at, after.size) != 0) {
        return false;
    }
    *ret_capture =
        (struct slice){ path.at + before.size, path.size - before.size - after.size };
    return memchr(ret_capture->at, '/', ret_capture->size) == NULL &&
           memchr(ret_capture->at, ':', ret_capture->size) == NULL;
}

static bool
method_matches(const struct route *route, enum codec_method method)
{
    return route->method == method ||
           (route->method == CODEC_GET && method == CODEC_HEAD_METHOD);
}

static const struct route *
find_route(const struct request *request, struct slice *ret_capture)
{
    for (unsigned i = 0; i < ARRAY_COUNT(routes); i++) {
        if (method_matches(&routes[i], request->conn->codec.method) &&
            path_matches(request->path, routes[i].pattern, ret_capture)) {
            return &routes[i];
        }
    }
    return NULL;
}

static void
split_target(struct request *request)
{
    struct slice target = codec_slice(request->head, request->conn->codec.target);
    request->query = target;
    (void) slice_next(&request->query, '?', &request->path);
}

static void
allow_add(char *text, size_t room, const char *method)
{
    size_t size = strlen(text);
    snprintf(text + size, room - size, "%s%s", size > 0 ? ", " : "", method);
}

/* No route: is it the path or the method that is wrong? */
static void
refuse_route(struct request *request)
{
    char allow[64] = "";
    struct slice capture;
    for (unsigned i = 0; i < ARRAY_COUNT(routes); i++) {
        if (path_matches(request->path, routes[i].pattern, &capture)) {
            allow_add(allow, sizeof allow, codec_method_text(routes[i].method));
            if (routes[i].method == CODEC_GET) {
                allow_add(allow, sizeof allow, "HEAD");
            }
        }
    }
    char detail[256];
    if (allow[0] != '\0') {
        snprintf(detail, sizeof detail, "this path takes %s", allow);
        reply_problem(request->conn, &(struct problem){ .status = 405,
                                         .code = "method-not-allowed",
                                         .title = "Method not allowed",
                                         .detail = detail,
                                         .allow = allow });
        return;
    }
    snprintf(detail, sizeof detail, "there is nothing at '%.*s'",
        (int) (request->path.size < 128 ? request->path.size : 128), request->path.at);
    reply_problem(request->conn,
        &(struct problem){
            .status = 404, .code = "no-route", .title = "No such path", .detail = detail });
}

/* false: answered.  A request of HTTP/1.0 without a Host comes from no browser. */
static bool
is_for_us(struct request *request)
{
    struct conn *conn = request->conn;
    struct slice host = codec_slice(request->head, conn->codec.host);
    if (!conn->api->checks_host || host.size == 0 ||
        host_is_ours(host, conn->api->config.hosts)) {
        return true;
    }
    char detail[256];
    snprintf(detail, sizeof detail,
        "'%.*s' is none of this server's names; ask for its address, for localhost, or name "
        "it in http.hosts",
        (int) (host.size < 100 ? host.size : 100), host.at);
    conn->route = NULL;
    reply_problem(conn, &(struct problem){ .status = 421,
                            .code = "other-host",
                            .title = "Misdirected request",
                            .detail = detail,
                            .field = "Host" });
    return false;
}

/* false: answered.  Two headers are as good as none: a front end may have looked at the
 * other one. */
static bool
is_allowed(struct request *request, enum access_scope scope)
{
    struct conn *conn = request->conn;
    const struct access *access = conn->api->access;
    struct slice shown = { 0 };
    if (access == NULL || scope == ACCESS_OPEN) {
        return true;
    }
    if (codec_find(&conn->codec, request->head, SLICE("Authorization"), &shown) > 1) {
        shown = (struct slice){ 0 };
    }
    switch (access_look(access, shown, scope, &request->tenant)) {
    case ACCESS_GRANTED: return true;
    case ACCESS_UNKNOWN: reply_no_token(conn); return false;
    case ACCESS_FORBIDDEN: reply_not_in_scope(conn, access_scope_text(scope)); return false;
    }
    CHECK_UNREACHABLE();
}

/* What the client calls this request, so that both logs can be laid side by side; a name of
 * ours without one, or for one that is no word. */
static void
name_request(struct request *request)
{
    struct conn *conn = request->conn;
    struct api *api = conn->api;
    struct slice name = { 0 };
    (void) codec_find(&conn->codec, request->head, SLICE("X-Request-Id"), &name);
    bool is_good =
        name.size > 0 && slice_to_text(name, conn->request_id, sizeof conn->request_id);
    for (size_t i = 0; is_good && i < name.size; i++) {
        is_good = name.at[i] > ' ' && name.at[i] < 0x7f;
    }
    if (!is_good) {
        snprintf(conn->request_id, sizeof conn->request_id, "%08" PRIx32 "-%" PRIu64,
            api->events_epoch, ++api->requests_count);
    }
}

/* false: answered. */
static bool
resolve(struct request *request)
{
    struct slice capture = { 0 };
    split_target(request);
    name_request(request);
    if (!is_for_us(request)) {
        return false;
    }
    const struct route *route = find_route(request, &capture);
    request->conn->route = route;
    if (route == NULL) {
        refuse_route(request);
        return false;
    }
    if (!is_allowed(request, route->scope)) {
        return false;
    }
    if (!decode(capture, false, request->capture, sizeof request->capture)) {
        reply_bad_field(request->conn, "path", NULL, "a part of the path is too long");
        return false;
    }
    return true;
}

bool
routes_refuse_early(struct request *request)
{
    struct conn *conn = request->conn;
    struct codec *codec = &conn->codec;
    if (!resolve(request)) {
        return true;
    }
    switch (conn->route->body) {
    case BODY_SMALL: codec->limits.body_size_max = SMALL_BODY_SIZE_MAX; break;
    case BODY_INPUT: codec->limits.body_size_max = conn->api->config.input_size_max; break;
    case BODY_DOCUMENT: break;
    }
    if (codec_body_plain_size(codec) > codec->limits.body_size_max) {
        reply_too_big(conn, "body", codec->limits.body_size_max);
        return true;
    }
    bool is_invoke = conn->route->body == BODY_INPUT;
    return is_invoke && submit_refuse_early(request);
}

void
routes_dispatch(struct request *request)
{
    if (resolve(request)) {
        request->conn->route->handle(request);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * The routes that look, and the one that cancels.
 */
#include "common/pure/duration.h"
#include "common/pure/nearest.h"
#include "coordinator/http/state.h"

#include <stdio.h>

#define PAGE_SIZE_DEFAULT 50
#define PAGE_SIZE_MAX     1000
/* Jobs that one list request looks at; a filter that fits few of them gets short pages. */
#define LIST_LOOKS_MAX 2000

static const struct core *
core_of(const struct request *request)
{
    const struct api *api = request->conn->api;
    return api->backend.core(api->backend.shell);
}

static struct out *
begin(const struct request *request)
{
    struct out *out = &request->conn->api->out;
    out_reset(out);
    return out;
}

/* ---- query ---------------------------------------------------------------------------- */

bool
query_refuse(struct conn *conn, const struct query_part *part, const char *const *known,
    unsigned known_count)
{
    struct nearest nearest;
    nearest_init(&nearest, part->key);
    for (unsigned i = 0; i < known_count; i++) {
        nearest_offer(&nearest, known[i]);
    }
    const char *meant = nearest_word(&nearest);
    reply_bad_field(conn, part->key, meant, "there is no parameter '%.64s' here%s%s%s",
        part->key, meant != NULL ? "; did you mean '" : "", meant != NULL ? meant : "",
        meant != NULL ? "'?" : "");
    return false;
}

bool
query_read(struct request *request, const char *const *known, unsigned known_count,
    struct query_part *values)
{
    struct query_part part;
    bool is_bad = false;
    for (unsigned i = 0; i < known_count; i++) {
        values[i].value[0] = '\0';
    }
    while (routes_next_query(&request->query, &part, &is_bad)) {
        unsigned i = 0;
        while (i < known_count && strcmp(known[i], part.key) != 0) {
            i++;
        }
        if (is_bad) {
            reply_bad_field(
                request->conn, "query", NULL, "a part of the query is too long, or holds %%00");
            return false;
        }
        if (i == known_count) {
            return query_refuse(request->conn, &part, known, known_count);
        }
        values[i] = part;
    }
    return true;
}

bool
query_refuse_all(struct request *request)
{
    return query_read(request, NULL, 0, NULL);
}

/* ---- one job -------------------------------------------------------------------------- */

/* The job of the path; false: answered, or the store is asked. */
static bool
find_job(struct request *request, enum api_recall_what what, struct job_view *ret_job)
{
    const struct api *api = request->conn->api;
    job_id_t id;
    if (id_from_text(request->capture, strlen(request->capture), &id) != ERR_OK) {
        reply_bad_field(request->conn, "id", NULL, "'%.64s' is no job's id", request->capture);
        return false;
    }
    if (api->backend.job(api->backend.shell, id, ret_job)) {
        return true;
    }
    recall_or_unknown(request->conn, &(struct api_recall){ .what = what, .job = id });
    return false;
}

void
handle_job(struct request *request)
{
    static const char *const known[] = { "wait" };
    struct query_part wait;
    struct job_view job;
    duration_t time = DURATION_ZERO;
    const char *why;
    if (!query_read(request, known, 1, &wait)) {
        return;
    }
    if (wait.value[0] != '\0' &&
        duration_parse(wait.value, strlen(wait.value), &time, &why) != ERR_OK) {
        reply_bad_field(request->conn, "wait", NULL, "wait '%.40s' %s", wait.value, why);
        return;
    }
    if (!find_job(request, RECALL_JOB, &job)) {
        return;
    }
    if (time.ns > 0 && job.state <= JOB_RUNNING) {
        wait_for_job(request->conn, job.id, ANSWER_VIEW, time);
    } else {
        reply_job(request->conn, &job, ANSWER_VIEW);
    }
}

void
handle_job_attempts(struct request *request)
{
    struct job_view job;
    if (query_refuse_all(request) && find_job(request, RECALL_ATTEMPTS, &job)) {
        (void) begin(request);
        job_json_attempts(request->conn->api, &job);
        reply_json(request->conn, 200, &job);
    }
}

void
handle_job_result(struct request *request)
{
    struct job_view job;
    if (!query_refuse_all(request) || !find_job(request, RECALL_RESULT, &job)) {
        return;
    }
    if (job.state <= JOB_RUNNING) {
        (void) begin(request);
        job_json(request->conn->api, &job, RESULT_NOT_INLINE);
        reply_json(request->conn, 202, &job);
        return;
    }
    reply_job(request->conn, &job, ANSWER_RESULT);
}

void
handle_job_cancel(struct request *request)
{
    struct conn *conn = request->conn;
    struct api *api = conn->api;
    struct job_view job;
    struct slice body = slice_trim(request->body);
    if (body.size > 0 && !slice_equal(body, SLICE("{}"))) {
        reply_bad_field(conn, "body", NULL, "a cancel takes no body");
        return;
    }
    if (!query_refuse_all(request) || !find_job(request, RECALL_JOB, &job)) {
        return;
    }
    job_id_t id = job.id;
    if (!api->backend.cancel(api->backend.shell, id) ||
        !api->backend.job(api->backend.shell, id, &job)) {
        reply_unknown_job(conn, id);
        return;
    }
    (void) begin(request);
    job_json(api, &job, RESULT_NOT_INLINE);
    reply_json(conn, job_is_settled(&job) ? 200 : 202, &job);
}

/* ---- the list of jobs ----------------------------------------------------------------- */

struct list {
    struct request *request;
    bool has_state;
    enum job_state state;
    const char *handler; /* "": all */
    uint64_t page_size;
    bool has_token;
    job_id_t token; /* the last job that the page before looked at */
};

static bool
set_state_filter(struct list *list, const char *text)
{
    struct nearest nearest;
    nearest_init(&nearest, text);
    list->has_state = text[0] != '\0';
    for (unsigned state = JOB_QUEUED; list->has_state && state <= JOB_DEADLINE_EXCEEDED;
         state++) {
        const char *word = job_state_text((enum job_state) state);
        if (strcmp(word, text) == 0) {
            list->state = (enum job_state) state;
            return true;
        }
        nearest_offer(&nearest, word);
    }
    if (list->has_state) {
        reply_bad_field(list->request->conn, "state", nearest_word(&nearest),
            "'%.40s' is no state of a job", text);
    }
    return !list->has_state;
}

static bool
set_page(struct list *list, const char *size, const char *token)
{
    list->page_size = PAGE_SIZE_DEFAULT;
    bool is_number = size[0] == '\0' || slice_to_u64(slice_of(size), &list->page_size);
    if (!is_number || list->page_size == 0) {
        reply_bad_field(
            list->request->conn, "page_size", NULL, "page_size is no whole number above 0");
        return false;
    }
    if (list->page_size > PAGE_SIZE_MAX) {
        list->page_size = PAGE_SIZE_MAX; /* AIP-158: coerced, not refused */
    }
    list->has_token = token[0] != '\0';
    if (list->has_token && id_from_text(token, strlen(token), &list->token) != ERR_OK) {
        reply_bad_field(list->request->conn, "page_token", NULL,
            "page_token is not one that this list gave out");
        return false;
    }
    return true;
}

/* The place after the token's job; 0 without a token.  A job that was collected meanwhile
 * was among the oldest: nothing is left behind it. */
static uint32_t
find_start(const struct list *list, const struct core *core)
{
    job_id_t ids[256];
    uint32_t offset = 0;
    uint32_t count = list->has_token ? ARRAY_COUNT(ids) : 0;
    while (count == ARRAY_COUNT(ids)) {
        count = core_jobs_recent(core, offset, ids, ARRAY_COUNT(ids));
        for (uint32_t i = 0; i < count; i++) {
            if (id_equal(ids[i], list->token)) {
                return offset + i + 1;
            }
        }
        offset += count;
    }
    return offset;
}

static bool
list_wants(const struct list *list, const struct job_view *job)
{
    return (!list->has_state || job->state == list->state) &&
           (list->handler[0] == '\0' || strcmp(job->handler, list->handler) == 0);
}

static void
write_list(struct list *list)
{
    struct api *api = list->request->conn->api;
    const struct core *core = core_of(list->request);
    struct out *out = begin(list->request);
    job_id_t ids[LIST_LOOKS_MAX];
    uint32_t ids_count = core_jobs_recent(core, find_start(list, core), ids, ARRAY_COUNT(ids));
    uint64_t jobs_count = 0;
    uint32_t i = 0;
    out_open(out, '{');
    out_key(out, "jobs");
    out_open(out, '[');
    for (; i < ids_count && jobs_count < list->page_size; i++) {
        struct job_view job;
        if (core_job(core, ids[i], &job) && list_wants(list, &job)) {
            job_json(api, &job, RESULT_NOT_INLINE);
            jobs_count++;
        }
    }
    out_close(out, ']');
    out_key(out, "next_page_token");
    bool has_more = i > 0 && (i < ids_count || ids_count == ARRAY_COUNT(ids));
    if (has_more) {
        out_id(out, ids[i - 1]);
    } else {
        out_null(out);
    }
    out_close(out, '}');
    reply_json(list->request->conn, 200, NULL);
}

/* ?source=store: what has ended and is on disk, newest first. */
static void
list_stored(struct request *request, const struct query_part *values)
{
    struct conn *conn = request->conn;
    const struct api *api = conn->api;
    struct api_recall recall = { .what = RECALL_LIST };
    const char *token = values[3].value;
    if (strcmp(values[4].value, "store") != 0) {
        reply_bad_field(conn, "source", NULL, "source is nothing but store");
    } else if (!api->backend.has_store(api->backend.shell)) {
        reply_bad_field(conn, "source", NULL, "this coordinator has no store (store.url)");
    } else if (token[0] != '\0' && id_from_text(token, strlen(token), &recall.job) != ERR_OK) {
        reply_bad_field(
            conn, "page_token", NULL, "page_token is not one that this list gave out");
    } else {
        /* A name that is too long fits nothing, cut or not. */
        snprintf(recall.handler, sizeof recall.handler, "%.63s", values[1].value);
        snprintf(recall.state, sizeof recall.state, "%.31s", values[0].value);
        recall_or_unknown(conn, &recall);
    }
}

void
handle_jobs(struct request *request)
{
    static const char *const known[] = { "state", "handler", "page_size", "page_token",
        "source" };
    struct query_part values[ARRAY_COUNT(known)];
    struct list list = { .request = request };
    if (!query_read(request, known, ARRAY_COUNT(known), values)) {
        return;
    }
    list.handler = values[1].value;
    if (values[4].value[0] != '\0') {
        list_stored(request, values);
        return;
    }
    if (set_state_filter(&list, values[0].value) &&
        set_page(&list, values[2].value, values[3].value)) {
        write_list(&list);
    }
}

/* ---- the fleet ------------------------------------------------------------------------ */

void
handle_workers(struct request *request)
{
    if (!query_refuse_all(request)) {
        return;
    }
    struct out *out = begin(request);
    struct worker_view worker;
    out_open(out, '{');
    out_key(out, "workers");
    out_open(out, '[');
    for (uint32_t i = 0; core_worker_at(core_of(request), i, &worker); i++) {
        worker_json(request->conn->api, &worker);
    }
    out_close(out, ']');
    out_close(out, '}');
    reply_json(request->conn, 200, NULL);
}

void
handle_handlers(struct request *request)
{
    if (!query_refuse_all(request)) {
        return;
    }
    struct out *out = begin(request);
    const struct core *core = core_of(request);
    out_open(out, '{');
    out_key(out, "handlers");
    out_open(out, '[');
    for (uint32_t i = 0; i < core_handlers_count(core); i++) {
        struct handler_view handler;
        core_handler_at(core, i, &handler);
        handler_json(request->conn->api, &handler);
    }
    out_close(out, ']');
    out_close(out, '}');
    reply_json(request->conn, 200, NULL);
}

/* ---- for machines --------------------------------------------------------------------- */

static void
reply_flag(struct request *request, unsigned status, const char *key, bool value)
{
    struct out *out = begin(request);
    out_open(out, '{');
    out_key(out, key);
    out_bool(out, value);
    out_close(out, '}');
    reply_json(request->conn, status, NULL);
}

void
handle_live(struct request *request)
{
    reply_flag(request, 200, "live", true);
}

void
handle_ready(struct request *request)
{
    const struct api *api = request->conn->api;
    bool is_ready = !api->is_closing && api->backend.is_ready(api->backend.shell);
    reply_flag(request, is_ready ? 200 : 503, "ready", is_ready);
}

void
handle_version(struct request *request)
{
    struct out *out = begin(request);
    out_open(out, '{');
    out_key(out, "version");
    out_string(out, SLICE(HEDGEROW_VERSION));
    out_key(out, "api");
    out_string(out, SLICE("v1"));
    out_close(out, '}');
    reply_json(request->conn, 200, NULL);
}

static void
write_metric(void *user, const char *text)
{
    out_add(user, slice_of(text));
}

void
handle_metrics(struct request *request)
{
    struct api *api = request->conn->api;
    struct out *out = begin(request);
    api->backend.metrics(api->backend.shell, write_metric, out);
    api_metrics(api);
    if (out->has_failed) {
        reply_no_memory(request->conn);
        return;
    }
    reply_send(request->conn, &(struct reply){ .status = 200,
                                  .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                  .body = out_slice(out) });
}

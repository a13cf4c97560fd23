/* SPDX-License-Identifier: MIT */
#include "coordinator/http/submit.h"

#include "common/edge/crypto.h"
#include "common/pure/duration.h"
#include "common/pure/nearest.h"
#include "common/pure/timestamp.h"
#include "common/sys/clock.h"

#include <stdlib.h>

/* ---- handlers' names ------------------------------------------------------------------ */

const char *
submit_nearest_handler(const struct api *api, const char *handler)
{
    const struct core *core = api->backend.core(api->backend.shell);
    struct nearest nearest;
    nearest_init(&nearest, handler);
    for (uint32_t i = 0; i < core_handlers_count(core); i++) {
        struct handler_view view;
        core_handler_at(core, i, &view);
        nearest_offer(&nearest, view.name);
    }
    return nearest_word(&nearest);
}

static bool
handler_is_known(const struct api *api, const char *name)
{
    const struct core *core = api->backend.core(api->backend.shell);
    for (uint32_t i = 0; i < core_handlers_count(core); i++) {
        struct handler_view view;
        core_handler_at(core, i, &view);
        if (strcmp(view.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void
refuse_handler(struct conn *conn, const char *handler)
{
    reply_refused(conn, handler,
        &(struct core_command){
            .kind = COMMAND_REFUSE, .refuse = { .why = SUBMIT_UNKNOWN_HANDLER } });
}

bool
submit_refuse_early(struct request *request)
{
    if (handler_is_known(request->conn->api, request->capture)) {
        return false;
    }
    refuse_handler(request->conn, request->capture);
    return true;
}

/* ---- the parts of a wish -------------------------------------------------------------- */

bool
wish_set_handler(struct wish *wish, struct conn *conn, const char *handler)
{
    /* The core would cut a longer name, and find another handler. */
    if (!slice_to_text(slice_of(handler), wish->handler, sizeof wish->handler)) {
        refuse_handler(conn, handler);
        return false;
    }
    return true;
}

void
wish_set_timeout(struct wish *wish, duration_t timeout)
{
    bool is_first = wish->submit.timeout.ns == 0;
    wish->submit.timeout = is_first ? timeout : duration_min(wish->submit.timeout, timeout);
}

bool
wish_set_timeout_text(
    struct wish *wish, struct conn *conn, const char *field, struct slice text)
{
    duration_t timeout;
    const char *why = "must be longer than 0";
    if (duration_parse(text.at, text.size, &timeout, &why) != ERR_OK || timeout.ns == 0) {
        reply_bad_field(conn, field, NULL, "%s '%.*s' %s", field,
            (int) (text.size < 40 ? text.size : 40), text.at, why);
        return false;
    }
    wish_set_timeout(wish, timeout);
    return true;
}

bool
wish_set_hedge(struct wish *wish, struct conn *conn, const char *field, const char *text)
{
    if (strcmp(text, "off") == 0) {
        wish->is_hedge_off = true;
        return true;
    }
    if (strcmp(text, "auto") == 0) {
        wish->submit.policy.hedge_delay_is_set = false;
        return true;
    }
    const char *why;
    duration_t delay;
    if (duration_parse(text, strlen(text), &delay, &why) != ERR_OK) {
        reply_bad_field(conn, field, NULL,
            "%s '%.40s' is neither auto nor off, and as a duration it %s", field, text, why);
        return false;
    }
    wish->submit.policy.hedge_delay_is_set = true;
    wish->submit.policy.hedge_delay = delay;
    return true;
}

bool
wish_set_mode(struct wish *wish, struct conn *conn, const char *field, const char *text)
{
    struct nearest nearest;
    nearest_init(&nearest, text);
    for (unsigned mode = MODE_SINGLE; mode < JOB_MODES_COUNT; mode++) {
        const char *word = job_mode_text((enum job_mode) mode);
        if (strcmp(text, word) == 0) {
            wish->submit.policy.mode = (enum job_mode) mode;
            return true;
        }
        nearest_offer(&nearest, word);
    }
    reply_bad_field(conn, field, nearest_word(&nearest),
        "%s '%.40s' is none of single, hedge, race, tied", field, text);
    return false;
}

bool
wish_set_on_disconnect(
    struct wish *wish, struct conn *conn, const char *field, const char *text)
{
    wish->submit.detach = strcmp(text, "detach") == 0;
    if (wish->submit.detach || strcmp(text, "cancel") == 0) {
        return true;
    }
    reply_bad_field(conn, field, NULL, "%s '%.40s' is neither cancel nor detach", field, text);
    return false;
}

static bool
needs_store(struct wish *wish, struct conn *conn, const char *field)
{
    const struct api *api = conn->api;
    wish->is_durability_set = true;
    wish->submit.is_durable = true;
    if (!api->backend.has_store(api->backend.shell)) {
        reply_bad_field(conn, field, NULL,
            "%s needs a store, and this coordinator has none (store.url)", field);
        return false;
    }
    return true;
}

bool
wish_set_durability(struct wish *wish, struct conn *conn, const char *field, const char *text)
{
    if (strcmp(text, "sync") == 0) {
        return needs_store(wish, conn, field);
    }
    wish->is_durability_set = true;
    wish->submit.is_durable = false;
    if (strcmp(text, "none") != 0) {
        reply_bad_field(conn, field, NULL, "%s '%.40s' is neither none nor sync", field, text);
        return false;
    }
    return true;
}

bool
wish_set_run_at(struct wish *wish, struct conn *conn, const char *field, const char *text)
{
    if (timestamp_parse(slice_of(text), &wish->submit.run_at_unix_ms) != ERR_OK) {
        reply_bad_field(conn, field, NULL,
            "%s '%.40s' is no RFC 3339 time; write 2026-11-24T10:00:00Z", field, text);
        return false;
    }
    return needs_store(wish, conn, field);
}

bool
wish_check_count(struct conn *conn, const char *field, bool is_number, int64_t count)
{
    if (is_number && count >= 1 && count <= CORE_ATTEMPTS_MAX) {
        return true;
    }
    reply_bad_field(
        conn, field, NULL, "%s is not a whole number from 1 to %d", field, CORE_ATTEMPTS_MAX);
    return false;
}

bool
wish_set_content_type(
    struct wish *wish, struct conn *conn, const char *field, struct slice type)
{
    bool is_good = slice_to_text(type, wish->content_type, sizeof wish->content_type);
    for (size_t i = 0; is_good && i < type.size; i++) {
        is_good = type.at[i] >= ' ' && type.at[i] < 0x7f;
    }
    if (!is_good) {
        reply_bad_field(conn, field, NULL, "%s is longer than %d bytes, or not ASCII", field,
            API_CONTENT_TYPE_SIZE_MAX - 1);
    }
    return is_good;
}

/* ---- life ----------------------------------------------------------------------------- */

bool
wish_init(struct wish *wish, struct request *request)
{
    wish->submit = (struct api_submit){
        .policy = { .mode = MODE_HEDGE, .race_count = SUBMIT_COPIES_DEFAULT, .idempotent = -1 }
    };
    wish->is_hedge_off = false;
    wish->is_async = false;
    wish->is_durability_set = false;
    wish->has_key = false;
    wish->handler[0] = '\0';
    wish->content_type[0] = '\0';
    wish->traceparent[0] = '\0';
    return wish_set_headers(wish, request);
}

void
wish_fini(struct wish *wish)
{
    free(wish->submit.input);
    wish->submit.input = NULL;
}

/* ---- sending -------------------------------------------------------------------------- */

/* Memory has it no more; perhaps the store has. */
static void
replay_outlived(struct conn *conn, job_id_t job)
{
    const struct api *api = conn->api;
    if (!api->backend.has_store(api->backend.shell)) {
        reply_key_outlived(conn, job);
        return;
    }
    bool is_bytes = conn->form == ANSWER_RESULT;
    recall_or_unknown(conn,
        &(struct api_recall){ .what = is_bytes ? RECALL_RESULT : RECALL_JOB, .job = job });
}

/* Answer the request, or let it wait, with the job that its key has made before. */
static void
replay_job(struct conn *conn, job_id_t job, bool is_async)
{
    struct api *api = conn->api;
    struct job_view view;
    conn->is_replayed = true;
    if (!api->backend.job(api->backend.shell, job, &view)) {
        replay_outlived(conn, job);
    } else if (is_async && !api->backend.is_promised(api->backend.shell, job)) {
        conn->is_replayed = false;
        reply_key_in_flight(conn, job);
    } else if (is_async) {
        reply_accepted(conn, job);
    } else if (view.state > JOB_RUNNING) {
        reply_job(conn, &view, conn->form);
    } else {
        bool is_short = conn->prefer.respond_async;
        wait_for_job(
            conn, job, conn->form, is_short ? duration_s(conn->prefer.wait_s) : DURATION_ZERO);
    }
}

/* true: the key is known, and the request is answered, or waits for the key's job. */
static bool
replay(const struct wish *wish, struct conn *conn)
{
    job_id_t job;
    enum keys_verdict verdict = keys_look(conn->api->keys, clock_now(), &wish->claim, &job);
    if (verdict == KEYS_OTHER) {
        reply_key_reused(conn, job);
    } else if (verdict == KEYS_SAME) {
        replay_job(conn, job, wish->is_async);
    }
    return verdict != KEYS_NEW;
}

void
api_replayed(struct api *api, api_ticket_t ticket, job_id_t job, bool is_other_request)
{
    struct conn *conn = api_take_waiting(api, ticket);
    if (conn == NULL) {
        return;
    }
    if (is_other_request) {
        reply_key_reused(conn, job);
    } else {
        bool is_async = conn->prefer.respond_async && !conn->prefer.has_wait;
        replay_job(conn, job, is_async);
    }
    conn_process(conn);
}

/* The kernel is asked for the randomness of many ids at once: each call is a tenth of what a
 * small job's system calls cost. */
static job_id_t
new_job_id(struct api *api)
{
    if (api->random_ids_left == 0) {
        crypto_random(api->random, sizeof api->random);
        api->random_ids_left = API_RANDOM_IDS;
    }
    return id_from_parts(clock_unix_ms(), api->random[--api->random_ids_left]);
}

void
wish_send(struct wish *wish, struct conn *conn, enum answer_form form)
{
    struct api *api = conn->api;
    struct api_submit *submit = &wish->submit;
    submit->handler = wish->handler;
    submit->content_type = wish->content_type;
    submit->timeout = duration_min(submit->timeout, api->config.timeout_max);
    if (wish->is_hedge_off && submit->policy.mode == MODE_HEDGE) {
        submit->policy.mode = MODE_SINGLE;
    }
    conn->form = form;
    /* Its client comes back for it, whatever else it says, and must not see it die with us. */
    submit->detach = submit->detach || conn->prefer.respond_async;
    submit->is_async = wish->is_async;
    submit->claim = wish->has_key ? &wish->claim : NULL;
    if (!wish->is_durability_set) {
        submit->is_durable =
            conn->prefer.respond_async && api->backend.has_store(api->backend.shell);
    }
    bool waits_shortly = conn->prefer.respond_async && conn->prefer.has_wait;
    if ((wish->has_key && replay(wish, conn)) || (waits_shortly && !wait_can_end(conn))) {
        wish_fini(wish);
        return;
    }
    if (id_is_none(submit->job)) {
        submit->job = new_job_id(api);
    }
    trace_of_job(slice_of(wish->traceparent), submit->job, conn->traceparent);
    submit->traceparent = conn->traceparent;
    bool waits = !wish->is_async || submit->is_durable;
    api_ticket_t ticket = waits ? conn_start_waiting(conn) : 0;
    struct core_command refuse;
    if (api->backend.submit(api->backend.shell, ticket, submit, &conn->job, &refuse)) {
        if (wish->has_key) {
            keys_put(api->keys, clock_now(), &wish->claim, conn->job);
        }
        if (!waits) {
            reply_accepted(conn, conn->job);
        } else if (waits_shortly && conn->ticket == ticket) {
            wait_at_most(conn, duration_s(conn->prefer.wait_s));
        }
        return; /* the input is the shell's */
    }
    if (waits) {
        conn_stop_waiting(conn);
    }
    reply_refused(conn, wish->handler, &refuse);
    wish_fini(wish);
}

/* ---- :invoke -------------------------------------------------------------------------- */

static bool
set_count(struct conn *conn, const struct query_part *part, uint32_t *ret_count)
{
    uint64_t count = 0;
    bool is_number = slice_to_u64(slice_of(part->value), &count) && count <= INT64_MAX;
    if (!wish_check_count(conn, part->key, is_number, (int64_t) count)) {
        return false;
    }
    *ret_count = (uint32_t) count;
    return true;
}

static bool
set_idempotent(struct wish *wish, struct conn *conn, const struct query_part *part)
{
    bool is_true = strcmp(part->value, "true") == 0;
    if (!is_true && strcmp(part->value, "false") != 0) {
        reply_bad_field(conn, part->key, NULL, "idempotent is neither true nor false");
        return false;
    }
    wish->submit.policy.idempotent = is_true ? 1 : 0;
    return true;
}

static bool
refuse_parameter(struct conn *conn, const struct query_part *part)
{
    static const char *const known[] = { "timeout", "hedge", "mode", "copies", "max_attempts",
        "idempotent", "on_disconnect", "durability", "run_at" };
    return query_refuse(conn, part, known, ARRAY_COUNT(known));
}

static bool
set_parameter(struct wish *wish, struct conn *conn, const struct query_part *part)
{
    struct policy *policy = &wish->submit.policy;
    if (strcmp(part->key, "timeout") == 0) {
        return wish_set_timeout_text(wish, conn, part->key, slice_of(part->value));
    }
    if (strcmp(part->key, "hedge") == 0) {
        return wish_set_hedge(wish, conn, part->key, part->value);
    }
    if (strcmp(part->key, "mode") == 0) {
        return wish_set_mode(wish, conn, part->key, part->value);
    }
    if (strcmp(part->key, "copies") == 0) {
        return set_count(conn, part, &policy->race_count);
    }
    if (strcmp(part->key, "max_attempts") == 0) {
        return set_count(conn, part, &policy->attempts_max);
    }
    if (strcmp(part->key, "idempotent") == 0) {
        return set_idempotent(wish, conn, part);
    }
    if (strcmp(part->key, "on_disconnect") == 0) {
        return wish_set_on_disconnect(wish, conn, part->key, part->value);
    }
    if (strcmp(part->key, "durability") == 0) {
        return wish_set_durability(wish, conn, part->key, part->value);
    }
    if (strcmp(part->key, "run_at") == 0) {
        return wish_set_run_at(wish, conn, part->key, part->value);
    }
    return refuse_parameter(conn, part);
}

static bool
set_query(struct wish *wish, struct request *request)
{
    struct query_part part;
    bool is_bad = false;
    while (routes_next_query(&request->query, &part, &is_bad)) {
        if (is_bad) {
            reply_bad_field(
                request->conn, "query", NULL, "a part of the query is too long, or holds %%00");
            return false;
        }
        if (!set_parameter(wish, request->conn, &part)) {
            return false;
        }
    }
    return true;
}

/* A body that came in pieces lies in memory of its own already; one that came with its head
 * is copied once. */
static bool
take_body(struct wish *wish, struct request *request)
{
    struct conn *conn = request->conn;
    wish->submit.input_size = (uint32_t) request->body.size;
    if (conn->body != NULL) {
        wish->submit.input = conn->body;
        conn->body = NULL;
        return true;
    }
    if (request->body.size == 0) {
        return true;
    }
    wish->submit.input = malloc(request->body.size);
    if (wish->submit.input == NULL) {
        reply_no_memory(conn);
        return false;
    }
    memcpy(wish->submit.input, request->body.at, request->body.size);
    return true;
}

void
submit_invoke(struct request *request)
{
    struct conn *conn = request->conn;
    struct wish wish;
    struct slice type;
    bool is_good = wish_init(&wish, request) &&
                   wish_set_handler(&wish, conn, request->capture) &&
                   request_find_once(request, SLICE("Content-Type"), &type) &&
                   wish_set_content_type(&wish, conn, "Content-Type", type) &&
                   set_query(&wish, request) && take_body(&wish, request);
    if (is_good) {
        wish_send(&wish, conn, ANSWER_RESULT);
    }
}

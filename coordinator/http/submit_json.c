/* SPDX-License-Identifier: MIT
 *
 * POST /v1/jobs: a job as a JSON document.
 *
 * The input may be megabytes, and its text is to arrive as it was written; the rest is a few
 * dozen bytes.  So the input is found by json_scan and cut out, and only the rest becomes a
 * tree: no input can make the parser take many times its size in memory.
 */
#include "common/edge/json.h"
#include "common/pure/base64.h"
#include "common/pure/json_scan.h"
#include "common/pure/nearest.h"
#include "coordinator/http/submit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum input_kind {
    INPUT_NONE,
    INPUT_JSON,
    INPUT_TEXT,
    INPUT_BASE64
};

struct document {
    struct wish wish;
    struct conn *conn;
    enum input_kind input_kind;
    struct slice input; /* its JSON text */
};

/* ---- fields --------------------------------------------------------------------------- */

struct field {
    const char *name; /* of the path, the last part */
    const char *path;
    bool (*set)(struct document *document, const char *path, const struct json *value);
};

static bool
refuse_kind(struct document *document, const char *path, const char *wanted)
{
    reply_bad_field(document->conn, path, NULL, "%s is not %s", path, wanted);
    return false;
}

static bool set_fields(struct document *document, const struct json *object,
    const struct field *fields, const char *path);

static bool
set_handler(struct document *document, const char *path, const struct json *value)
{
    const char *name = json_text(value);
    if (name == NULL || name[0] == '\0') {
        return refuse_kind(document, path, "the name of a handler");
    }
    return wish_set_handler(&document->wish, document->conn, name);
}

static bool
set_content_type(struct document *document, const char *path, const struct json *value)
{
    const char *type = json_text(value);
    if (type == NULL) {
        return refuse_kind(document, path, "a string");
    }
    return wish_set_content_type(&document->wish, document->conn, path, slice_of(type));
}

/* Milliseconds up to a year. */
static bool
take_ms(const struct json *value, duration_t *ret_duration)
{
    double ms;
    if (!json_f64(value, &ms) || !isfinite(ms) || ms < 0 || ms > 366.0 * 86400e3) {
        return false;
    }
    *ret_duration = duration_ns((int64_t) (ms * 1e6));
    return true;
}

static bool
set_timeout(struct document *document, const char *path, const struct json *value)
{
    duration_t timeout;
    if (!take_ms(value, &timeout) || timeout.ns == 0) {
        return refuse_kind(document, path, "a number of milliseconds above 0");
    }
    wish_set_timeout(&document->wish, timeout);
    return true;
}

static bool
set_idempotent(struct document *document, const char *path, const struct json *value)
{
    bool is_idempotent;
    if (!json_bool(value, &is_idempotent)) {
        return refuse_kind(document, path, "true or false");
    }
    document->wish.submit.policy.idempotent = is_idempotent ? 1 : 0;
    return true;
}

static bool
set_on_disconnect(struct document *document, const char *path, const struct json *value)
{
    const char *text = json_text(value);
    if (text == NULL) {
        return refuse_kind(document, path, "'cancel' or 'detach'");
    }
    return wish_set_on_disconnect(&document->wish, document->conn, path, text);
}

static bool
set_durability(struct document *document, const char *path, const struct json *value)
{
    const char *text = json_text(value);
    if (text == NULL) {
        return refuse_kind(document, path, "'none' or 'sync'");
    }
    return wish_set_durability(&document->wish, document->conn, path, text);
}

static bool
set_run_at(struct document *document, const char *path, const struct json *value)
{
    const char *text = json_text(value);
    if (text == NULL) {
        return refuse_kind(document, path, "an RFC 3339 time");
    }
    return wish_set_run_at(&document->wish, document->conn, path, text);
}

static bool
set_enabled(struct document *document, const char *path, const struct json *value)
{
    bool is_enabled;
    if (!json_bool(value, &is_enabled)) {
        return refuse_kind(document, path, "true or false");
    }
    document->wish.is_hedge_off = !is_enabled;
    return true;
}

static bool
set_delay(struct document *document, const char *path, const struct json *value)
{
    struct policy *policy = &document->wish.submit.policy;
    const char *text = json_text(value);
    if (text != NULL) {
        return wish_set_hedge(&document->wish, document->conn, path, text);
    }
    if (!take_ms(value, &policy->hedge_delay)) {
        return refuse_kind(document, path, "'auto', a number of milliseconds, or '20ms'");
    }
    policy->hedge_delay_is_set = true;
    return true;
}

static bool
take_count(
    struct document *document, const char *path, const struct json *value, uint32_t *ret_count)
{
    int64_t count = 0;
    bool is_number = json_i64(value, &count);
    if (!wish_check_count(document->conn, path, is_number, count)) {
        return false;
    }
    *ret_count = (uint32_t) count;
    return true;
}

static bool
set_attempts_max(struct document *document, const char *path, const struct json *value)
{
    return take_count(document, path, value, &document->wish.submit.policy.attempts_max);
}

static bool
set_copies(struct document *document, const char *path, const struct json *value)
{
    return take_count(document, path, value, &document->wish.submit.policy.race_count);
}

static bool
set_mode(struct document *document, const char *path, const struct json *value)
{
    const char *text = json_text(value);
    if (text == NULL) {
        return refuse_kind(document, path, "'single', 'hedge' or 'race'");
    }
    return wish_set_mode(&document->wish, document->conn, path, text);
}

static bool
set_hedge(struct document *document, const char *path, const struct json *value)
{
    static const struct field fields[] = {
        { "enabled", "hedge.enabled", set_enabled },
        { "delay", "hedge.delay", set_delay },
        { "max_attempts", "hedge.max_attempts", set_attempts_max },
        { 0 },
    };
    return set_fields(document, value, fields, path);
}

static bool
set_fanout(struct document *document, const char *path, const struct json *value)
{
    static const struct field fields[] = {
        { "mode", "fanout.mode", set_mode },
        { "copies", "fanout.copies", set_copies },
        { 0 },
    };
    return set_fields(document, value, fields, path);
}

/* Was cut out: what is left in its place is null. */
static bool
set_nothing(struct document *document, const char *path, const struct json *value)
{
    (void) document;
    (void) path;
    (void) value;
    return true;
}

static const struct field root_fields[] = {
    { "handler", "handler", set_handler },
    { "input", "input", set_nothing },
    { "input_text", "input_text", set_nothing },
    { "input_base64", "input_base64", set_nothing },
    { "content_type", "content_type", set_content_type },
    { "timeout_ms", "timeout_ms", set_timeout },
    { "hedge", "hedge", set_hedge },
    { "fanout", "fanout", set_fanout },
    { "idempotent", "idempotent", set_idempotent },
    { "on_disconnect", "on_disconnect", set_on_disconnect },
    { "durability", "durability", set_durability },
    { "run_at", "run_at", set_run_at },
    { 0 },
};

static bool
refuse_key(
    struct document *document, const struct field *fields, const char *within, const char *key)
{
    struct nearest nearest;
    nearest_init(&nearest, key);
    for (const struct field *field = fields; field->name != NULL; field++) {
        nearest_offer(&nearest, field->name);
    }
    const char *meant = nearest_word(&nearest);
    char path[128];
    snprintf(path, sizeof path, "%s%s%.64s", within, within[0] != '\0' ? "." : "", key);
    reply_bad_field(document->conn, path, meant, "there is no field '%s'%s%s%s", path,
        meant != NULL ? "; did you mean '" : "", meant != NULL ? meant : "",
        meant != NULL ? "'?" : "");
    return false;
}

/* No recursion: what is nested is nested once, by the tables above. */
static bool
set_fields(struct document *document, const struct json *object, const struct field *fields,
    const char *path)
{
    if (json_kind(object) != JSON_KIND_OBJECT) {
        return refuse_kind(document, path, "an object");
    }
    const char *key;
    for (size_t i = 0; (key = json_key_at(object, i)) != NULL; i++) {
        const struct field *field = fields;
        while (field->name != NULL && strcmp(field->name, key) != 0) {
            field++;
        }
        if (field->name == NULL) {
            return refuse_key(document, fields, path, key);
        }
        const struct json *value = json_get(object, key);
        if (value != NULL && !field->set(document, field->path, value)) {
            return false;
        }
    }
    return true;
}

/* ---- the document --------------------------------------------------------------------- */

static bool
refuse_text(struct conn *conn, const char *why)
{
    reply_bad_field(conn, "body", NULL, "the body is no valid JSON: %s", why);
    return false;
}

/* Where the input stands, if it does; false: answered. */
static bool
find_input(struct document *document, struct slice text)
{
    static const struct {
        struct slice name;
        enum input_kind kind;
    } members[] = {
        { { "input", 5 }, INPUT_JSON },
        { { "input_text", 10 }, INPUT_TEXT },
        { { "input_base64", 12 }, INPUT_BASE64 },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(members); i++) {
        struct slice value;
        if (!json_scan_member(text, members[i].name, &value)) {
            continue;
        }
        if (document->input_kind != INPUT_NONE) {
            reply_bad_field(document->conn, members[i].name.at, NULL,
                "only one of input, input_text and input_base64 may be there");
            return false;
        }
        document->input_kind = members[i].kind;
        document->input = value;
    }
    return true;
}

/* The document without its input, as a tree. */
static bool
parse_rest(struct document *document, struct slice text, struct json **ret_root)
{
    struct conn *conn = document->conn;
    struct out *out = &conn->api->out;
    struct slice cut = document->input_kind != INPUT_NONE
                           ? document->input
                           : (struct slice){ text.at + text.size, 0 };
    size_t before_size = (size_t) (cut.at - text.at);
    size_t rest_size = text.size - cut.size;
    if (rest_size > API_POLICY_SIZE_MAX) {
        reply_too_big(conn, "body", API_POLICY_SIZE_MAX);
        return false;
    }
    out_reset(out);
    out_add(out, (struct slice){ text.at, before_size });
    out_add(out, document->input_kind != INPUT_NONE ? SLICE("null") : (struct slice){ 0 });
    out_add(out, (struct slice){ cut.at + cut.size, rest_size - before_size });
    if (out->has_failed) {
        reply_no_memory(conn);
        return false;
    }
    char why[JSON_WHY_SIZE_MAX];
    err_t err = json_parse(out->bytes, out->size, ret_root, why);
    return err == ERR_OK || refuse_text(conn, why);
}

static bool
scan(struct conn *conn, struct slice text)
{
    size_t at = 0;
    char why[96];
    err_t err = json_scan(text, JSON_DEPTH_MAX, &at);
    if (err == ERR_OK) {
        return true;
    }
    if (err == ERR_TOO_BIG) {
        snprintf(why, sizeof why, "nested deeper than %d at byte %zu", JSON_DEPTH_MAX, at);
    } else if (at == text.size) {
        snprintf(why, sizeof why, "it ends too early, after %zu bytes", at);
    } else {
        snprintf(why, sizeof why, "it goes wrong at byte %zu", at);
    }
    return refuse_text(conn, why);
}

/* ---- the input ------------------------------------------------------------------------ */

static bool
decode_input(struct document *document, uint8_t *bytes, size_t *ret_size)
{
    struct slice input = document->input;
    if (document->input_kind == INPUT_JSON) {
        memcpy(bytes, input.at, input.size);
        *ret_size = input.size;
        return true;
    }
    bool is_text = document->input_kind == INPUT_TEXT;
    const char *field = is_text ? "input_text" : "input_base64";
    size_t size;
    if (json_scan_string(input, (char *) bytes, &size) != ERR_OK) {
        return refuse_kind(document, field, "a string of whole characters");
    }
    /* In place: what is written stays behind what is read. */
    if (!is_text &&
        base64_decode((struct slice){ (char *) bytes, size }, bytes, &size) != ERR_OK) {
        return refuse_kind(document, field, "base64 (A-Z a-z 0-9 + / and = at its end)");
    }
    *ret_size = size;
    return true;
}

static bool
take_input(struct document *document)
{
    static const char *const types[] = {
        [INPUT_NONE] = "",
        [INPUT_JSON] = "application/json",
        [INPUT_TEXT] = "text/plain; charset=utf-8",
        [INPUT_BASE64] = "application/octet-stream",
    };
    struct wish *wish = &document->wish;
    if (wish->content_type[0] == '\0') {
        snprintf(
            wish->content_type, sizeof wish->content_type, "%s", types[document->input_kind]);
    }
    if (document->input_kind == INPUT_NONE) {
        return true;
    }
    uint8_t *bytes = malloc(document->input.size);
    if (bytes == NULL) {
        reply_no_memory(document->conn);
        return false;
    }
    wish->submit.input = bytes;
    size_t size = 0;
    if (!decode_input(document, bytes, &size)) {
        return false;
    }
    uint32_t input_size_max = document->conn->api->config.input_size_max;
    if (size > input_size_max) {
        reply_too_big(document->conn, "input", input_size_max);
        return false;
    }
    wish->submit.input_size = (uint32_t) size;
    return true;
}

/* ---- POST /v1/jobs -------------------------------------------------------------------- */

static bool
is_json_type(struct request *request)
{
    struct slice type = { 0 };
    if (codec_find(&request->conn->codec, request->head, SLICE("Content-Type"), &type) == 1) {
        struct slice essence = type;
        (void) slice_next(&type, ';', &essence);
        if (slice_equal_nocase(slice_trim(essence), SLICE("application/json"))) {
            return true;
        }
    }
    reply_problem(
        request->conn, &(struct problem){ .status = 415,
                           .code = "unsupported-media-type",
                           .title = "Unsupported media type",
                           .detail = "send JSON with 'Content-Type: application/json'",
                           .field = "Content-Type" });
    return false;
}

static bool
read_document(struct document *document, struct request *request)
{
    struct json *root = NULL;
    if (!is_json_type(request) || !query_refuse_all(request) ||
        !scan(document->conn, request->body) || !find_input(document, request->body) ||
        !parse_rest(document, request->body, &root)) {
        return false;
    }
    bool is_good = set_fields(document, root, root_fields, "");
    json_free(root);
    if (is_good && document->wish.handler[0] == '\0') {
        reply_bad_field(document->conn, "handler", NULL, "the field 'handler' is missing");
        is_good = false;
    }
    return is_good && take_input(document);
}

void
submit_job(struct request *request)
{
    struct document document = { .conn = request->conn };
    if (!wish_init(&document.wish, request)) {
        return;
    }
    if (read_document(&document, request)) {
        wish_send(&document.wish, request->conn, ANSWER_JOB);
    } else {
        wish_fini(&document.wish);
    }
}

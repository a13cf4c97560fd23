/* SPDX-License-Identifier: MIT
 *
 * GET and PUT /v1/hedging/{handler}: how a handler is hedged now and what it gains, and
 * another way of doing so until the process ends.
 */
#include "common/edge/json.h"
#include "coordinator/http/state.h"

#include <math.h>

/* NULL: answered. */
static const struct core *
find(struct request *request, struct handler_view *ret_handler)
{
    const struct api *api = request->conn->api;
    const struct core *core = api->backend.core(api->backend.shell);
    for (uint32_t i = 0; i < core_handlers_count(core); i++) {
        core_handler_at(core, i, ret_handler);
        if (strcmp(ret_handler->name, request->capture) == 0) {
            return core;
        }
    }
    const struct core_command refuse = { .kind = COMMAND_REFUSE,
        .refuse = { .why = SUBMIT_UNKNOWN_HANDLER } };
    reply_refused(request->conn, request->capture, &refuse);
    return NULL;
}

static void
out_seconds(struct out *out, const char *key, double seconds)
{
    out_key(out, key);
    out_ms(out, duration_ns((int64_t) (seconds * 1e9)));
}

/* null: nothing is known yet. */
static void
out_learned(struct out *out, const char *key, duration_t value)
{
    out_key(out, key);
    if (value.ns < 0) {
        out_null(out);
    } else {
        out_ms(out, value);
    }
}

static void
out_order(struct out *out, const struct hedge_order *order)
{
    out_key(out, "order");
    out_open(out, '{');
    out_key(out, "mode");
    if (order->is_mode_set) {
        out_string(out, slice_of(hedge_mode_text(order->mode)));
    } else {
        out_null(out);
    }
    out_learned(out, "delay_ms", order->is_delay_set ? order->delay : duration_ns(-1));
    out_close(out, '}');
}

static void
out_budget(struct out *out, const struct core_counters *counters)
{
    out_key(out, "budget");
    out_open(out, '{');
    out_key(out, "copies");
    out_format(out, "%.3f", counters->hedge_tokens);
    out->wants_comma = true;
    out_seconds(out, "work_ms", counters->hedge_work_s);
    out_close(out, '}');
}

static void
write_status(struct request *request, const struct core *core, const struct handler_view *view)
{
    struct out *out = &request->conn->api->out;
    const struct core_counters *counters = core_counters(core);
    out_reset(out);
    out_open(out, '{');
    out_key(out, "handler");
    out_string(out, slice_of(view->name));
    out_key(out, "mode");
    out_string(out, slice_of(hedge_mode_text(view->hedge_mode)));
    out_order(out, &view->order);
    out_key(out, "learned");
    out_open(out, '{');
    out_learned(out, "delay_ms", view->learned_delay);
    out_learned(out, "median_ms", view->learned_median);
    out_key(out, "samples");
    out_u64(out, view->samples_count);
    out_close(out, '}');
    out_budget(out, counters);
    out_key(out, "utilisation");
    out_format(out, "%.3f", counters->utilisation);
    out->wants_comma = true;
    out_key(out, "paying");
    out_bool(out, !view->is_throttled);
    out_key(out, "primaries");
    out_u64(out, view->attempts_count[ATTEMPT_PRIMARY]);
    out_key(out, "hedges");
    out_u64(out, view->attempts_count[ATTEMPT_HEDGE]);
    out_key(out, "hedge_wins");
    out_u64(out, view->hedge_wins_count);
    out_hedges_refused(out, view);
    out_seconds(out, "saved_ms", view->saved_s);
    out_seconds(out, "wasted_ms", view->wasted_s);
    out_close(out, '}');
    reply_json(request->conn, 200, NULL);
}

void
handle_hedging(struct request *request)
{
    struct handler_view view;
    const struct core *core = query_refuse_all(request) ? find(request, &view) : NULL;
    if (core != NULL) {
        write_status(request, core, &view);
    }
}

/* ---- PUT ------------------------------------------------------------------------------ */

static bool
read_mode(struct conn *conn, const struct json *value, struct hedge_order *order)
{
    const char *text = json_text(value);
    for (unsigned mode = 0; text != NULL && mode < HEDGE_MODES_COUNT; mode++) {
        if (strcmp(text, hedge_mode_text((enum hedge_mode) mode)) == 0) {
            order->mode = (enum hedge_mode) mode;
            order->is_mode_set = true;
            return true;
        }
    }
    reply_bad_field(conn, "mode", NULL, "mode is not 'economy', 'latency', 'off' or null");
    return false;
}

static bool
read_delay(struct conn *conn, const struct json *value, struct hedge_order *order)
{
    double ms;
    if (!json_f64(value, &ms) || !isfinite(ms) || ms < 0 || ms > 3600e3) {
        reply_bad_field(
            conn, "delay_ms", NULL, "delay_ms is not null or milliseconds up to an hour");
        return false;
    }
    order->delay = duration_ns((int64_t) (ms * 1e6));
    order->is_delay_set = true;
    return true;
}

/* false: answered.  What is missing or null is as the settings say. */
static bool
read_order(struct conn *conn, const struct json *root, struct hedge_order *order)
{
    const char *key;
    for (size_t i = 0; (key = json_key_at(root, i)) != NULL; i++) {
        const struct json *value = json_get(root, key);
        bool is_null = json_kind(value) == JSON_KIND_NONE;
        bool is_fine;
        if (strcmp(key, "mode") == 0) {
            is_fine = is_null || read_mode(conn, value, order);
        } else if (strcmp(key, "delay_ms") == 0) {
            is_fine = is_null || read_delay(conn, value, order);
        } else {
            reply_bad_field(conn, key, NULL, "there is no field '%.40s' here", key);
            is_fine = false;
        }
        if (!is_fine) {
            return false;
        }
    }
    return true;
}

void
handle_hedging_put(struct request *request)
{
    struct conn *conn = request->conn;
    const struct api *api = conn->api;
    struct handler_view view;
    struct hedge_order order = { 0 };
    struct json *root = NULL;
    if (!query_refuse_all(request) || find(request, &view) == NULL) {
        return;
    }
    char why[JSON_WHY_SIZE_MAX];
    if (json_parse(request->body.at, request->body.size, &root, why) != ERR_OK ||
        json_kind(root) != JSON_KIND_OBJECT) {
        reply_bad_field(conn, "body", NULL, "the body is no JSON object");
    } else if (read_order(conn, root, &order)) {
        api->backend.set_hedging(api->backend.shell, view.name, &order);
        handle_hedging(request);
    }
    json_free(root);
}

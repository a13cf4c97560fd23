/* SPDX-License-Identifier: MIT
 *
 * What the front end counts, as Prometheus reads it.
 */
#include "common/sys/clock.h"
#include "coordinator/http/state.h"

#include <inttypes.h>

/* Upper bounds in µs; the last bucket has none. */
static const uint64_t bounds_us[API_BUCKETS_COUNT - 1] = { 100, 250, 500, 1000, 2500, 5000,
    10000, 50000, 250000, 1000000, 10000000 };

void
api_count_request(struct conn *conn, unsigned status_index)
{
    struct route_counts *counts = &conn->api->counts[routes_index(conn->route)];
    uint64_t us = (uint64_t) duration_to_us(instant_since(clock_now(), conn->began_at));
    unsigned bucket = 0;
    while (bucket < API_BUCKETS_COUNT - 1 && us > bounds_us[bucket]) {
        bucket++;
    }
    counts->by_status[status_index]++;
    counts->buckets[bucket]++;
    counts->sum_us += us;
    counts->count++;
}

static void
family(struct out *out, const char *name, const char *type, const char *help)
{
    out_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
write_requests(struct api *api)
{
    struct out *out = &api->out;
    family(out, "hedgerow_http_requests_total", "counter", "Requests answered.");
    for (unsigned route = 0; route <= routes_count(); route++) {
        const char *method;
        const char *pattern;
        routes_name(route, &method, &pattern);
        for (unsigned i = 0; i < API_STATUSES_MAX; i++) {
            uint64_t count = api->counts[route].by_status[i];
            if (count > 0) {
                out_format(out,
                    "hedgerow_http_requests_total{route=\"%s\",method=\"%s\",code=\"%u\"} "
                    "%" PRIu64 "\n",
                    pattern, method, reply_status_at(i), count);
            }
        }
    }
}

static void
write_route_durations(struct out *out, unsigned route, const struct route_counts *counts)
{
    static const char name[] = "hedgerow_http_request_duration_seconds";
    const char *method;
    const char *pattern;
    uint64_t sum = 0;
    routes_name(route, &method, &pattern);
    for (unsigned i = 0; i < API_BUCKETS_COUNT - 1; i++) {
        sum += counts->buckets[i];
        out_format(out, "%s_bucket{route=\"%s\",method=\"%s\",le=\"%g\"} %" PRIu64 "\n", name,
            pattern, method, (double) bounds_us[i] * 1e-6, sum);
    }
    out_format(out, "%s_bucket{route=\"%s\",method=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name,
        pattern, method, counts->count);
    out_format(out, "%s_sum{route=\"%s\",method=\"%s\"} %.6f\n", name, pattern, method,
        (double) counts->sum_us * 1e-6);
    out_format(out, "%s_count{route=\"%s\",method=\"%s\"} %" PRIu64 "\n", name, pattern, method,
        counts->count);
}

static void
write_connections(struct api *api)
{
    static const char *const refusals[API_REFUSALS_COUNT] = { "full", "peer", "no_memory" };
    static const char *const cuts[DEADLINES_COUNT] = { [DEADLINE_NONE] = "room",
        [DEADLINE_HEAD] = "head",
        [DEADLINE_IDLE] = "idle",
        [DEADLINE_BODY] = "body",
        [DEADLINE_WRITE] = "write",
        [DEADLINE_LINGER] = "linger" };
    struct out *out = &api->out;
    family(out, "hedgerow_http_connections", "gauge", "Open connections.");
    out_format(out, "hedgerow_http_connections %" PRIu32 "\n", api->open_count);
    family(out, "hedgerow_http_held_bytes", "gauge", "Bodies coming in, answers leaving.");
    out_format(out, "hedgerow_http_held_bytes %" PRIu64 "\n", api->held_size);
    family(out, "hedgerow_http_connections_refused_total", "counter", "By reason.");
    for (unsigned i = 0; i < API_REFUSALS_COUNT; i++) {
        out_format(out, "hedgerow_http_connections_refused_total{reason=\"%s\"} %" PRIu64 "\n",
            refusals[i], api->refused_count[i]);
    }
    family(out, "hedgerow_http_connections_cut_total", "counter",
        "Closed because the client was late with something, or for room.");
    for (unsigned i = 0; i < DEADLINES_COUNT; i++) {
        out_format(out, "hedgerow_http_connections_cut_total{reason=\"%s\"} %" PRIu64 "\n",
            cuts[i], api->cut_count[i]);
    }
    family(out, "hedgerow_http_clients_gone_total", "counter",
        "Clients that left while they waited for an answer.");
    out_format(out, "hedgerow_http_clients_gone_total %" PRIu64 "\n", api->gone_count);
    family(out, "hedgerow_http_accept_starved_total", "counter",
        "Times that no file descriptor was left for a client.");
    uint64_t starved_count =
        api->listener != NULL ? net_listener_starved_count(api->listener) : 0;
    out_format(out, "hedgerow_http_accept_starved_total %" PRIu64 "\n", starved_count);
}

void
api_metrics(struct api *api)
{
    write_requests(api);
    family(&api->out, "hedgerow_http_request_duration_seconds", "histogram",
        "From a request's first byte to its answer.");
    for (unsigned route = 0; route <= routes_count(); route++) {
        if (api->counts[route].count > 0) {
            write_route_durations(&api->out, route, &api->counts[route]);
        }
    }
    write_connections(api);
}

/* SPDX-License-Identifier: MIT */
#include "worker/metrics.h"

#include "common/edge/net.h"
#include "worker/sched/sched.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_SIZE_MAX 4096
#define TEXT_SIZE_MAX    (32 * 1024)
#define REQUEST_NS_MAX   INT64_C(5000000000)
#define LINGER_NS_MAX    INT64_C(1000000000)
#define DRAINED_SIZE_MAX (64 * 1024)
#define PREFIX           "hedgerow_worker_"

struct metrics {
    struct agent *agent;
    struct net_listener *listener;
    struct hr_ctx *ctx; /* of the connections' fibers */
    _Atomic uint32_t connections_count;
    _Atomic uint64_t refused_count;
};

struct connection {
    struct metrics *metrics;
    int fd;
    char request[REQUEST_SIZE_MAX];
    size_t request_size;
    char text[TEXT_SIZE_MAX];
    size_t text_size;
};

/* ---- the text ------------------------------------------------------------------------- */

static __attribute__((format(printf, 2, 3))) void
say(struct connection *connection, const char *format, ...)
{
    size_t room = sizeof connection->text - connection->text_size;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(connection->text + connection->text_size, room, format, arguments);
    va_end(arguments);
    CHECK(size >= 0 && (size_t) size < room); /* the list is as long as this file says */
    connection->text_size += (size_t) size;
}

static void
say_number(struct connection *connection, const char *type, const char *name, uint64_t value)
{
    say(connection, "# TYPE " PREFIX "%s %s\n" PREFIX "%s %" PRIu64 "\n", name, type, name,
        value);
}

static void
say_histogram(
    struct connection *connection, const char *name, const struct hr_histogram *histogram)
{
    say(connection, "# TYPE " PREFIX "%s histogram\n", name);
    uint64_t below = 0;
    for (uint32_t i = 0; i < HR_BUCKETS_COUNT - 1; i++) {
        below += histogram->counts[i];
        say(connection, PREFIX "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
            (double) hr_bucket_ns(i) / 1e9, below);
    }
    say(connection, PREFIX "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
    say(connection, PREFIX "%s_sum %.9f\n" PREFIX "%s_count %" PRIu64 "\n", name,
        (double) histogram->sum_ns / 1e9, name, histogram->count);
}

static void
say_sched(struct connection *connection)
{
    struct hr_stats stats;
    if (hr_stats(&stats) != 0) {
        return;
    }
    say_number(connection, "gauge", "sched_procs", stats.procs_count);
    say_number(connection, "gauge", "sched_procs_idle", stats.idle_procs_count);
    say_number(connection, "gauge", "sched_threads", stats.threads_count);
    say_number(connection, "gauge", "sched_threads_lost", stats.lost_threads_count);
    say_number(connection, "gauge", "sched_queued", stats.queued_count);
    say_number(connection, "gauge", "sched_fibers", stats.started_count - stats.ended_count);
    say_number(connection, "counter", "sched_fibers_started_total", stats.started_count);
    say_number(connection, "counter", "sched_steals_total", stats.steals_count);
    say_number(connection, "counter", "sched_handoffs_total", stats.handoffs_count);
    say_number(connection, "counter", "sched_handoffs_hogs_total", stats.handoffs_hogs_count);
    say_number(connection, "counter", "sched_slow_slices_total", stats.slow_slices_count);
    say_number(connection, "counter", "sched_cancels_total", stats.cancels_count);
    say_histogram(connection, "sched_queue_seconds", &stats.queue);
    say_histogram(connection, "sched_cancel_seconds", &stats.cancel);
}

static void
say_attempts(struct connection *connection)
{
    struct agent_counts counts;
    agent_counts(connection->metrics->agent, &counts);
    const struct attempts_counts *attempts = &counts.attempts;
    say_number(connection, "gauge", "attempts_running", attempts->running_count);
    say_number(connection, "gauge", "attempts_queued", attempts->queued_count);
    say_number(connection, "counter", "attempts_received_total", attempts->received_count);
    say_number(connection, "counter", "attempts_started_total", attempts->begun_count);
    say_number(connection, "counter", "attempts_replied_total", attempts->replied_count);
    say_number(connection, "counter", "attempts_failed_total", attempts->failed_count);
    say_number(connection, "counter", "attempts_busy_total", attempts->busy_count);
    say_number(connection, "counter", "attempts_expired_total", attempts->expired_count);
    say_number(connection, "counter", "attempts_stopped_total",
        attempts->acks_count[ATTEMPTS_FATE_STOPPED]);
    say_number(connection, "counter", "frames_lost_total", counts.frames_lost_count);
    say_number(connection, "counter", "metrics_refused_total",
        atomic_load_explicit(&connection->metrics->refused_count, memory_order_relaxed));
}

/* ---- a request ------------------------------------------------------------------------ */

/* Read until the empty line.  false: it never came, or too much did. */
static bool
read_request(struct connection *connection)
{
    int64_t deadline = hr_now() + REQUEST_NS_MAX;
    while (connection->request_size < sizeof connection->request - 1) {
        int64_t got = hr_read(connection->fd, connection->request + connection->request_size,
            sizeof connection->request - 1 - connection->request_size, deadline);
        if (got <= 0) {
            return false;
        }
        connection->request_size += (size_t) got;
        connection->request[connection->request_size] = '\0';
        if (memmem(connection->request, connection->request_size, "\r\n\r\n", 4) != NULL) {
            return true;
        }
    }
    return false;
}

/* Nothing behind the empty line, no byte but printable ones and line ends, no body. */
static bool
is_plain(const struct connection *connection)
{
    const char *request = connection->request;
    size_t size = connection->request_size;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char) request[i];
        bool is_end = byte == '\r' && i + 1 < size && request[i + 1] == '\n';
        bool is_line_end = byte == '\n' && i > 0 && request[i - 1] == '\r';
        if (!is_end && !is_line_end && byte != '\t' && (byte < ' ' || byte == 0x7f)) {
            return false;
        }
    }
    return strcmp(request + size - 4, "\r\n\r\n") == 0 &&
           strstr(request, "\r\n\r\n") == request + size - 4 &&
           strcasestr(request, "\r\ncontent-length") == NULL &&
           strcasestr(request, "\r\ntransfer-encoding") == NULL;
}

static const char *
status_of(const struct connection *connection)
{
    static const char good[] = "GET /metrics HTTP/1.";
    const char *request = connection->request;
    size_t line_size = strcspn(request, "\r");
    bool is_http = line_size > 9 && strncmp(request + line_size - 9, " HTTP/1.", 8) == 0 &&
                   (request[line_size - 1] == '0' || request[line_size - 1] == '1');
    if (!is_http || !is_plain(connection)) {
        return "400 Bad Request";
    }
    if (strncmp(request, "GET ", 4) != 0) {
        return "405 Method Not Allowed\r\nAllow: GET";
    }
    bool is_metrics = line_size == sizeof good && strncmp(request, good, sizeof good - 1) == 0;
    return is_metrics ? "200 OK" : "404 Not Found";
}

static void
answer(struct connection *connection)
{
    char head[256];
    const char *status = status_of(connection);
    if (status[0] == '2') {
        say_sched(connection);
        say_attempts(connection);
    }
    int head_size = snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        "Content-Length: %zu\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        status, connection->text_size);
    const char *const parts[] = { head, connection->text };
    const size_t sizes[] = { (size_t) head_size, connection->text_size };
    int64_t deadline = hr_now() + REQUEST_NS_MAX;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        size_t done = 0;
        while (done < sizes[i]) {
            int64_t wrote =
                hr_write(connection->fd, parts[i] + done, sizes[i] - done, deadline);
            if (wrote <= 0) {
                return; /* gone, or too slow: nobody is owed the rest */
            }
            done += (size_t) wrote;
        }
    }
}

/* Closing over unread bytes is a reset, which may overtake the answer: read on a little. */
static void
linger(struct connection *connection)
{
    int64_t deadline = hr_now() + LINGER_NS_MAX;
    (void) shutdown(connection->fd, SHUT_WR);
    for (size_t drained = 0; drained < DRAINED_SIZE_MAX;) {
        int64_t got =
            hr_read(connection->fd, connection->request, sizeof connection->request, deadline);
        if (got <= 0) {
            return;
        }
        drained += (size_t) got;
    }
}

static void
serve(void *arg)
{
    struct connection *connection = arg;
    struct metrics *metrics = connection->metrics;
    if (read_request(connection)) {
        answer(connection);
        linger(connection);
    }
    hr_fd_forget(connection->fd);
    close(connection->fd);
    free(connection);
    atomic_fetch_sub_explicit(&metrics->connections_count, 1, memory_order_relaxed);
}

static void
on_accept(void *user, int fd, const struct net_peer *peer)
{
    struct metrics *metrics = user;
    (void) peer;
    /* Only the loop's thread adds. */
    bool has_room = atomic_load_explicit(&metrics->connections_count, memory_order_relaxed) <
                    METRICS_CONNECTIONS_MAX;
    struct connection *connection = has_room ? calloc(1, sizeof *connection) : NULL;
    if (connection != NULL) {
        connection->metrics = metrics;
        connection->fd = fd;
        atomic_fetch_add_explicit(&metrics->connections_count, 1, memory_order_relaxed);
        if (hr_go_ctx(metrics->ctx, serve, connection, "metrics") == 0) {
            return;
        }
        atomic_fetch_sub_explicit(&metrics->connections_count, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&metrics->refused_count, 1, memory_order_relaxed);
    free(connection);
    close(fd);
}

/* ---- life ----------------------------------------------------------------------------- */

err_t
metrics_new(
    struct loop *loop, const char *listen, struct agent *agent, struct metrics **ret_metrics)
{
    err_t err = ERR_NO_MEMORY;
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        return err;
    }
    metrics->agent = agent;
    metrics->ctx = hr_ctx_new(NULL, HR_NEVER);
    if (metrics->ctx != NULL) {
        err = net_listen(loop, listen, on_accept, metrics, &metrics->listener);
    }
    if (err != ERR_OK) {
        metrics_close(metrics);
        metrics_free(metrics);
        return err;
    }
    *ret_metrics = metrics;
    return ERR_OK;
}

uint16_t
metrics_port(const struct metrics *metrics)
{
    return net_listener_port(metrics->listener);
}

bool
metrics_is_loopback(const struct metrics *metrics)
{
    return net_listener_is_loopback(metrics->listener);
}

void
metrics_close(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    net_listener_free(metrics->listener);
    metrics->listener = NULL;
    if (metrics->ctx != NULL) {
        hr_ctx_cancel(metrics->ctx, HR_CAUSE_USER);
        hr_ctx_rele(metrics->ctx);
        metrics->ctx = NULL;
    }
}

void
metrics_free(struct metrics *metrics)
{
    free(metrics);
}

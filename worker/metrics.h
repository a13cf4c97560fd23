/* SPDX-License-Identifier: MIT
 *
 * worker/metrics.h - GET /metrics of a worker: its scheduler and its attempts, for Prometheus.
 *
 * One request a connection, read and answered by a fiber of its own.  A request is a line
 * and headers of at most 4 KiB, whole within 5 s; what is not plainly `GET /metrics` with
 * nothing behind it gets a 400, 404 or 405 and the connection's end.
 *
 * THREADS   the loop's; the fibers are the metrics' own.
 * MEMORY    METRICS_CONNECTIONS_MAX fibers with a request and an answer (32 KiB) each; who
 *           comes beyond is hung up on.
 * ERRORS    of metrics_new: those of net_listen
 * REJECTED  the coordinator's codec (it lives on the coordinator's side of the house, and
 *           serves pipelines, bodies and streams); a push to a gateway (one more service).
 */
#ifndef WORKER_METRICS_H
#define WORKER_METRICS_H

#include "common/edge/loop.h"
#include "worker/agent.h"

#define METRICS_CONNECTIONS_MAX 8

struct metrics;

/* agent is borrowed until hr_stop() has returned. */
err_t metrics_new(struct loop *loop, const char *listen, struct agent *agent,
    struct metrics **ret_metrics) MUST_USE;
uint16_t metrics_port(const struct metrics *metrics);
bool metrics_is_loopback(const struct metrics *metrics);
/* Refuse new connections and end those that are open; before hr_stop(). */
void metrics_close(struct metrics *metrics);
/* After hr_stop(). */
void metrics_free(struct metrics *metrics);

#endif

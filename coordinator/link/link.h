/* SPDX-License-Identifier: MIT
 *
 * coordinator/link/link.h - the coordinator's side of all worker links.
 *
 * Listens, shakes hands, keeps the heartbeat, assembles chunked results, holds bulk to
 * the window so that a CANCEL overtakes it, and hands whole messages to the shell.
 *
 * THREADS    all calls and callbacks: the loop thread.  NNG's threads push what
 *            else happens to a stream to a bounded inbox and wake the loop.
 * OWNERSHIP  a message and its bulk are borrowed for the callback; links_send_job borrows
 *            input until on_input_done tells that it is sent or will never be.
 */
#ifndef COORDINATOR_LINK_LINK_H
#define COORDINATOR_LINK_LINK_H

#include "common/edge/loop.h"
#include "common/pure/units.h"
#include "proto/wire.h"

struct links;

/* Names one connection: never reused in a process's life. */
typedef uint64_t link_id_t;

struct links_events {
    void *user;
    /* The handshake is done; hello is borrowed. */
    void (*on_up)(void *user, link_id_t link, const struct wire_hello *hello);
    /* STARTED, RESULT (assembled: bulk holds all of it), BUSY, CANCEL_ACK, LOAD, DRAIN.
     * Epoch and incarnation have been checked.  rtt: of the last PING. */
    void (*on_message)(void *user, link_id_t link, const struct wire_msg *msg, duration_t rtt);
    void (*on_down)(void *user, link_id_t link, err_t why);
    /* The input given to links_send_job is not used any more.  Comes once for each that was
     * taken (not for one that was refused), perhaps within the call that sends or cancels. */
    void (*on_input_done)(void *user, const void *input_owner);
};

struct links_config {
    const char *listen_url; /* tcp://host:port (port 0: any), ipc:///path */
    const uint8_t *token;   /* NULL: no authentication, loopback only */
    size_t token_size;
    uint64_t epoch;
    uint32_t links_max;
    uint32_t cancel_grace_ms; /* travels on every JOB */
    uint32_t heartbeat_ms;    /* 0: WIRE_HEARTBEAT_MS; the workers are told */
    uint32_t missed_max;      /* 0: WIRE_HEARTBEATS_MISSED_MAX */
};

struct links_counters {
    uint64_t handshakes_failed_count;
    uint64_t stale_frames_count; /* of another epoch or incarnation, dropped */
    uint64_t bad_frames_count;   /* closed the link */
    uint64_t orphans_count;      /* chunks of a result that was cancelled, dropped */
    uint64_t unknown_count;      /* kinds of a newer worker, skipped */
    uint64_t expired_count;      /* JOBs whose time was over before they were written */
    uint64_t frames_in_count;
    uint64_t frames_out_count;
    uint64_t bytes_in_count;
    uint64_t bytes_out_count;
    uint32_t up_count;
};

/* Errors: INVALID (url), IN_USE, PERMISSION (no token beyond loopback), NO_MEMORY. */
err_t links_new(struct loop *loop, const struct links_config *config,
    const struct links_events *events, struct links **ret_links) MUST_USE;
/* Close every link (GOODBYE first), wait for NNG's callbacks to end. */
void links_free(struct links *links);
/* The port that listens (for a url with port 0). */
uint16_t links_port(const struct links *links);

struct link_job {
    job_id_t job;
    uint32_t attempt;
    const char *handler;
    instant_t deadline; /* becomes the remaining time when the frame is written */
    bool is_hedge;
    bool is_tied;
    const char *content_type;
    const char *traceparent;
    const uint8_t *input; /* borrowed until on_input_done(input_owner) */
    uint32_t input_size;
    const void *input_owner;
};

/* A job whose deadline has passed when its turn to be written comes is dropped.
 * Errors: NOT_FOUND (gone), FULL (its bound of queued bytes; the worker does not read),
 * INVALID (a name that is none), NO_MEMORY. */
err_t links_send_job(struct links *links, link_id_t link, const struct link_job *job) MUST_USE;
/* Also forgets what is left to send of that attempt's input. */
err_t links_send_cancel(struct links *links, link_id_t link, job_id_t job, uint32_t attempt,
    uint32_t cause) MUST_USE;
/* Close one; on_down is not called for it. */
void links_close(struct links *links, link_id_t link, const char *reason);
const struct links_counters *links_counters(const struct links *links);

#endif

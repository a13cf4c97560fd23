/* SPDX-License-Identifier: MIT
 *
 * worker/link.h - the worker's side of its link to one coordinator.
 *
 * Dials (each time resolving the name anew, with full-jitter back-off 100 ms .. 5 s),
 * shakes hands, answers the heartbeat, assembles chunked inputs, and hands whole messages
 * to the agent.
 *
 * THREADS    callbacks come on a fiber or the loop thread, one at a time for one
 *            link, without its lock held; they must not block.  Sends: any thread, fibers
 *            too (nothing parks).
 * OWNERSHIP  a message and its bulk are borrowed for the callback.
 */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "common/edge/loop.h"
#include "common/pure/units.h"
#include "proto/wire.h"

struct worker_link;

struct worker_link_events {
    void *user;
    /* Shaken hands; epoch tells whether this is the coordinator that was there before. */
    void (*on_up)(void *user, uint64_t epoch);
    /* JOB (assembled: bulk holds the whole input; budget_us is what remains of it at this
     * call) and CANCEL.  A CANCEL comes at once, also before the job's last chunk: the job
     * is then never handed over, but the link tells nothing: the agent keeps the tombstone
     * and acknowledges (not_seen). */
    void (*on_message)(void *user, const struct wire_msg *msg);
    /* Lost, or never reached; it dials again by itself. */
    void (*on_down)(void *user, err_t why);
};

struct worker_link_config {
    const char *dial_url; /* tcp://name:port, ipc:///path */
    const uint8_t *token; /* NULL: none */
    size_t token_size;
    struct wire_hello hello; /* all but nonce and mac */
};

err_t worker_link_new(struct loop *loop, const struct worker_link_config *config,
    const struct worker_link_events *events, struct worker_link **ret_link) MUST_USE;
/* Not from a callback. */
void worker_link_free(struct worker_link *link);

/* STARTED, RESULT (chunked when large; bulk is copied), BUSY, CANCEL_ACK, LOAD, DRAIN,
 * GOODBYE.  Epoch and incarnation are filled in.  GOODBYE ends the link, which does not dial
 * again; it overtakes results that wait, so flush before it.
 * Errors: CLOSED (not up: nobody waits for it any more), FULL. */
err_t worker_link_send(struct worker_link *link, const struct wire_msg *msg) MUST_USE;
bool worker_link_is_up(const struct worker_link *link);
/* What the coordinator wants for both sides: LOAD at least each heartbeat, and the link is
 * lost for good after as many that were missed.  Known from on_up on; the defaults before. */
duration_t worker_link_heartbeat(struct worker_link *link);
uint32_t worker_link_missed_max(struct worker_link *link);
/* Until everything that was sent has left, or the deadline. Not from a callback or fiber. */
err_t worker_link_flush(struct worker_link *link, instant_t deadline) MUST_USE;

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/link/link_state.h - what the two files of the links share; nobody else
 * includes it.
 *
 *     link.c       life: open, close all; what the shell asks for
 *     link_step.c  what happens to one link: news, messages, time
 *
 *              accepted        HELLO proves itself            GOODBYE out, or CLOSE_MS
 *     (new) NEW -----> SHAKING ----------------------> UP ------> CLOSING ------> DEAD (freed
 *                          '------ refused, broken, silent --------------------->   when gone)
 */
#ifndef COORDINATOR_LINK_LINK_STATE_H
#define COORDINATOR_LINK_LINK_STATE_H

#include "common/edge/stream.h"
#include "coordinator/link/inbox.h"
#include "coordinator/link/link.h"
#include "proto/session.h"

#include <stdatomic.h>

/* Time for a GOODBYE to leave. */
#define LINK_CLOSE_MS 300

enum link_state {
    LINK_NEW,
    LINK_SHAKING,
    LINK_UP,
    LINK_CLOSING, /* its GOODBYE is leaving */
    LINK_DEAD     /* its stream is closed; waits for on_gone */
};

struct link {
    struct inbox_entry entry;
    struct links *links;
    struct stream *stream;    /* ours until DEAD */
    struct loop_watch *watch; /* of what it brings; SHAKING, UP, CLOSING */
    enum link_state state;
    link_id_t id;
    struct session *session;
    instant_t close_by; /* CLOSING */
    struct link *next_dirty;
    bool is_dirty;
};

struct links {
    struct loop *loop;
    struct links_events events;
    struct stream_listener *listener;
    struct loop_wake *wake;
    struct loop_timer *timer;
    uint8_t token[WIRE_TOKEN_SIZE_MAX];
    size_t token_size; /* 0: none */
    uint64_t epoch;
    uint32_t cancel_grace_ms;
    uint32_t heartbeat_ms;
    uint32_t missed_max;
    uint32_t links_max;

    struct inbox inbox;
    /* Accepted (NNG's thread adds) and not shaken hands (the loop subtracts); a bound, it
     * orders nothing. */
    atomic_uint unauth_count;

    struct link **table; /* by id % table_max */
    uint32_t table_max;
    uint64_t ids_count;
    uint32_t up_count;
    struct link *dirty_first;
    bool is_dispatching; /* sends wait for the end of this round, and leave together */
    struct links_counters retired;
    struct links_counters *shown;
    instant_t warned_at;
    uint64_t unwarned_count;
};

/* Turn the news of NNG's threads into callbacks. */
void link_step_ready(struct links *links);
/* Beats and time-outs of all links. */
void link_step_tick(struct links *links);
/* NNG's thread. */
void link_step_accepted(struct links *links, struct stream *stream);
/* Write what is queued: now, or at the end of the loop's turn, all of the turn at once. */
void link_step_flush(struct link *link);
void link_step_flush_all(struct links *links);
/* Say GOODBYE; on_down is not called. */
void link_step_close(struct link *link, const char *reason);
/* Close its stream; off the table. */
void link_step_kill(struct link *link);
/* Add what one session counted. */
void link_step_count(struct links_counters *to, const struct session *session);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/feed.h - remember what happened to jobs lately, in order.
 *
 *     first                            next
 *       v                                v
 *     [ 41 | 42 | 43 | 44 | 45 | 46 | 47 ]      a reader keeps the number of its next one:
 *                 ^                             one that is below `first` has lost some
 *                 reader
 *
 * INVARIANTS  F1  numbers count from 1 without a hole; what is kept is never changed
 * THREADS     loop      MEMORY  count_max events of 120 bytes, made in feed_new
 */
#ifndef COORDINATOR_HTTP_FEED_H
#define COORDINATOR_HTTP_FEED_H

#include "coordinator/core/core.h"

enum feed_kind {
    FEED_ACCEPTED,
    FEED_SENT,       /* a copy, to a worker */
    FEED_STARTED,    /* a copy, as its worker says */
    FEED_CANCELLING, /* a copy was told to stop */
    FEED_ENDED,      /* a copy */
    FEED_FINISHED    /* the job is terminal: the last one that its own stream shows */
};

struct feed_event {
    job_id_t job;
    uint64_t unix_ms;
    enum feed_kind kind;
    uint32_t attempt; /* 0: of the job as a whole */
    enum attempt_kind attempt_kind;
    enum attempt_state attempt_state; /* ENDED */
    enum cancel_cause cause;          /* CANCELLING */
    enum job_state state;             /* FINISHED */
    char worker[CORE_NAME_SIZE_MAX];
};

struct feed;

/* Errors: NO_MEMORY. */
err_t feed_new(uint32_t count_max, struct feed **ret_feed) MUST_USE;
void feed_free(struct feed *feed);
uint64_t feed_memory_size(uint32_t count_max);
void feed_push(struct feed *feed, const struct feed_event *event);
/* The oldest that is kept, and the one that will come next. */
uint64_t feed_first(const struct feed *feed);
uint64_t feed_next(const struct feed *feed);
/* first <= number < next; borrowed until the next push. */
const struct feed_event *feed_at(const struct feed *feed, uint64_t number);
/* "accepted", "sent", ... */
const char *feed_kind_text(enum feed_kind kind);

#endif

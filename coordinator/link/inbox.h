/* SPDX-License-Identifier: MIT
 *
 * coordinator/link/inbox.h - from NNG's threads to the loop: which link has news.
 *
 *   NNG's threads                           loop thread
 *   accepted, sent, broken,        ready
 *   gone: a flag in the link's  -> list --> inbox_take until NULL
 *   entry                          wake
 *
 * An entry stands in the list at most once, so the list is as long as there are links.  What
 * is received does not come this way: the loop reads it itself, when it gets to it.
 *
 * INVARIANTS  I1  news.gone is the last news of an entry, and the only one with which it may
 *                 be freed
 * THREADS     push: NNG's; take, wait: the loop's.  LOCKS: one mutex, a leaf.
 */
#ifndef COORDINATOR_LINK_INBOX_H
#define COORDINATOR_LINK_INBOX_H

#include "common/edge/loop.h"
#include "common/edge/stream.h"
#include "common/pure/units.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct inbox;

struct inbox_news {
    bool sent;
    bool gone;
    err_t broken;
};

struct inbox_entry {
    struct inbox *inbox;
    struct inbox_entry *next; /* all guarded by the inbox's mutex */
    bool is_ready;
    struct inbox_news news;
};

struct inbox {
    struct loop_wake *wake;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct inbox_entry *first;
    struct inbox_entry *last;
    uint32_t alive_count; /* streams bound and not seen gone */
};

void inbox_init(struct inbox *inbox, struct loop_wake *wake);
void inbox_fini(struct inbox *inbox);
/* From now on what happens to the stream is news of this entry; so is its arrival. */
void inbox_bind(struct inbox *inbox, struct inbox_entry *entry, struct stream *stream);
/* The next entry with news, or NULL.  After news.gone nothing of it is used here. */
struct inbox_entry *inbox_take(struct inbox *inbox, struct inbox_news *ret_news);
/* Wait for news (AGAIN), the last stream to be seen gone (OK), or the deadline (TIMEOUT).
 * Only for links_free: it blocks the loop. */
err_t inbox_wait(struct inbox *inbox, instant_t deadline) MUST_USE;

#endif

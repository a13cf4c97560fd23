/* SPDX-License-Identifier: MIT
 *
 * coordinator/durable_state.h - what durable's files share; nobody else includes it.
 *
 *     durable.c         life, submit, views, cancel
 *     durable_feed.c    when the core gets a job: its time, its input, its mark on disk
 *     durable_end.c     ends on disk, and what a former process left
 *     durable_recall.c  looks into the store for the API
 *     durable_options.c a policy as text, and back
 */
#ifndef COORDINATOR_DURABLE_STATE_H
#define COORDINATOR_DURABLE_STATE_H

#include "common/pure/heap.h"
#include "common/pure/map.h"
#include "common/pure/pool.h"
#include "coordinator/durable.h"
#include "coordinator/shell_state.h"

/* Submits that wait for an answer shall find room beside a backlog. */
#define DURABLE_SHARE_OF_JOBS 0.75

/* Operations of the store's beside one for each slot. */
#define DURABLE_LOOKS_MAX  200
#define DURABLE_OTHERS_MAX 8 /* expiry, recovery */

enum durable_step {
    DURABLE_INSERTING,
    DURABLE_WAITING,
    DURABLE_LOADING,  /* its input is read */
    DURABLE_STARTING, /* it is marked on disk, since it may run only once */
    DURABLE_RUNNING,
    DURABLE_ENDING
};

struct durable_job {
    job_id_t id;
    enum durable_step step;
    enum cancel_cause cause;
    uint64_t fence;
    uint64_t created_ms; /* wall clock, as the store keeps them */
    uint64_t run_at_ms;
    uint64_t deadline_ms;
    bool is_marked;   /* STARTED on disk */
    bool must_cancel; /* as soon as the operation under way is done */
    bool is_put_off;  /* stopped by our own end; the next process runs it */
    api_ticket_t tell_accepted;
    struct policy policy;
    uint32_t input_size;
    struct heap_node due; /* while WAITING: monotonic ns */
};

struct durable {
    struct shell *shell;
    struct store *store;
    struct loop_timer *timer;
    struct loop_timer *expire_timer;
    struct pool jobs;
    struct map by_id;
    struct heap waiting;
    duration_t kept;
    bool is_recovering;
    bool has_more;       /* on disk, for when slots fall free */
    job_id_t read_up_to; /* of those that an earlier process left */
    bool is_draining;
    uint32_t writes_count; /* INSERT and FINISH under way */
    uint32_t looks_count;  /* into the store, for the API */
    struct durable_counters counters;
};

/* A wall clock's ms as an instant of ours, and what it is now. */
uint64_t durable_now_ms(void);
instant_t durable_instant(const struct durable *durable, uint64_t unix_ms);

struct durable_job *durable_find(const struct durable *durable, job_id_t id);
/* NULL: no slot.  The id is new. */
struct durable_job *durable_take(struct durable *durable, job_id_t id);
/* The slot is free again. */
void durable_give(struct durable *durable, struct durable_job *job);
/* As the core would be asked for it, its time being what is left. */
void durable_event(
    const struct durable_job *job, const struct entry *entry, struct event_submit *ret_submit);

void durable_set_times(
    const struct durable *durable, const struct entry *entry, struct job_view *view);

/* ---- durable_feed.c ------------------------------------------------------------------- */

void durable_wait(struct durable *durable, struct durable_job *job, duration_t at_least);
void durable_on_timer(void *user);
void durable_arm(struct durable *durable);

/* ---- durable_end.c -------------------------------------------------------------------- */

/* One that the core has not got. */
void durable_end(struct durable *durable, struct durable_job *job, enum job_state state,
    enum cancel_cause cause);
void durable_recover(struct durable *durable);
void durable_on_expire_timer(void *user);

/* ---- durable_options.c ---------------------------------------------------------------- */

/* Errors: NO_MEMORY. */
err_t durable_options_write(const struct policy *policy, struct store_bytes *ret_text) MUST_USE;
/* Errors: BAD_MESSAGE; what a later version added is not looked at. */
err_t durable_options_read(const struct store_bytes *text, struct policy *ret_policy) MUST_USE;

#endif

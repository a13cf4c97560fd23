/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/state.h - what the core knows: its structs, for its own files only.
 *
 *   core --- handlers[] --- queue (jobs that wait for room, earliest deadline first)
 *     |----- workers ------ attempts in flight there
 *     |----- jobs --------- attempts, oldest first; children
 *     |----- timers ------- one node for each job, worker, unacknowledged cancel
 *     '----- outbox ------- commands of this step
 *
 * A job holds its attempts' records until it is collected; an attempt is live from its
 * SEND until a reply, an acknowledgement or the loss of its worker ends it.  A terminal job
 * is settled when none of its attempts is live; only then may it be collected, so every
 * copy that was ever sent is accounted for.
 *
 * INVARIANTS  (asserted in core_check)
 *   C1  a terminal job is in no queue, has no timer, and is answered once.
 *   C2  sent = ended by state + live, for each handler and in all.
 *   C3  hedges + retries charged <= burst + ratio * primaries; W1 to W3 of budget.h.
 *   C4  live attempts of one job sit on different workers, at most attempts_max of them.
 *   C5  a worker's in_flight is the number of live attempts that name it.
 *   C6  a live attempt of a terminal job has been told to stop; of another, only a tie's.
 *   C7  a job that is not terminal has a live attempt, or waits in a queue, or for a timer.
 *   C8  no job waits in a queue while a worker could take it (unless SENDS_PER_STEP_MAX cut
 *       the step short).
 */
#ifndef COORDINATOR_CORE_STATE_H
#define COORDINATOR_CORE_STATE_H

#include "common/pure/heap.h"
#include "common/pure/list.h"
#include "common/pure/map.h"
#include "common/pure/pool.h"
#include "common/pure/rng.h"
#include "coordinator/core/budget.h"
#include "coordinator/core/core.h"
#include "coordinator/core/sketch.h"

#define HANDLERS_MAX        64  /* a worker's handlers are a mask of 64 bits */
#define SENDS_PER_STEP_MAX  256 /* what more could be sent is sent at the next TIMER, at once */
#define TIMERS_PER_STEP_MAX 256
#define FORGETS_MAX         64
#define LOSSES_MAX          3 /* workers that a job may be lost with before it fails */
#define HEDGES_BUSY_MAX     3 /* hedges refused as busy before the job stops asking */
#define WANTING_SCAN_MAX    8 /* hedges that wait for room, looked at in one step */
#define CHOICE_SCAN_MAX     32
#define YIELD_WINDOW        200  /* hedges over which winning is judged */
#define YIELD_STOP          0.05 /* fewer winners than this: most hedges are spared */
#define YIELD_RESUME        0.10
#define YIELD_PROBE_SHARE   0.25 /* of the budget, to see whether that changed */
#define BUSY_SHUN_MS        5    /* a worker that said BUSY is left alone for so long */
#define BACKOFF_MS_MAX      100
#define SUSPECT_MISSED      1.5 /* heartbeats */

struct job;

enum timer_kind {
    TIMER_JOB,
    TIMER_ATTEMPT,
    TIMER_WORKER,
    TIMER_FINISHED,
    TIMER_BUSY
};

struct timer {
    struct heap_node node;
    enum timer_kind kind;
};

/* What learn.c knows of a handler. */
struct learned {
    bool is_known;
    duration_t delay;
    double probability; /* of a hedge for a job that is older than the delay */
    duration_t median;
    float residual_us[HISTOGRAM_BUCKETS]; /* more that one takes which took so long already */
    instant_t refresh_at;
    uint64_t refresh_count; /* samples at which it is looked at before its time */
};

/* Whether a handler's hedges win: an average over the last YIELD_WINDOW of them. */
struct yield {
    double rate;
    uint32_t count; /* seen so far, up to the window */
    bool is_throttled;
    uint64_t probe_at; /* primaries, at which the next one is let through */
};

/* What admit.c measures. */
struct admission {
    double gap_ns; /* between two dispatches while the queue stands */
    uint32_t gaps_count;
    bool was_standing;
    instant_t dispatched_at;
    double service_ns; /* of copies that succeeded, from their sending on; 0: unknown */
};

struct handler {
    char name[CORE_NAME_SIZE_MAX];
    uint32_t index;
    uint32_t flags;
    uint32_t idempotent_count; /* workers that say so */
    uint32_t cpu_count;
    struct heap queue;
    struct learned learned;
    struct yield yield;
    struct admission admission;
    struct hedge_order order;
    double waited_s; /* of its copies at workers, on the average; see tie.h */
    double ran_s;
    uint32_t waits_count;
    struct sketch sketch;        /* of first copies, retries and replacements */
    struct sketch copies_sketch; /* of hedges and races */
    uint64_t samples_count;      /* ever taken */
    double work_us;              /* that a copy takes on a worker, on the average */
    uint32_t work_count;         /* copies that this was learned from, up to a bound */
    struct handler_view counts;  /* name and flags are filled in when asked for */
};

struct worker {
    char name[CORE_NAME_SIZE_MAX];
    char zone[CORE_NAME_SIZE_MAX];
    uint64_t zone_hash;
    uint64_t serial; /* of this coming up */
    worker_link_t link;
    uint64_t incarnation;
    bool is_up;
    bool is_draining;
    bool is_silent;
    uint32_t overdue_count; /* cancels that should have been acknowledged */
    uint32_t slots_count;
    uint32_t queue_max;
    uint32_t foreign_count; /* copies of other coordinators, as of its last LOAD */
    uint32_t running_count;
    uint32_t queued_count;
    duration_t rtt;
    instant_t up_at;
    instant_t heard_at;
    instant_t down_at;
    instant_t busy_until;
    uint64_t done_count;
    uint64_t handlers_mask;
    uint64_t idempotent_mask; /* of those, as it declares them */
    uint64_t cpu_mask;
    struct list attempts; /* live ones: its in_flight */
    struct timer timer;
    uint32_t order_index; /* in core.order */
};

struct attempt {
    struct job *job;
    struct worker *worker; /* NULL once ended */
    worker_link_t link;
    uint64_t worker_serial;
    uint64_t zone_hash;
    struct list_node on_job;
    struct list_node on_worker;
    struct timer ack_timer; /* from CANCEL to acknowledgement */
    uint32_t number;
    enum attempt_kind kind;
    enum attempt_state state;
    int64_t reserved_us; /* of the work budget */
    bool is_live;
    bool is_overdue; /* its cancel; counted in its worker's overdue_count */
    enum cancel_cause cancel_cause;
    enum cancel_fate cancel_fate;
    instant_t sent_at;
    instant_t started_at;
    instant_t ended_at;
    instant_t cancel_sent_at;
    instant_t cancel_acked_at;
    duration_t cancel_stopped_after;
    duration_t queued; /* on the worker */
    duration_t ran;
    duration_t cpu;
    duration_t wasted;
    char worker_name[CORE_NAME_SIZE_MAX];
    char message[CORE_MESSAGE_SIZE_MAX];
};

struct job {
    job_id_t id;
    struct handler *handler;
    enum job_state state;
    enum cancel_cause cause;
    enum job_mode mode;
    bool is_idempotent;
    bool is_backing_off; /* waits for backoff_until, then for room */
    bool has_token;      /* charged for the retry that waits in the queue */
    bool is_delay_set;   /* by the job itself */
    enum hedge_source hedge_source;
    bool is_tied; /* see tie.h, as the next three */
    bool has_tie_token;
    uint32_t tied_number;     /* the copy that the tie stands beside */
    instant_t tie_at;         /* NEVER: none is due */
    bool was_hedged;          /* a copy ran beside another */
    enum attempt_kind wanted; /* what the queue sends next */
    uint32_t race_count;
    uint32_t attempts_max;
    uint32_t charged_count; /* copies but for the free replacements */
    uint32_t number_next;
    uint32_t live_count;
    uint32_t losses_count;
    uint32_t busy_count;
    uint32_t hedges_busy_count;
    uint32_t failures_count;
    instant_t created_at;
    instant_t finished_at;
    instant_t deadline;
    instant_t hedge_at; /* NEVER: no timed hedge is due */
    instant_t backoff_until;
    duration_t hedge_delay; /* negative: no timed hedges */
    enum hedge_refusal hedge_refusal;
    instant_t hedge_refused_at;
    duration_t hedge_saved;
    uint32_t input_size;
    uint32_t result_size;
    uint32_t winner;
    char message[CORE_MESSAGE_SIZE_MAX];
    struct list attempts; /* oldest first, at most CORE_ATTEMPTS_MAX */
    struct job *parent;   /* while neither is terminal */
    struct list children;
    struct list_node on_parent; /* parent's children; or core.doomed once the parent ended */
    struct list_node on_recent;
    struct list_node on_finished;
    struct list_node on_wanting;
    struct heap_node on_queue;
    struct timer timer;
};

struct core {
    struct core_config config;
    instant_t now;
    struct rng rng;
    struct budget budget;
    struct curve curves[2]; /* scratch of learn.c */
    struct core_counters counters;

    struct pool jobs;
    struct pool attempts;
    struct pool workers;
    struct map job_by_id;
    struct map worker_by_link;
    struct map worker_by_name; /* key: a hash of the name; the name itself is compared */
    struct worker **order;     /* all worker records, densely */
    uint32_t freed_index;      /* in order: who has more room than before; or UINT32_MAX */
    uint64_t serial_next;

    struct handler *handlers;
    uint32_t handlers_count;
    struct core_sample *samples; /* samples_max for each handler; see samples.h */
    uint64_t queues_mask;        /* handlers with jobs that wait */

    struct list recent;   /* jobs, newest first */
    struct list finished; /* settled ones, oldest first */
    struct list wanting;  /* jobs whose hedge waits for room or budget, oldest first */
    struct list doomed;   /* children of jobs that ended in this step */
    struct heap timers;
    struct timer finished_timer;
    struct timer busy_timer; /* a worker that said BUSY may be asked again */

    uint32_t hedges_live_count; /* not told to stop */
    uint32_t slots_count;       /* of all workers that are up and not draining */
    double utilisation;         /* of them, lately */

    bool needs_pump;     /* something may be sendable now */
    bool is_pump_wide;   /* not only at the worker of freed_index */
    bool is_pump_behind; /* SENDS_PER_STEP_MAX was reached */
    bool is_draining;
    bool is_starved; /* the last hedge that was asked for found no budget */

    /* For C3: what was charged and what earned it. */
    uint64_t primaries_count;
    uint64_t charged_count;
    uint64_t refunded_count;
    uint64_t cancels_pending_count;

    struct core_command *outbox;
    uint32_t outbox_max;
    uint32_t outbox_count;
    uint32_t outbox_taken;
    uint32_t sends_count; /* in this step */
};

/* ---- the outbox and the timers: core.c ---- */

struct core_command *core_push(struct core *core, enum core_command_kind kind, job_id_t job);
void core_arm(struct core *core, struct timer *timer, instant_t when);
void core_disarm(struct core *core, struct timer *timer);
/* This worker may take more than it could: what waits tries it first, and with many workers
 * only it. */
void core_found_room(struct core *core, const struct worker *worker);
/* Add one sample to a histogram of the views. */
void core_observe(struct latency_view *latency, duration_t value);
void core_copy_text(char *to, size_t to_size, const char *from);

static inline bool
job_is_over(const struct job *job)
{
    return job->state != JOB_QUEUED && job->state != JOB_RUNNING;
}

static inline bool
job_waits(const struct job *job)
{
    return heap_node_is_in(&job->on_queue) || job->is_backing_off;
}

#endif

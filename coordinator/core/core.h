/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/core.h - decide: which worker gets which copy, when, and which counts.
 *
 * (state, now, event) -> commands.  The shell turns sockets and timers into events, and
 * commands into frames and answers; the simulator does the same with a seeded, faulty
 * world.  Both run this object code.
 *
 *      event                                               command
 *   SUBMIT ------.                                  .--> REFUSE | ACCEPT, SEND ...
 *   WORKER_UP ---|     .--------------------.       |--> SEND    (a copy to a worker)
 *   STARTED -----|---->| core_step(now, ev) |-------|--> CANCEL  (a copy that lost)
 *   REPLY  BUSY -|     '--------------------'       |--> ANSWER  (once for each job)
 *   CANCEL_ACK --|        ^                         |--> CLOSE_WORKER
 *   TIMER  GONE -'        core_wake_at()            '--> FORGET  (the record is collected)
 *
 * The core knows no bytes: an input stays with the shell under its job's id, a result is a
 * `blob`, an opaque number of the shell's.  A blob that a REPLY brought and that no ANSWER
 * of the same step names is the shell's to drop.
 *
 * INVARIANTS  the contract of ARCHITECTURE.md, clauses 2 to 10: asserted in core_check()
 * THREADS     one: whoever owns the core      LOCKS none
 * UNITS       instants are the monotonic clock of the owner; nothing here reads one
 * MEMORY      all pools are sized in core_new(); core_memory_size() tells their bytes
 * ERRORS      only core_new fails; refusals are commands
 * REJECTED    an ARM command for each timer: the shell would mirror the core's heap; it
 *             asks core_wake_at() after a step and keeps one timer.
 */
#ifndef COORDINATOR_CORE_CORE_H
#define COORDINATOR_CORE_CORE_H

#include "common/pure/err.h"
#include "common/pure/id.h"
#include "common/pure/units.h"

#define CORE_NAME_SIZE_MAX       64 /* bytes of a handler's or worker's name, with its zero */
#define CORE_MESSAGE_SIZE_MAX    160
#define CORE_ATTEMPTS_MAX        5
#define CORE_WORKER_HANDLERS_MAX 64

/* ---- words ---------------------------------------------------------------------------- */

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_DEADLINE_EXCEEDED
};

enum attempt_state {
    ATTEMPT_QUEUED, /* sent, not heard to have started */
    ATTEMPT_RUNNING,
    ATTEMPT_WON,
    ATTEMPT_LOST,    /* a rival won, and its stop was acknowledged */
    ATTEMPT_STOPPED, /* its job was cancelled or ran out of time; acknowledged */
    ATTEMPT_EXPIRED, /* dropped before it started: no time was left */
    ATTEMPT_FAILED,
    ATTEMPT_BUSY,       /* refused by a full worker */
    ATTEMPT_LATE,       /* finished after its cancel */
    ATTEMPT_ABANDONED,  /* cancel never acknowledged */
    ATTEMPT_UNREACHABLE /* its worker was lost */
};

enum attempt_kind {
    ATTEMPT_PRIMARY,
    ATTEMPT_HEDGE,
    ATTEMPT_RETRY,      /* after a retryable failure */
    ATTEMPT_REDISPATCH, /* replaces one lost with its worker, or refused as busy: free */
    ATTEMPT_RACE,       /* asked for by name, sent at once */
    ATTEMPT_TIE         /* waits in a second queue until the first starts, or itself */
};
#define ATTEMPT_KINDS_COUNT (ATTEMPT_TIE + 1)

enum cancel_cause {
    CAUSE_NONE,
    CAUSE_LOST_RACE,
    CAUSE_DEADLINE,
    CAUSE_USER,
    CAUSE_CLIENT_GONE,
    CAUSE_PARENT,
    CAUSE_DRAIN,
    CAUSE_SHUTDOWN
};

enum cancel_fate {
    FATE_NONE,
    FATE_NOT_SEEN,
    FATE_DEQUEUED,
    FATE_STOPPED,
    FATE_COMPLETED
};

enum hedge_refusal {
    HEDGE_NOT_REFUSED,
    HEDGE_NOT_IDEMPOTENT,
    HEDGE_BUDGET,
    HEDGE_NO_SPARE_WORKER,
    HEDGE_DEADLINE_TOO_CLOSE,
    HEDGE_OVERLOAD,
    HEDGE_BUSY,
    HEDGE_NOT_PAYING,
    HEDGE_OFF, /* by the settings, or by who set it for the handler */
    HEDGE_REFUSALS_COUNT
};

/* Where the delay before a job's hedge came from. */
enum hedge_source {
    HEDGE_DELAY_NONE, /* no hedge wanted, or nothing known yet */
    HEDGE_DELAY_POLICY,
    HEDGE_DELAY_SETTINGS,
    HEDGE_DELAY_LEARNED,
    HEDGE_DELAY_ORDER, /* somebody set it for the handler, at run time */
    HEDGE_DELAY_NOW    /* mode latency: as soon as a slot is free */
};

/* When a job's second copy is worth a slot that would be idle otherwise. */
enum hedge_mode {
    HEDGE_MODE_ECONOMY, /* once it is later than its peers */
    HEDGE_MODE_LATENCY, /* at once */
    HEDGE_MODE_OFF
};
#define HEDGE_MODES_COUNT (HEDGE_MODE_OFF + 1)

enum hedge_policy {
    HEDGE_POLICY_QUANTILE,
    HEDGE_POLICY_SINGLER
};

enum submit_refusal {
    SUBMIT_UNKNOWN_HANDLER,
    SUBMIT_NO_WORKER, /* the handler is known, but no live worker has it */
    SUBMIT_FULL,      /* the bound of jobs is reached */
    SUBMIT_LATE,      /* the queue before it is longer than its time */
    SUBMIT_DEADLINE,  /* no useful time is left */
    SUBMIT_DRAINING,
    SUBMIT_DUPLICATE_ID,
    SUBMIT_NOT_STORED /* the shell's: it was to be on disk, and the disk does not take it */
};

enum job_mode {
    MODE_SINGLE,
    MODE_HEDGE,
    MODE_RACE,
    MODE_TIED
};
#define JOB_MODES_COUNT (MODE_TIED + 1)

enum worker_state {
    WORKER_LIVE,
    WORKER_SUSPECT,
    WORKER_DRAINING,
    WORKER_DEAD
};

/* The words of the API for each value ("SUCCEEDED", "lost_race", "no_spare_worker", ...). */
const char *job_state_text(enum job_state state);
const char *attempt_state_text(enum attempt_state state);
const char *attempt_kind_text(enum attempt_kind kind);
const char *cancel_cause_text(enum cancel_cause cause);
const char *cancel_fate_text(enum cancel_fate fate);
const char *hedge_refusal_text(enum hedge_refusal refusal);
const char *hedge_source_text(enum hedge_source source);
const char *hedge_mode_text(enum hedge_mode mode);
const char *job_mode_text(enum job_mode mode);
const char *worker_state_text(enum worker_state state);

/* ---- events: what happened --------------------------------------------------------------- */

/* A worker's connection, named by the shell; never used again once it went down. */
typedef uint64_t worker_link_t;
/* Bytes of the shell's; 0 is none. */
typedef uint64_t blob_t;

struct policy {
    enum job_mode mode;
    bool hedge_delay_is_set; /* false: the handler's default */
    duration_t hedge_delay;  /* from the primary's SEND to the hedge, or to the tie */
    uint32_t attempts_max;   /* copies of a part, all kinds; 0: the default */
    uint32_t race_count;     /* MODE_RACE: copies at once */
    int8_t idempotent;       /* -1: as the handler declares, 0 no, 1 yes */
};

struct event_submit {
    job_id_t job;
    const char *handler; /* borrowed for the step */
    job_id_t parent;     /* none: zero */
    duration_t timeout;
    struct policy policy;
    uint32_t input_size; /* bytes */
};

#define HANDLER_IDEMPOTENT 1u /* may run more than once: hedged, retried, redispatched */
#define HANDLER_CPU        2u /* burns CPU: one slot a core */

struct handler_offer {
    const char *name;
    uint32_t flags;
};

struct event_worker_up {
    worker_link_t link;
    const char *name; /* borrowed for the step, as are zone and handlers */
    const char *zone;
    uint64_t incarnation;
    uint32_t slots_count;
    uint32_t queue_max;
    const struct handler_offer *handlers;
    uint32_t handlers_count;
};

struct event_load {
    worker_link_t link;
    uint32_t running_count;
    uint32_t queued_count;
    duration_t rtt;
    bool draining;
};

/* One copy, as every frame names it.  The shell has checked epoch and incarnation. */
struct attempt_ref {
    worker_link_t link;
    job_id_t job;
    uint32_t attempt; /* from 1 */
};

enum reply_status {
    REPLY_OK,
    REPLY_FAILED_RETRYABLE,
    REPLY_FAILED_FINAL,
    REPLY_EXPIRED
};

struct event_reply {
    struct attempt_ref ref;
    enum reply_status status;
    blob_t blob;
    uint32_t result_size;
    const char *message; /* of a failure; borrowed for the step */
    duration_t queued;   /* on the worker */
    duration_t ran;
    duration_t cpu;
};

struct event_cancel_ack {
    struct attempt_ref ref;
    enum cancel_fate fate;
    duration_t stopped_after; /* from the worker's hearing it to the work's end */
    duration_t ran;
    duration_t cpu;
};

/* What somebody wants for one handler, instead of the settings, until the process ends. */
struct hedge_order {
    bool is_mode_set;
    enum hedge_mode mode;
    bool is_delay_set;
    duration_t delay; /* of jobs that bring none of their own */
};

struct event_hedging {
    const char *handler; /* borrowed for the step; unknown: nothing happens */
    struct hedge_order order;
};

enum core_event_kind {
    EVENT_SUBMIT,
    EVENT_GONE,   /* the waiting client went away: job */
    EVENT_CANCEL, /* somebody asks for it: job and cause */
    EVENT_WORKER_UP,
    EVENT_WORKER_DOWN,  /* link: the connection is lost */
    EVENT_WORKER_LOAD,  /* also the heartbeat: at least one each heartbeat interval */
    EVENT_WORKER_DRAIN, /* link: wants no more work */
    EVENT_STARTED,
    EVENT_REPLY,
    EVENT_BUSY,
    EVENT_CANCEL_ACK,
    EVENT_HEDGING, /* somebody changes a handler's hedging: replaces the last order */
    EVENT_TIMER,   /* core_wake_at() was reached */
    EVENT_DRAIN    /* accept nothing more */
};

struct core_event {
    enum core_event_kind kind;
    union {
        struct event_submit submit;
        struct {
            job_id_t job;
            enum cancel_cause cause; /* EVENT_CANCEL */
        } job;
        struct event_worker_up worker_up;
        worker_link_t link; /* WORKER_DOWN, WORKER_DRAIN */
        struct event_load load;
        struct attempt_ref ref; /* STARTED, BUSY */
        struct event_reply reply;
        struct event_cancel_ack cancel_ack;
        struct event_hedging hedging;
    };
};

/* ---- commands: what to do about it --------------------------------------------------- */

enum core_command_kind {
    COMMAND_ACCEPT, /* the job was taken (before its first SEND) */
    COMMAND_REFUSE, /* the job was not taken, and is not remembered */
    COMMAND_SEND,
    COMMAND_CANCEL,
    COMMAND_ANSWER, /* the job is terminal: exactly one for each ACCEPT */
    COMMAND_CLOSE_WORKER,
    COMMAND_FORGET /* the job's record is collected: drop what you keep under its id */
};

struct core_command {
    enum core_command_kind kind;
    job_id_t job;
    union {
        struct {
            enum submit_refusal why;
            duration_t retry_after; /* zero: retrying is no use */
        } refuse;
        struct {
            worker_link_t link;
            uint32_t attempt;
            enum attempt_kind kind;
            bool is_tied;       /* its start is to be told at once */
            instant_t deadline; /* the frame carries what remains when it is written */
        } send;
        struct {
            worker_link_t link;
            uint32_t attempt;
            enum cancel_cause cause;
        } cancel;
        struct {
            enum job_state state;
            blob_t blob; /* the result, when SUCCEEDED */
        } answer;
        struct {
            worker_link_t link;
        } close_worker;
    };
};

/* ---- the core ------------------------------------------------------------------------ */

struct core_config {
    uint64_t seed;
    uint32_t jobs_max;     /* not yet terminal */
    uint32_t finished_max; /* terminal records kept */
    duration_t finished_kept;
    uint32_t workers_max;
    uint32_t handlers_max;
    duration_t timeout_default; /* of a job */
    duration_t timeout_max;
    uint32_t attempts_max; /* default of policy.attempts_max */
    double hedge_ratio;    /* extra copies for each primary */
    uint32_t hedge_burst;
    duration_t hedge_work_burst; /* worker time of extra copies before primaries earn any */
    double hedges_live_share;    /* hedges at once, of all copies in flight; 1: any number */
    duration_t hedge_delay;      /* until a handler's own is learned; negative: never */
    enum hedge_mode hedge_mode;
    double hedge_utilisation_max; /* busier slots: no hedge but for what is stuck */
    enum hedge_policy hedge_policy;
    double hedge_quantile;      /* of a handler's copies that end before their hedge */
    double hedge_target;        /* the quantile that SingleR makes small */
    duration_t hedge_delay_min; /* of a learned delay */
    uint32_t samples_max;       /* copies remembered for each handler, for core_samples() */
    uint32_t hedge_samples_min; /* before a delay is learned; UINT32_MAX: never */
    bool ties_auto;             /* tie the jobs of handlers that wait longer than they run */
    duration_t heartbeat;       /* suspect after 1.5, dead after heartbeats_missed_max */
    uint32_t heartbeats_missed_max;
    duration_t cancel_ack_max; /* unacknowledged for so long: the worker is suspect */
};

struct core;

void core_config_default(struct core_config *config);
err_t core_new(const struct core_config *config, struct core **ret_core) MUST_USE;
void core_free(struct core *core);
size_t core_memory_size(const struct core_config *config);

/* Feed one event.  now never goes back.  Take all commands before the next step. */
void core_step(struct core *core, instant_t now, const struct core_event *event);
bool core_next_command(struct core *core, struct core_command *ret_command);
/* Whether a SUBMIT would be taken now, and else how it would be refused. */
bool core_accepts(const struct core *core, const struct event_submit *submit,
    struct core_command *ret_refuse);
/* When the core wants a TIMER event; INSTANT_NEVER for no time. */
instant_t core_wake_at(const struct core *core);

/* Assert every invariant; O(everything). */
void core_check(const struct core *core);

/* ---- looking in: borrowed until the next step ---------------------------------------- */

struct attempt_view {
    uint32_t number;
    enum attempt_kind kind;
    enum attempt_state state;
    char worker[CORE_NAME_SIZE_MAX];
    instant_t sent_at;
    instant_t started_at;      /* heard of; NEVER if not */
    instant_t ended_at;        /* reply, acknowledgement or loss; NEVER while live */
    instant_t cancel_sent_at;  /* NEVER if none */
    instant_t cancel_acked_at; /* NEVER if not */
    enum cancel_cause cancel_cause;
    enum cancel_fate cancel_fate;
    duration_t cancel_stopped_after;
    duration_t ran; /* as the worker says */
    duration_t cpu;
    duration_t wasted; /* of a copy that did not win: time on the worker */
    char message[CORE_MESSAGE_SIZE_MAX];
};

struct job_view {
    job_id_t id;
    const char *handler;
    enum job_state state;
    enum cancel_cause cause;
    enum job_mode mode;
    instant_t created_at;
    instant_t finished_at; /* NEVER while live */
    instant_t deadline;
    bool hedge_on;
    duration_t hedge_delay;
    enum hedge_source hedge_source;
    enum hedge_refusal hedge_refusal; /* why the wanted hedge was not sent */
    instant_t hedge_refused_at;
    duration_t hedge_saved; /* by the hedge that won, as the survival curve has it */
    uint32_t input_size;
    uint32_t result_size;
    uint32_t winner;     /* attempt number, 0: none */
    const char *message; /* why it failed, "" */
    uint32_t attempts_count;
    struct attempt_view attempts[CORE_ATTEMPTS_MAX];
};

struct worker_view {
    worker_link_t link;
    const char *name;
    const char *zone;
    uint64_t incarnation;
    enum worker_state state;
    uint32_t slots_count;
    uint32_t queue_max;
    uint32_t in_flight_count; /* copies sent and not ended, as the core counts */
    uint32_t running_count;   /* as the worker says */
    uint32_t queued_count;
    duration_t rtt;
    instant_t up_at;
    instant_t heard_at;
    uint64_t done_count;
    uint64_t handlers_mask; /* bit i: handler index i of core_handler_at() */
};

struct handler_view {
    const char *name;
    uint32_t flags;
    uint32_t workers_count; /* live ones that have it */
    uint64_t submitted_count;
    uint64_t finished_count[JOB_DEADLINE_EXCEEDED + 1];     /* by job_state */
    uint64_t attempts_count[ATTEMPT_KINDS_COUNT];           /* sent, by kind */
    uint64_t attempts_ended_count[ATTEMPT_UNREACHABLE + 1]; /* by state */
    uint64_t hedge_wins_count;
    uint64_t hedges_refused_count[HEDGE_REFUSALS_COUNT];
    double saved_s; /* by hedges that won, as the survival curve has it */
    double wasted_s;
    double wasted_cpu_s;
    double useful_cpu_s;
    duration_t learned_delay; /* negative: nothing learned */
    double learned_probability;
    duration_t learned_median;
    struct hedge_order order;
    enum hedge_mode hedge_mode; /* by order or settings */
    double win_rate;            /* of the last hedges */
    bool is_throttled;          /* they hardly win: only few are let through */
    uint64_t samples_count;     /* of finished copies, in the window that is learned from */
};

/* Upper bounds in seconds of the histograms below; the last bucket is +Inf. */
#define CORE_LATENCY_BUCKETS_COUNT 20
extern const double core_latency_bounds_s[CORE_LATENCY_BUCKETS_COUNT - 1];
struct latency_view {
    uint64_t buckets[CORE_LATENCY_BUCKETS_COUNT]; /* not cumulated */
    uint64_t count;
    double sum_s;
};

struct core_counters {
    uint64_t jobs_accepted_count;
    uint64_t jobs_refused_count[SUBMIT_DUPLICATE_ID + 1];
    uint32_t jobs_live_count;
    uint32_t jobs_kept_count;
    uint32_t attempts_live_count; /* sent and not ended */
    uint64_t cancels_sent_count[CAUSE_SHUTDOWN + 1];
    uint64_t cancels_acked_count;
    uint64_t cancels_unacked_count;
    uint64_t stray_replies_count; /* late, duplicate, forged: dropped */
    double utilisation;           /* of all slots, lately */
    double hedge_tokens;
    double hedge_work_s; /* of extra copies that the budget still holds; below 0: overdrawn */
    struct latency_view job_latency[2]; /* [1]: jobs that had a hedge */
    struct latency_view cancel_ack_latency;
};

bool core_job(const struct core *core, job_id_t id, struct job_view *ret_job);
/* The copy that won; NULL: none did.  Not attempts[winner - 1]: of many copies the records of
 * old refusals are dropped. */
const struct attempt_view *job_view_winner(const struct job_view *job);
/* Newest first; fills at most jobs_count ids starting at the offset-th; returns how many. */
uint32_t
core_jobs_recent(const struct core *core, uint32_t offset, job_id_t *ids, uint32_t ids_count);
uint32_t core_workers_count(const struct core *core);
bool core_worker_at(const struct core *core, uint32_t index, struct worker_view *ret_worker);
uint32_t core_handlers_count(const struct core *core);
void core_handler_at(const struct core *core, uint32_t index, struct handler_view *ret_handler);
const struct core_counters *core_counters(const struct core *core);

/* A copy that ended: what `hedgerow tune` learns from. */
struct core_sample {
    uint64_t number;      /* from 1, for each handler */
    instant_t arrived_at; /* its job */
    instant_t sent_at;
    duration_t took;   /* from SEND to its reply, or until it was told to stop */
    duration_t queued; /* of that: on the worker, before it started */
    duration_t ran;    /* as the worker says */
    uint32_t input_size;
    uint32_t attempt;
    enum attempt_kind kind;
    enum attempt_state state;
    bool is_censored; /* it would have taken longer than that */
};
/* Oldest first, those with a number above after; fills at most samples_count; how many. */
uint32_t core_samples(const struct core *core, uint32_t handler_index, uint64_t after,
    struct core_sample *samples, uint32_t samples_count);

#endif

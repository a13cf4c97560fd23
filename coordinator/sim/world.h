/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/world.h - a cluster's bad day in virtual time, decided by a seed.
 *
 *   clients ---> [ core ] --SEND, CANCEL--> conn --frames--> worker: queue, slots, tombstones
 *      ^            |  ^                     |                  |
 *      '--ANSWER----'  '----- REPLY, ACK ----'<-----------------'
 *                   |
 *                ledger: what was sent, told, answered - kept apart from the core, and
 *                compared with it after every step
 *
 * A connection is a stream: in each direction a control lane and a bulk lane, in order
 * within a lane and not between them.  What a stream loses, it loses by breaking: frames
 * sent before a break may be lost, and the two ends notice at different times.  A partition
 * holds frames back; a pause freezes one process; a crash makes a new incarnation.
 *
 * Each seed turns on a random subset of the faults (swarm testing).  First the faults, then
 * everything heals and every accepted job must become terminal, every copy end, and every
 * worker fall idle.
 *
 * OWNERSHIP  world_new() owns all; nothing is shared.   THREADS  one.
 */
#ifndef COORDINATOR_SIM_WORLD_H
#define COORDINATOR_SIM_WORLD_H

#include "common/pure/heap.h"
#include "common/pure/list.h"
#include "common/pure/pool.h"
#include "common/pure/rng.h"
#include "coordinator/core/core.h"
#include "coordinator/sim/coverage.h"

#include <setjmp.h>
#include <stdio.h>

#define WORLD_WORKERS_MAX  7
#define WORLD_JOBS_MAX     96
#define WORLD_COPIES_MAX   4096
#define WORLD_EVENTS_MAX   8192
#define WORLD_CONNS_MAX    512
#define WORLD_TASKS_MAX    64 /* at one worker: running, queued, winding down */
#define WORLD_TOMBS_MAX    64
#define WORLD_HISTORY_MAX  80
#define WORLD_TEXT_SIZE    200
#define WORLD_HANDLERS     3 /* "safe", "once", "safe2" */
#define WORLD_HEAL_MS_MAX  30000
#define WORLD_STANDING_MAX 5000    /* steps at one instant of virtual time */
#define WORLD_TURNS_MAX    1000000 /* steps of core and world in all */
#define WORLD_CPU_S_MAX    20      /* of one seed, which takes half a millisecond */

/* X(name, what goes wrong); each seed turns on some. */
#define FAULT_LIST(X)                                                 \
    X(reset, "a connection breaks, frames in flight are lost")        \
    X(loss, "frames vanish for a while, then the connection breaks")  \
    X(duplicate, "a frame comes twice")                               \
    X(reorder, "bulk is slow: control overtakes it")                  \
    X(slow, "heavy-tailed delays")                                    \
    X(partition_in, "worker to coordinator is held back")             \
    X(partition_out, "coordinator to worker is held back")            \
    X(partition_both, "both are")                                     \
    X(crash, "a worker's process dies, another takes its name")       \
    X(pause, "a worker is stopped for a while")                       \
    X(sleep, "the coordinator is stopped for a while")                \
    X(restart, "the coordinator dies and returns with another epoch") \
    X(forge, "replies that nobody asked for")                         \
    X(stubborn, "handlers that notice their cancel late or never")    \
    X(fail, "handlers fail, and may be tried again")                  \
    X(fail_final, "handlers fail for good")                           \
    X(hang, "handlers never end")                                     \
    X(refuse, "workers say BUSY though they have room")               \
    X(steer, "an operator changes how a handler is hedged")           \
    X(cancel, "users cancel, clients leave")                          \
    X(drain, "a worker drains, then leaves")                          \
    X(children, "jobs have parents")                                  \
    X(overload, "many jobs at once")                                  \
    X(straggle, "a worker is ten times slower for a while")           \
    X(lie, "a worker lies about its own copies")                      \
    X(ghost, "news of connections that are gone")                     \
    X(resubmit, "a job's id comes again")                             \
    X(close, "the coordinator takes nothing more")

enum fault {
#define FAULT_ENUM(name, text) FAULT_##name,
    FAULT_LIST(FAULT_ENUM)
#undef FAULT_ENUM
    FAULT_COUNT
};

enum frame_kind {
    FRAME_JOB,
    FRAME_CANCEL,
    FRAME_STARTED,
    FRAME_RESULT,
    FRAME_BUSY,
    FRAME_ACK,
    FRAME_LOAD
};

enum direction {
    TO_WORKER,
    TO_CORE
};

struct conn;

struct frame {
    enum frame_kind kind;
    struct conn *conn;
    struct attempt_ref ref;
    uint32_t handler;
    bool is_hedge;
    duration_t budget; /* JOB: what remained when it was written */
    enum reply_status status;
    enum cancel_fate fate;
    enum cancel_cause cause;
    blob_t blob;
    duration_t ran;
    duration_t stopped_after;
    uint32_t running_count;
    uint32_t queued_count;
    bool draining;
};

enum happening_kind {
    HAPPEN_FRAME,       /* reaches the end of its lane */
    HAPPEN_DIAL,        /* a worker tries to connect */
    HAPPEN_CORE_NOTICE, /* the coordinator's end of a broken connection */
    HAPPEN_WORKER_NOTICE,
    HAPPEN_TICK,     /* a worker's heartbeat */
    HAPPEN_TASK,     /* a task ends, by itself or because it was told to */
    HAPPEN_SUBMIT,   /* a client's next job */
    HAPPEN_CHANGE,   /* of mind: a client cancels or leaves */
    HAPPEN_FAULT,    /* something breaks */
    HAPPEN_REPAIR,   /* and is whole again */
    HAPPEN_RESTART,  /* a worker's process starts */
    HAPPEN_CORE_BACK /* the coordinator's process starts */
};

struct happening {
    struct heap_node node; /* key: virtual ns */
    enum happening_kind kind;
    struct list_node on_held; /* a frame behind a partition */
    struct frame frame;
    struct conn *conn;
    uint32_t worker;
    uint64_t incarnation; /* of the worker that it belongs to */
    uint32_t job;
    uint32_t task;
    uint64_t task_serial;
    enum fault fault;
};

/* One connection, in its life never reused. */
struct conn {
    worker_link_t link;
    uint32_t worker;
    uint64_t incarnation;
    uint64_t epoch;
    bool is_core_up; /* the core was told that it is up, and not that it went down */
    bool is_worker_up;
    bool is_broken;
    bool is_lossy[2];
    bool is_drained;    /* it told the core that it wants no more work */
    instant_t spoke_at; /* the core heard it */
    bool is_held[2];
    struct list held[2];
    int64_t lane_ns[2][2]; /* when the last frame of a lane arrives */
};

enum task_state {
    TASK_FREE,
    TASK_QUEUED,
    TASK_RUNNING
};

struct task {
    enum task_state state;
    uint64_t serial;
    struct attempt_ref ref;
    struct conn *conn; /* where it came from */
    uint64_t epoch;
    uint32_t handler;
    instant_t deadline;
    instant_t started_at;
    instant_t ends_at; /* by itself */
    instant_t told_at; /* to stop; NEVER */
    enum reply_status outcome;
};

struct tomb {
    job_id_t job;
    uint32_t attempt;
    uint64_t epoch;
    bool was_finished; /* else: its cancel came before it */
};

struct sim_worker {
    char name[16];
    char zone[16];
    uint64_t incarnation; /* 0: the process is dead */
    uint32_t slots_count;
    uint32_t queue_max;
    uint32_t running_count;
    uint32_t queued_count;
    bool is_draining;
    double slowness;
    instant_t paused_until;
    instant_t heard_at; /* the coordinator */
    instant_t idle_since;
    struct conn *conn;
    struct task tasks[WORLD_TASKS_MAX];
    struct tomb tombs[WORLD_TOMBS_MAX];
    uint32_t tombs_next;
};

/* The ledger's own memory of one copy. */
struct copy {
    worker_link_t link;
    uint32_t worker;
    uint32_t job;
    uint32_t number;
    enum attempt_kind kind;
    instant_t sent_at;
    instant_t told_at; /* to stop; NEVER */
    bool is_live;      /* as far as the core can know */
    bool did_nothing;  /* refused or expired: it never ran */
    bool has_started;  /* heard of */
    struct copy *next; /* of the same job */
};

/* What must follow in the same step from what the core is about to hear. */
enum must {
    MUST_NOTHING,
    MUST_ANSWER,    /* its job, with that state and blob */
    MUST_NOT_ANSWER /* a rival lives */
};

struct expectation {
    enum must must;
    uint32_t job;
    enum job_state answer;
    blob_t blob;
    bool is_met;
};

struct sim_job {
    job_id_t id;
    uint32_t handler;
    uint32_t parent; /* index + 1; 0: none */
    bool is_accepted;
    bool is_answered;
    bool is_forgotten;
    bool is_lost;  /* with its coordinator */
    bool is_asked; /* its cancel was asked for */
    bool is_idempotent;
    enum job_state answer;
    instant_t submitted_at;
    instant_t waits_since; /* no copy of it is out */
    instant_t deadline;
    struct policy policy;
    uint32_t attempts_max;
    uint32_t charged_count;
    uint32_t live_count;
    uint32_t tied_number; /* of its last tie: the first copy, and the tie; 0: none */
    uint32_t tie_number;
    bool is_tie_open;    /* charged, and may come back */
    struct copy *copies; /* newest first */
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct core *core;
    struct core_config config;
    uint64_t epoch;
    instant_t now;
    instant_t asleep_until; /* the coordinator is stopped */
    bool is_core_dead;
    bool is_draining; /* the coordinator takes no more jobs */
    bool is_healing;
    uint32_t faults_mask;
    int64_t chaos_ns; /* length of the first phase */

    struct heap happenings;
    struct pool happening_pool;
    struct sim_worker workers[WORLD_WORKERS_MAX];
    uint32_t workers_count;
    struct conn *conns;
    uint32_t conns_count;
    uint64_t incarnation_next;
    uint64_t task_serial_next;

    struct sim_job jobs[WORLD_JOBS_MAX];
    uint32_t jobs_count;
    uint32_t jobs_wanted;
    struct copy *copies;
    uint32_t copies_count;
    struct expectation expected;
    uint32_t answers_count; /* in this step */
    uint32_t open_count;    /* jobs accepted and not answered */
    bool is_submit_open;    /* a SUBMIT was heard, and neither taken nor refused */

    /* ledger sums, of this epoch */
    uint64_t primaries_count;
    uint64_t charged_count;
    double primaries_work_s;
    double charged_work_s;
    bool is_hedging_off[WORLD_HANDLERS];
    uint64_t live_count;
    uint64_t strays_expected;
    uint64_t steps_count;
    uint64_t turns_count;
    uint32_t standing_count; /* turns at progress_ns */
    int64_t progress_ns;
    uint64_t hash;

    bool is_verbose; /* keeps the history */
    char history[WORLD_HISTORY_MAX][WORLD_TEXT_SIZE];
    uint64_t history_count;
    char failure[WORLD_TEXT_SIZE]; /* "": none */
    jmp_buf *escape;
    struct coverage *coverage; /* NULL: not wanted */
};

/* ---- world.c: life, time, the loop ---- */

struct world *world_new(uint64_t seed, bool is_verbose);
void world_free(struct world *world);
/* Run to the end; false when a clause of the contract was broken: see failure. */
bool world_run(struct world *world);
void world_print_history(const struct world *world, FILE *out);

/* The first failure counts; leaves world_run() at once. */
_Noreturn void
world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void
world_note(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define WORLD_NOTE(world_, ...)                \
    do {                                       \
        if ((world_)->is_verbose) {            \
            world_note((world_), __VA_ARGS__); \
        }                                      \
    } while (0)
struct happening *world_plan(struct world *world, enum happening_kind kind, duration_t after);
void world_hash(struct world *world, uint64_t value);
/* Feed the core and carry out what it commands. */
void world_step(struct world *world, const struct core_event *event);
/* Give the core what is due before something else happens. */
void world_catch_up(struct world *world);
static inline bool
world_has(const struct world *world, enum fault fault)
{
    return !world->is_healing && (world->faults_mask >> fault & 1) != 0;
}
duration_t world_random(struct world *world, duration_t from, duration_t to);

/* ---- net.c: connections ---- */

void net_dial(struct world *world, uint32_t worker);
void net_send(struct world *world, enum direction direction, const struct frame *frame);
void net_deliver(struct world *world, struct happening *happening);
/* What the frame says, as an event. */
void net_tell_core(struct world *world, const struct frame *frame);
/* Both ends will notice, the coordinator's after the one wait, the worker's after the other. */
void net_break(
    struct world *world, struct conn *conn, duration_t core_notices, duration_t worker_notices);
void net_core_notices(struct world *world, struct conn *conn);
void net_worker_notices(struct world *world, struct conn *conn);
/* Let a partition's frames go on. */
void net_release(struct world *world, struct conn *conn);
struct conn *net_find(struct world *world, worker_link_t link);

/* ---- fleet.c: workers ---- */

void fleet_start(struct world *world, uint32_t worker);
void fleet_crash(struct world *world, uint32_t worker);
void fleet_take(struct world *world, const struct frame *frame);
void fleet_on_task(struct world *world, const struct happening *happening);
void fleet_on_tick(struct world *world, uint32_t worker);
/* Stop whatever belongs to a connection (NULL: any) that can no longer win. */
void fleet_stop_tasks(struct world *world, uint32_t worker, uint64_t epoch_to_keep);
void fleet_check_idle(struct world *world);
/* A worker has the first so many handlers. */
static inline uint32_t
fleet_handlers_count(uint32_t worker)
{
    return worker % 3 == 2 ? 2 : WORLD_HANDLERS;
}

/* ---- chaos.c: faults and clients ---- */

void chaos_start(struct world *world);
void chaos_on_fault(struct world *world, const struct happening *happening);
void chaos_on_repair(struct world *world, const struct happening *happening);
void chaos_on_submit(struct world *world);
void chaos_on_change(struct world *world, uint32_t job);
void chaos_heal(struct world *world);
void chaos_core_back(struct world *world);

/* ---- forge.c: what nobody should say ---- */

void forge_frame(struct world *world);
void forge_ghost(struct world *world);
void forge_submit(struct world *world);

/* ---- starve.c: nobody waits for nothing ---- */

/* After each step. */
void starve_check(struct world *world);

/* ---- ties.c: the outside view of tied copies ---- */

void ties_sent(struct world *world, struct sim_job *job, const struct copy *tie);
void ties_started(struct world *world, const struct attempt_ref *ref);
void ties_ended(struct world *world, const struct copy *copy, bool did_nothing);
void ties_check(struct world *world, const struct attempt_ref *started);

/* ---- ledger.c: the outside view ---- */

struct sim_job *ledger_job(struct world *world, job_id_t id);
struct copy *ledger_copy(struct world *world, const struct attempt_ref *ref);
/* By index; somebody changes one's hedging. */
extern const char *const ledger_handlers[WORLD_HANDLERS];
void ledger_steer(struct world *world, const struct event_hedging *hedging);
/* A copy is sent; never did anything; ended and took so long. */
void ledger_charge(struct world *world, const struct copy *copy);
void ledger_refund(struct world *world, const struct copy *copy);
void ledger_settle(struct world *world, const struct copy *copy, duration_t ran);
/* Before the core hears it: what must follow from it. */
void ledger_expect(struct world *world, const struct core_event *event);
void ledger_command(struct world *world, const struct core_command *command);
/* After the commands of a step. */
void ledger_check_step(struct world *world);
void ledger_link_down(struct world *world, worker_link_t link);
void ledger_core_lost(struct world *world);
void ledger_check_end(struct world *world);

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/agent.h - turn JOB frames into fibers, and their ends into frames.
 *
 *   link          agent (lock)             fiber, under a ctx with the remaining time
 *   JOB --------> attempts_offer --------> attempts_begin -> STARTED
 *                     | BUSY, EXPIRED          handler
 *                     v                    attempts_end ---> RESULT | CANCEL_ACK | nothing
 *                   queue <---------------- a slot is free
 *   CANCEL -----> attempts_cancel -> ctx is cancelled; CANCEL_ACK now or at the fiber's end
 *
 * What becomes of a copy, and who wins when a CANCEL meets a start or a finish, is decided
 * in worker/attempts.h under one lock; the state drawing is there.  Frames are said after
 * the lock is free, so that two frames of different copies may swap, never two of one copy:
 * STARTED and the farewell come from the same fiber.
 *
 * SLOTS    Two lanes: handlers that burn CPU have one slot a proc, so that they do not take
 *          turns and all end late; others have 256, since they mostly wait.  hello says the
 *          sum: it is an upper bound for the coordinator's choice of a worker with room, and
 *          a full lane answers BUSY, which costs a round trip and no work.  The smaller
 *          number would refuse hedges of waiting handlers on idle workers.  Per-lane
 *          numbers in hello are for later.
 * LOST     Copies of a link that is down for heartbeat times missed are stopped, without a
 *          frame; likewise when the link is up again, since the coordinator gave up on them
 *          when it went down: another epoch has never heard of them, and the same epoch has
 *          sent them elsewhere or failed them.
 * CHAOS    stall_share of the copies pause for stall before their handler runs; a stop ends
 *          the pause.  They take a slot of the waiting lane, so that a stall delays one copy
 *          and not a core.  For demonstrations and tests of hedging.
 * THREADS  any; agent_new and agent_port_add before the first frame.
 * MEMORY   copies are bounded by slots and queue, their inputs by inputs_size_max
 * ERRORS   only from agent_new
 */
#ifndef WORKER_AGENT_H
#define WORKER_AGENT_H

#include "proto/wire.h"
#include "worker/attempts.h"
#include "worker/handlers/registry.h"

#define AGENT_PORTS_MAX      8
#define AGENT_SLOTS_OTHER    256
#define AGENT_INPUT_SIZE_MAX (256 * 1024 * 1024) /* of all copies together */

/* Why the worker itself stops a copy; beside the coordinator's causes, which have the
 * numbers of the wire.  A ctx carries HR_CAUSE_USER plus one of them. */
enum agent_cause {
    AGENT_CAUSE_DRAIN = 6,
    AGENT_CAUSE_SHUTDOWN = 7,
    AGENT_CAUSE_LINK_LOST = 32,
    AGENT_CAUSE_NEW_SESSION = 33
};

struct agent_config {
    const struct registry *registry; /* borrowed */
    uint64_t incarnation;
    uint32_t slots_cpu_count;
    uint32_t slots_other_count;
    uint32_t queue_max;
    size_t inputs_size_max;
    duration_t heartbeat;
    uint32_t heartbeats_missed_max;
    double stall_share; /* 0: none */
    duration_t stall;
    uint64_t seed;
    /* Called when the agent drains and the last copy has left; on any thread. */
    void (*on_idle)(void *user);
    void *user;
};

struct agent;
struct agent_port;

err_t agent_new(const struct agent_config *config, struct agent **ret_agent) MUST_USE;
/* After hr_stop(), or when idle: no fiber may be left. */
void agent_free(struct agent *agent);

/* One link.  send says a frame; it must not park, and need not fill in epoch and
 * incarnation.  Errors of send: CLOSED, FULL. */
struct agent_link {
    void *user;
    err_t (*send)(void *user, const struct wire_msg *msg);
};
struct agent_port *agent_port_add(struct agent *agent, const struct agent_link *link);
void agent_on_up(struct agent_port *port, uint64_t epoch);
/* The coordinator's, told in its WELCOME: before agent_on_up. */
void agent_set_heartbeat(struct agent *agent, duration_t heartbeat, uint32_t missed_max);
/* JOB and CANCEL; others are none of its business. */
void agent_on_message(struct agent_port *port, const struct wire_msg *msg);
void agent_on_down(struct agent_port *port, err_t why);

/* At least four times a heartbeat: LOAD, links lost for too long, time that ran out. */
void agent_tick(struct agent *agent);

/* Take nothing more, hand back what waits, finish what runs; say DRAIN. */
void agent_drain(struct agent *agent);
/* Stop every copy; each still gets its farewell. */
void agent_stop_all(struct agent *agent, enum agent_cause cause);
bool agent_is_idle(struct agent *agent);

struct agent_counts {
    struct attempts_counts attempts;
    uint64_t unknown_handlers_count;
    uint64_t stalled_count;
    uint64_t frames_lost_count; /* the link was gone or full */
    uint64_t results_delayed_count;
};
void agent_counts(struct agent *agent, struct agent_counts *ret_counts);
uint32_t agent_slots_count(const struct agent *agent);

#endif

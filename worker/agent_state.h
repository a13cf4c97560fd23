/* SPDX-License-Identifier: MIT
 *
 * worker/agent_state.h - what the agent's files share.
 *
 * agent.c hears the link and decides with attempts.c; agent_run.c carries a copy on its
 * fiber; agent_say.c says the frames.  Private to them.
 */
#ifndef WORKER_AGENT_STATE_H
#define WORKER_AGENT_STATE_H

#include "common/pure/rng.h"
#include "worker/agent.h"

#include <pthread.h>

#define AGENT_SESSION_PORT_BITS 3 /* the low bits of a session are its port's index */

struct agent_port {
    struct agent *agent;
    struct agent_link link;
    uint64_t session; /* 0: never up; its low bits are the port's index */
    uint64_t epoch;
    bool is_up;
    bool is_given_up; /* its copies were stopped since it went down */
    instant_t down_at;
    instant_t load_at;       /* the last one */
    uint32_t load_in_flight; /* as it said */
    bool is_load_owed;       /* the session has not heard one yet */
};

/* Everything but config is under the lock, which is never held over a send or a park. */
struct agent {
    struct agent_config config;
    pthread_mutex_t lock;
    struct attempts *attempts;
    struct agent_port ports[AGENT_PORTS_MAX];
    uint32_t ports_count;
    uint64_t sessions_count;
    bool is_draining;
    bool was_idle_told;
    struct rng rng;
    struct agent_counts counts; /* but for .attempts */
};

/* One copy that is here: owned by its attempt until that has a fiber, then by the fiber. */
struct work {
    struct agent *agent;
    struct agent_port *port;
    const struct handler *handler;
    struct attempt *attempt; /* valid until attempts_end */
    struct run run;
    bool has_begun;
    bool is_tied;    /* its start is a CLAIM */
    bool is_stalled; /* by chaos */
    char content_type[WIRE_TYPE_SIZE_MAX];
    char traceparent[WIRE_TRACEPARENT_SIZE_MAX];
    uint8_t input[];
};

static inline void
agent_lock(struct agent *agent)
{
    pthread_mutex_lock(&agent->lock);
}

static inline void
agent_unlock(struct agent *agent)
{
    pthread_mutex_unlock(&agent->lock);
}

/* ---- agent_say.c: never with the lock held ------------------------------------------- */

err_t agent_say(struct agent *agent, struct agent_port *port, const struct wire_msg *msg);
/* The port of that copy's session while it is up, else NULL: a copy is only ever spoken of
 * on the link that brought it. */
struct agent_port *
agent_say_port(struct agent *agent, const struct attempt_key *key, struct wire_attempt *ret_id);
/* For a copy that has no fiber (any more); frees its work. */
void agent_say_farewell(struct agent *agent, const struct attempts_farewell *farewell);
/* On the copy's own fiber: waits for room.  PARKS. */
void agent_say_result(struct work *work, const struct attempts_farewell *farewell);
/* To every link where it is due. */
void agent_say_load(struct agent *agent, bool is_tick);
void agent_say_if_idle(struct agent *agent);

/* ---- agent_run.c --------------------------------------------------------------------- */

/* NULL: no memory. */
struct work *agent_run_new(struct agent_port *port, const struct handler *handler,
    const struct wire_job *job, instant_t deadline);
void agent_run_free(struct work *work);
/* Give an admitted copy its fiber; without one it was not taken (BUSY). */
void agent_run_start(struct agent *agent, struct work *work);
/* Start what waits and has a slot. */
void agent_run_fill(struct agent *agent);

#endif

/* SPDX-License-Identifier: MIT */
#include "worker/agent.h"

#include "common/sys/clock.h"
#include "worker/agent_state.h"
#include "worker/frames.h"

#include <stdlib.h>

#define GRAVES_MAX 8192

static void
stop_copies(struct agent *agent, uint64_t session, bool is_orphan, enum agent_cause cause);

err_t
agent_new(const struct agent_config *config, struct agent **ret_agent)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL) {
        return ERR_NO_MEMORY;
    }
    agent->config = *config;
    pthread_mutex_init(&agent->lock, NULL);
    rng_init(&agent->rng, config->seed);
    const struct attempts_config attempts_config = {
        .slots_count = { config->slots_cpu_count, config->slots_other_count },
        .queue_max = config->queue_max,
        .inputs_size_max = config->inputs_size_max,
        .graves_max = GRAVES_MAX,
        .lapsed_kept =
            duration_ns(config->heartbeat.ns * (int64_t) config->heartbeats_missed_max),
        .seed = config->seed,
    };
    err_t err = attempts_new(&attempts_config, &agent->attempts);
    if (err != ERR_OK) {
        agent_free(agent);
        return err;
    }
    *ret_agent = agent;
    return ERR_OK;
}

void
agent_free(struct agent *agent)
{
    if (agent == NULL) {
        return;
    }
    if (agent->attempts != NULL) {
        CHECK(attempts_counts(agent->attempts)->running_count == 0);
    }
    stop_copies(agent, /* session= */ 0, /* is_orphan= */ true, AGENT_CAUSE_SHUTDOWN);
    attempts_free(agent->attempts);
    pthread_mutex_destroy(&agent->lock);
    free(agent);
}

/* ---- what the link brings ------------------------------------------------------------ */

struct agent_port *
agent_port_add(struct agent *agent, const struct agent_link *link)
{
    CHECK(agent->ports_count < AGENT_PORTS_MAX);
    struct agent_port *port = &agent->ports[agent->ports_count++];
    *port = (struct agent_port){ .agent = agent, .link = *link, .is_given_up = true };
    return port;
}

void
agent_set_heartbeat(struct agent *agent, duration_t heartbeat, uint32_t missed_max)
{
    agent_lock(agent);
    agent->config.heartbeat = heartbeat;
    agent->config.heartbeats_missed_max = missed_max;
    agent_unlock(agent);
}

void
agent_on_up(struct agent_port *port, uint64_t epoch)
{
    struct agent *agent = port->agent;
    agent_lock(agent);
    uint64_t old_session = port->session;
    bool is_draining = agent->is_draining;
    port->session =
        (++agent->sessions_count << AGENT_SESSION_PORT_BITS) | (uint64_t) (port - agent->ports);
    port->epoch = epoch;
    port->is_up = true;
    port->is_given_up = false;
    port->is_load_owed = true;
    agent_unlock(agent);
    if (old_session != 0) {
        stop_copies(agent, old_session, /* is_orphan= */ true, AGENT_CAUSE_NEW_SESSION);
    }
    if (is_draining) {
        const struct wire_msg msg = { .kind = WIRE_DRAIN };
        (void) agent_say(agent, port, &msg);
    }
    agent_say_load(agent, /* is_tick= */ false);
}

void
agent_on_down(struct agent_port *port, err_t why)
{
    struct agent *agent = port->agent;
    agent_lock(agent);
    bool was_up = port->is_up;
    uint64_t session = port->session;
    port->is_up = false;
    port->down_at = was_up ? clock_now() : port->down_at;
    /* A link that timed out has been silent for that long already. */
    bool is_to_stop = was_up && why == ERR_TIMEOUT;
    port->is_given_up = port->is_given_up || is_to_stop;
    agent_unlock(agent);
    if (is_to_stop) {
        stop_copies(agent, session, /* is_orphan= */ true, AGENT_CAUSE_LINK_LOST);
    }
}

static instant_t
deadline_of(const struct wire_job *job, instant_t now)
{
    if (job->budget_us > INT64_MAX / 1000) {
        return INSTANT_NEVER;
    }
    return instant_add(now, duration_us((int64_t) job->budget_us));
}

static void
on_job(struct agent_port *port, const struct wire_job *job)
{
    struct agent *agent = port->agent;
    instant_t now = clock_now();
    const struct handler *handler = registry_find(agent->config.registry, job->handler);
    instant_t deadline = deadline_of(job, now);
    struct work *work = handler != NULL ? agent_run_new(port, handler, job, deadline) : NULL;
    struct attempts_offer offer = {
        .key = { .job = job->id.job, .attempt = job->id.attempt },
        .is_hedge = job->is_hedge,
        .deadline = deadline,
        .input_size = job->bulk_size,
        .owner = work,
    };
    struct attempts_farewell farewell = { .kind = FAREWELL_NONE, .owner = work };
    agent_lock(agent);
    bool is_stalled = work != NULL && agent->config.stall_share > 0 &&
                      rng_chance(&agent->rng, agent->config.stall_share);
    if (is_stalled) {
        work->is_stalled = true;
        agent->counts.stalled_count++;
    }
    /* One that pauses burns nothing meanwhile: it is not to hold a core's slot. */
    bool is_cpu = handler != NULL && (handler->flags & HANDLER_CPU) != 0 && !is_stalled;
    offer.lane = is_cpu ? ATTEMPTS_CPU : ATTEMPTS_OTHER;
    offer.key.session = port->session;
    farewell.key = offer.key;
    agent->counts.unknown_handlers_count += handler == NULL ? 1 : 0;
    enum attempts_verdict verdict = ATTEMPTS_BUSY;
    if (work != NULL && !agent->is_draining) {
        struct attempt *attempt = NULL;
        verdict = attempts_offer(agent->attempts, &offer, now, &attempt);
        work->attempt = attempt;
    }
    agent_unlock(agent);
    if (handler == NULL) {
        struct wire_msg msg;
        frames_failure(
            &job->id, /* is_retryable= */ true, "this worker has no such handler", &msg);
        (void) agent_say(agent, port, &msg);
        return;
    }
    switch (verdict) {
    case ATTEMPTS_START: agent_run_start(agent, work); break;
    case ATTEMPTS_WAIT: break;
    case ATTEMPTS_BUSY: farewell.kind = FAREWELL_BUSY; break;
    case ATTEMPTS_EXPIRED: farewell.kind = FAREWELL_EXPIRED; break;
    case ATTEMPTS_BURIED:
    case ATTEMPTS_DUPLICATE: break;
    }
    if (verdict != ATTEMPTS_START && verdict != ATTEMPTS_WAIT) {
        agent_say_farewell(agent, &farewell);
    }
    agent_say_load(agent, /* is_tick= */ false);
}

/* The caller has taken a reference under the lock. */
static void
stop_ctx(struct hr_ctx *ctx, uint32_t cause)
{
    if (ctx != NULL) {
        hr_ctx_cancel(ctx, HR_CAUSE_USER + (int) cause);
        hr_ctx_rele(ctx);
    }
}

/* Under the lock: the copy's fiber may end it any time after. */
static struct hr_ctx *
hold_ctx(const struct attempt *attempt)
{
    if (attempt == NULL) {
        return NULL;
    }
    const struct work *work = attempt->owner;
    hr_ctx_hold(work->run.ctx);
    return work->run.ctx;
}

static void
on_cancel(struct agent_port *port, const struct wire_cancel *cancel)
{
    struct agent *agent = port->agent;
    struct attempts_farewell farewell;
    struct attempt_key key = { .job = cancel->id.job, .attempt = cancel->id.attempt };
    agent_lock(agent);
    key.session = port->session;
    attempts_cancel(agent->attempts, &key, cancel->cause, clock_now(), &farewell);
    struct hr_ctx *ctx = hold_ctx(farewell.stop);
    agent_unlock(agent);
    stop_ctx(ctx, cancel->cause);
    if (farewell.kind != FAREWELL_NONE) {
        agent_say_farewell(agent, &farewell);
        agent_say_if_idle(agent);
    }
}

void
agent_on_message(struct agent_port *port, const struct wire_msg *msg)
{
    if (msg->kind == WIRE_JOB) {
        on_job(port, &msg->job);
    } else if (msg->kind == WIRE_CANCEL) {
        on_cancel(port, &msg->cancel);
    }
}

/* ---- stopping ------------------------------------------------------------------------ */

static void
stop_copies(struct agent *agent, uint64_t session, bool is_orphan, enum agent_cause cause)
{
    const struct attempts_order order = { session, is_orphan, cause };
    bool is_more = agent->attempts != NULL;
    while (is_more) {
        struct attempts_farewell farewell = { .kind = FAREWELL_NONE };
        agent_lock(agent);
        is_more = attempts_stop_one(agent->attempts, &order, clock_now(), &farewell);
        struct hr_ctx *ctx = hold_ctx(farewell.stop);
        agent_unlock(agent);
        stop_ctx(ctx, cause);
        if (is_more && farewell.stop == NULL) {
            agent_say_farewell(agent, &farewell);
        }
    }
}

void
agent_tick(struct agent *agent)
{
    instant_t now = clock_now();
    /* Nothing may run on past the bound: take off the time to the next tick (four come in a
     * heartbeat), and as much for the stop itself. */
    agent_lock(agent);
    int64_t lost_ns = agent->config.heartbeat.ns * agent->config.heartbeats_missed_max -
                      agent->config.heartbeat.ns / 2;
    agent_unlock(agent);
    for (uint32_t i = 0; i < agent->ports_count; i++) {
        struct agent_port *port = &agent->ports[i];
        agent_lock(agent);
        uint64_t session = port->session;
        bool is_lost = !port->is_up && !port->is_given_up && session != 0 &&
                       instant_since(now, port->down_at).ns >= lost_ns;
        port->is_given_up = port->is_given_up || is_lost;
        agent_unlock(agent);
        if (is_lost) {
            stop_copies(agent, session, /* is_orphan= */ true, AGENT_CAUSE_LINK_LOST);
        }
    }
    bool is_more = true;
    while (is_more) {
        struct attempts_farewell farewell;
        agent_lock(agent);
        is_more = attempts_expire_one(agent->attempts, now, &farewell);
        agent_unlock(agent);
        if (is_more) {
            agent_say_farewell(agent, &farewell);
        }
    }
    agent_run_fill(agent);
    agent_say_load(agent, /* is_tick= */ true);
    agent_say_if_idle(agent);
}

void
agent_drain(struct agent *agent)
{
    agent_lock(agent);
    agent->is_draining = true;
    agent_unlock(agent);
    for (uint32_t i = 0; i < agent->ports_count; i++) {
        const struct wire_msg msg = { .kind = WIRE_DRAIN };
        (void) agent_say(agent, &agent->ports[i], &msg);
    }
    bool is_more = true;
    while (is_more) {
        struct attempts_farewell farewell;
        agent_lock(agent);
        is_more = attempts_hand_back_one(agent->attempts, clock_now(), &farewell);
        agent_unlock(agent);
        if (is_more) {
            agent_say_farewell(agent, &farewell);
        }
    }
    agent_say_if_idle(agent);
}

void
agent_stop_all(struct agent *agent, enum agent_cause cause)
{
    stop_copies(agent, /* session= */ 0, /* is_orphan= */ false, cause);
    agent_say_if_idle(agent);
}

bool
agent_is_idle(struct agent *agent)
{
    agent_lock(agent);
    bool is_idle = attempts_is_idle(agent->attempts);
    agent_unlock(agent);
    return is_idle;
}

void
agent_counts(struct agent *agent, struct agent_counts *ret_counts)
{
    agent_lock(agent);
    *ret_counts = agent->counts;
    ret_counts->attempts = *attempts_counts(agent->attempts);
    agent_unlock(agent);
}

uint32_t
agent_slots_count(const struct agent *agent)
{
    return agent->config.slots_cpu_count + agent->config.slots_other_count;
}

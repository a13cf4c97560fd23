/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "worker/agent_state.h"
#include "worker/frames.h"

#define FULL_RETRY_NS 2000000
#define LOAD_PAUSE_MS 20 /* at least, between two LOADs that a change brings */
#define LOAD_STEP_MIN 4

struct load_moment {
    instant_t now;
    bool is_tick;
};

static void
count_lost(struct agent *agent)
{
    agent_lock(agent);
    agent->counts.frames_lost_count++;
    agent_unlock(agent);
}

err_t
agent_say(struct agent *agent, struct agent_port *port, const struct wire_msg *msg)
{
    err_t err = port != NULL ? port->link.send(port->link.user, msg) : ERR_CLOSED;
    if (err != ERR_OK) {
        count_lost(agent);
    }
    return err;
}

struct agent_port *
agent_say_port(struct agent *agent, const struct attempt_key *key, struct wire_attempt *ret_id)
{
    struct agent_port *port =
        &agent->ports[key->session & ((1u << AGENT_SESSION_PORT_BITS) - 1)];
    agent_lock(agent);
    bool is_current = port->session == key->session && port->is_up;
    uint64_t epoch = port->epoch;
    agent_unlock(agent);
    *ret_id = (struct wire_attempt){ .job = key->job,
        .attempt = key->attempt,
        .epoch = epoch,
        .incarnation = agent->config.incarnation };
    return is_current ? port : NULL;
}

static void
log_farewell(const struct attempts_farewell *farewell, const struct work *work)
{
    static const char *const kinds[] = { "none", "result", "stopped", "expired", "ack",
        "busy" };
    static const char *const fates[] = { "", "not_seen", "dequeued", "stopped", "completed" };
    char job[ID_TEXT_SIZE];
    id_to_text(farewell->key.job, job);
    log_debug("attempt", LOG_STR("job_id", job), LOG_I64("attempt", farewell->key.attempt),
        LOG_STR("handler", work != NULL ? work->handler->name : ""),
        LOG_STR("farewell", kinds[farewell->kind]), LOG_STR("fate", fates[farewell->fate]),
        LOG_I64("queued_us", duration_to_us(farewell->queued)),
        LOG_I64("ran_us", duration_to_us(farewell->ran)),
        LOG_I64("cpu_us", duration_to_us(farewell->cpu)),
        LOG_I64("stopped_after_us", duration_to_us(farewell->stopped_after)),
        LOG_STR("err_msg", work != NULL ? work->run.message : ""));
}

void
agent_say_farewell(struct agent *agent, const struct attempts_farewell *farewell)
{
    struct wire_attempt id;
    struct wire_msg msg;
    struct agent_port *port = agent_say_port(agent, &farewell->key, &id);
    if (frames_farewell(farewell, NULL, &id, &msg)) {
        (void) agent_say(agent, port, &msg);
    }
    log_farewell(farewell, farewell->owner);
    agent_run_free(farewell->owner);
}

/* The link holds a bounded number of bytes: a large result waits for room on its fiber,
 * which is what fibers are for.  It gives up when the copy's time is over. */
void
agent_say_result(struct work *work, const struct attempts_farewell *farewell)
{
    struct agent *agent = work->agent;
    struct wire_attempt id;
    struct wire_msg msg;
    struct agent_port *port = agent_say_port(agent, &farewell->key, &id);
    log_farewell(farewell, work);
    if (!frames_farewell(farewell, &work->run, &id, &msg)) {
        return;
    }
    err_t err = port != NULL ? port->link.send(port->link.user, &msg) : ERR_CLOSED;
    if (err == ERR_FULL) {
        agent_lock(agent);
        agent->counts.results_delayed_count++;
        agent_unlock(agent);
    }
    while (err == ERR_FULL && hr_ctx_err(work->run.ctx) == 0 && hr_sleep(FULL_RETRY_NS) == 0) {
        port = agent_say_port(agent, &farewell->key, &id);
        err = port != NULL ? port->link.send(port->link.user, &msg) : ERR_CLOSED;
    }
    if (err == ERR_FULL) {
        frames_failure(&id, /* is_retryable= */ true, "the link had no room for it", &msg);
        err = agent_say(agent, port, &msg);
    } else if (err != ERR_OK) {
        count_lost(agent);
    }
}

/* Because it is time, or much has changed.  Under the lock.  That a worker has become busy
 * is told by the tick that finds it so, that it is idle again at once: a stream of short
 * jobs says nothing, and nobody looks at a number that is long past. */
static bool
load_is_due(struct agent *agent, struct agent_port *port, struct load_moment moment,
    struct wire_msg *msg)
{
    const struct attempts_counts *counts = attempts_counts(agent->attempts);
    uint32_t in_flight = counts->running_count + counts->queued_count;
    uint32_t said = port->load_in_flight;
    uint32_t change = in_flight > said ? in_flight - said : said - in_flight;
    uint32_t step = agent->config.slots_cpu_count > LOAD_STEP_MIN
                        ? agent->config.slots_cpu_count
                        : LOAD_STEP_MIN;
    bool is_idle_news = in_flight == 0 && said > 0;
    bool is_busy_news = in_flight > 0 && said == 0 && moment.is_tick;
    duration_t age = instant_since(moment.now, port->load_at);
    bool is_due = port->is_load_owed || age.ns >= agent->config.heartbeat.ns || is_idle_news ||
                  is_busy_news || (change >= step && age.ns >= duration_ms(LOAD_PAUSE_MS).ns);
    if (!port->is_up || !is_due) {
        return false;
    }
    port->is_load_owed = false;
    port->load_at = moment.now;
    port->load_in_flight = in_flight;
    msg->kind = WIRE_LOAD;
    msg->load = (struct wire_load){ .running_count = counts->running_count,
        .queued_count = counts->queued_count,
        .draining = agent->is_draining };
    return true;
}

void
agent_say_load(struct agent *agent, bool is_tick)
{
    const struct load_moment moment = { clock_now(), is_tick };
    for (uint32_t i = 0; i < agent->ports_count; i++) {
        struct wire_msg msg;
        agent_lock(agent);
        bool is_due = load_is_due(agent, &agent->ports[i], moment, &msg);
        agent_unlock(agent);
        if (is_due) {
            (void) agent_say(agent, &agent->ports[i], &msg);
        }
    }
}

void
agent_say_if_idle(struct agent *agent)
{
    agent_lock(agent);
    bool is_news =
        agent->is_draining && !agent->was_idle_told && attempts_is_idle(agent->attempts);
    agent->was_idle_told = agent->was_idle_told || is_news;
    agent_unlock(agent);
    if (is_news && agent->config.on_idle != NULL) {
        agent->config.on_idle(agent->config.user);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * Who does harm, and who asks for work.
 */
#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void plan_fault(struct world *world);
static struct conn *random_conn(struct world *world);
static bool act_at_once(struct world *world, enum fault fault, uint32_t worker);
static void
break_later(struct world *world, struct conn *conn, enum fault fault, duration_t after);
static void kill_core(struct world *world);
static void close_core(struct world *world);
static struct policy random_policy(struct world *world);

void
chaos_start(struct world *world)
{
    for (uint32_t i = 0; i < world->workers_count; i++) {
        struct sim_worker *worker = &world->workers[i];
        snprintf(worker->name, sizeof worker->name, "w%u", i);
        snprintf(worker->zone, sizeof worker->zone, "z%u", rng_below(&world->rng, 3));
        worker->slots_count = 1 + rng_below(&world->rng, 4);
        worker->queue_max = rng_below(&world->rng, 6);
        fleet_start(world, i);
    }
    world_plan(world, HAPPEN_SUBMIT, duration_ms(1));
    plan_fault(world);
}

static void
plan_fault(struct world *world)
{
    struct happening *happening =
        world_plan(world, HAPPEN_FAULT, world_random(world, duration_ms(10), duration_ms(250)));
    do {
        happening->fault = (enum fault) rng_below(&world->rng, FAULT_COUNT);
    } while (world->faults_mask != 0 && !world_has(world, happening->fault));
}

static struct conn *
random_conn(struct world *world)
{
    struct conn *conn = world->workers[rng_below(&world->rng, world->workers_count)].conn;
    return conn != NULL && !conn->is_broken ? conn : NULL;
}

static void
plan_repair(struct world *world, enum fault fault, uint32_t worker, duration_t after)
{
    struct happening *repair = world_plan(world, HAPPEN_REPAIR, after);
    repair->fault = fault;
    repair->worker = worker;
    repair->conn = world->workers[worker].conn;
}

/* What acts at a moment acts here; what is a habit (loss of a frame, a stubborn handler)
 * acts where it happens. */
void
chaos_on_fault(struct world *world, const struct happening *happening)
{
    if (world->is_healing) {
        return;
    }
    plan_fault(world);
    enum fault fault = happening->fault;
    if (!world_has(world, fault)) {
        return;
    }
    uint32_t worker = rng_below(&world->rng, world->workers_count);
    if (act_at_once(world, fault, worker)) {
        return;
    }
    struct conn *conn = random_conn(world);
    duration_t span = world_random(world, duration_ms(5), duration_ms(1200));
    if (fault == FAULT_pause) {
        WORLD_NOTE(world, "w%u stops for %.0f ms", worker, (double) span.ns * 1e-6);
        world->workers[worker].paused_until = instant_add(world->now, span);
    } else if (fault == FAULT_straggle) {
        world->workers[worker].slowness = 10;
        plan_repair(world, fault, worker, span);
    } else if (fault == FAULT_sleep) {
        WORLD_NOTE(world, "the coordinator stops for %.0f ms", (double) span.ns * 1e-6);
        world->asleep_until = instant_add(world->now, span);
    } else if (fault == FAULT_drain) {
        world->workers[worker].is_draining = true;
        plan_repair(world, fault, worker, span);
    } else if (conn != NULL) {
        break_later(world, conn, fault, span);
    }
}

/* Somebody changes how a handler is hedged, or takes it back. */
static void
steer_core(struct world *world)
{
    struct rng *rng = &world->rng;
    if (world->is_core_dead || instant_before(world->now, world->asleep_until)) {
        return;
    }
    uint32_t handler = rng_below(rng, WORLD_HANDLERS + 1);
    world_step(world,
        &(struct core_event){ .kind = EVENT_HEDGING,
            .hedging = {
                .handler = handler < WORLD_HANDLERS ? ledger_handlers[handler] : "nobody",
                .order = { .is_mode_set = rng_chance(rng, 0.7),
                    .mode = (enum hedge_mode) rng_below(rng, HEDGE_MODES_COUNT),
                    .is_delay_set = rng_chance(rng, 0.3),
                    .delay = world_random(world, DURATION_ZERO, duration_ms(20)) } } });
}

/* False: it takes a while, or is another kind of fault. */
static bool
act_at_once(struct world *world, enum fault fault, uint32_t worker)
{
    if (fault == FAULT_crash) {
        if (world->workers[worker].incarnation != 0) {
            fleet_crash(world, worker);
        }
    } else if (fault == FAULT_restart) {
        kill_core(world);
    } else if (fault == FAULT_forge || fault == FAULT_lie) {
        for (uint32_t i = 0; i < 6; i++) {
            forge_frame(world);
        }
    } else if (fault == FAULT_ghost || fault == FAULT_resubmit) {
        for (uint32_t i = 0; i < 4; i++) {
            fault == FAULT_ghost ? forge_ghost(world) : forge_submit(world);
        }
    } else if (fault == FAULT_steer) {
        steer_core(world);
    } else if (fault == FAULT_close) {
        close_core(world);
    } else {
        return false;
    }
    return true;
}

/* It takes nothing more and goes on with what it has; rarely, since little happens then. */
static void
close_core(struct world *world)
{
    if (world->is_core_dead || instant_before(world->now, world->asleep_until) ||
        !rng_chance(&world->rng, 0.1)) {
        return;
    }
    WORLD_NOTE(world, "the coordinator drains");
    world->is_draining = true;
    world_step(world, &(struct core_event){ .kind = EVENT_DRAIN });
}

static void
break_later(struct world *world, struct conn *conn, enum fault fault, duration_t after)
{
    if (fault == FAULT_reset) {
        WORLD_NOTE(world, "link %" PRIu64 " is reset", conn->link);
        net_break(world, conn, world_random(world, DURATION_ZERO, duration_ms(100)),
            world_random(world, DURATION_ZERO, duration_ms(100)));
        return;
    }
    if (fault == FAULT_loss) {
        uint32_t which = 1 + rng_below(&world->rng, 3);
        conn->is_lossy[TO_WORKER] = (which & 1) != 0;
        conn->is_lossy[TO_CORE] = (which & 2) != 0;
    } else if (fault == FAULT_partition_in || fault == FAULT_partition_both ||
               fault == FAULT_partition_out) {
        conn->is_held[TO_CORE] = fault != FAULT_partition_out;
        conn->is_held[TO_WORKER] = fault != FAULT_partition_in;
    } else {
        return;
    }
    WORLD_NOTE(world, "link %" PRIu64 ": fault %d for %.0f ms", conn->link, fault,
        (double) after.ns * 1e-6);
    struct happening *repair = world_plan(world, HAPPEN_REPAIR, after);
    repair->fault = fault;
    repair->conn = conn;
}

void
chaos_on_repair(struct world *world, const struct happening *happening)
{
    struct conn *conn = happening->conn;
    if (happening->fault == FAULT_straggle) {
        world->workers[happening->worker].slowness = 1;
    } else if (happening->fault == FAULT_drain) {
        if (world->workers[happening->worker].incarnation != 0) {
            fleet_crash(world, happening->worker); /* it leaves, and another takes its name */
        }
    } else if (happening->fault == FAULT_loss) {
        net_break(world, conn, world_random(world, DURATION_ZERO, duration_ms(300)),
            world_random(world, DURATION_ZERO, duration_ms(300)));
    } else if (!conn->is_broken) {
        net_release(world, conn);
    }
}

static void
kill_core(struct world *world)
{
    if (world->is_core_dead) {
        return;
    }
    WORLD_NOTE(world, "the coordinator dies");
    world->is_core_dead = true;
    ledger_core_lost(world);
    for (uint32_t i = 0; i < world->conns_count; i++) {
        struct conn *conn = &world->conns[i];
        conn->is_core_up = false;
        net_break(world, conn, DURATION_FOREVER,
            world_random(world, DURATION_ZERO, duration_ms(600)));
    }
    world_plan(world, HAPPEN_CORE_BACK, world_random(world, duration_ms(1), duration_ms(500)));
}

void
chaos_core_back(struct world *world)
{
    core_free(world->core);
    world->core = NULL;
    world->config.seed = rng_u64(&world->rng);
    world->epoch++;
    if (core_new(&world->config, &world->core) != ERR_OK) {
        world_fail(world, "no memory for another core");
    }
    world->is_core_dead = false;
    world->is_draining = false;
    WORLD_NOTE(world, "the coordinator is back, epoch %" PRIu64, world->epoch);
}

void
chaos_heal(struct world *world)
{
    WORLD_NOTE(world, "everything heals");
    world->is_healing = true;
    if (instant_before(world->now, world->asleep_until)) {
        world->asleep_until = world->now;
    }
    for (uint32_t i = 0; i < world->workers_count; i++) {
        struct sim_worker *worker = &world->workers[i];
        worker->slowness = 1;
        if (instant_before(world->now, worker->paused_until)) {
            worker->paused_until = world->now;
        }
    }
    for (uint32_t i = 0; i < world->conns_count; i++) {
        struct conn *conn = &world->conns[i];
        if (!conn->is_broken) {
            if (conn->is_lossy[TO_WORKER] || conn->is_lossy[TO_CORE]) {
                net_break(world, conn, duration_ms(1), duration_ms(1));
            } else {
                net_release(world, conn);
            }
        }
    }
}

/* ---- clients ---- */

static struct policy
random_policy(struct world *world)
{
    struct rng *rng = &world->rng;
    static const enum job_mode modes[] = { MODE_SINGLE, MODE_HEDGE, MODE_HEDGE, MODE_HEDGE,
        MODE_RACE, MODE_TIED };
    return (struct policy){ .mode = modes[rng_below(rng, ARRAY_COUNT(modes))],
        .hedge_delay_is_set = rng_chance(rng, 0.7),
        .hedge_delay = world_random(world, DURATION_ZERO, duration_ms(20)),
        .attempts_max = rng_below(rng, CORE_ATTEMPTS_MAX + 2),
        .race_count = rng_below(rng, CORE_ATTEMPTS_MAX + 2),
        .idempotent = (int8_t) (rng_chance(rng, 0.8) ? -1 : (int8_t) rng_below(rng, 2)) };
}

/* The ledger's own reading of the policy. */
static void
note_job(struct world *world, struct sim_job *job, const struct event_submit *submit)
{
    const struct policy *policy = &submit->policy;
    job->policy = *policy;
    job->submitted_at = world->now;
    job->deadline = instant_add(world->now, submit->timeout);
    if (job->parent != 0) {
        job->deadline = instant_min(job->deadline, world->jobs[job->parent - 1].deadline);
    }
    job->attempts_max =
        policy->attempts_max != 0 ? policy->attempts_max : world->config.attempts_max;
    if (policy->mode == MODE_RACE && policy->race_count > job->attempts_max) {
        job->attempts_max = policy->race_count;
    }
    if (job->attempts_max > CORE_ATTEMPTS_MAX) {
        job->attempts_max = CORE_ATTEMPTS_MAX;
    }
    job->is_idempotent = policy->idempotent >= 0 ? policy->idempotent == 1 : job->handler != 1;
}

void
chaos_on_submit(struct world *world)
{
    struct rng *rng = &world->rng;
    if (world->jobs_count >= world->jobs_wanted) {
        return;
    }
    bool is_rush = world_has(world, FAULT_overload) && rng_chance(rng, 0.8);
    int64_t pace_ns = 2 * world->chaos_ns / (int64_t) world->jobs_wanted;
    world_plan(world, HAPPEN_SUBMIT,
        is_rush ? duration_us(100) : world_random(world, DURATION_ZERO, duration_ns(pace_ns)));
    if (world->is_core_dead || instant_before(world->now, world->asleep_until)) {
        return;
    }
    uint32_t number = world->jobs_count + 1;
    struct sim_job *job = &world->jobs[world->jobs_count++];
    job->handler = rng_below(rng, WORLD_HANDLERS);
    job->id.bytes[0] = (uint8_t) rng_u64(rng);
    memcpy(job->id.bytes + 8, &number, sizeof number);
    if (world_has(world, FAULT_children) && number > 1 && rng_chance(rng, 0.3)) {
        job->parent = 1 + rng_below(rng, number - 1);
    }
    struct core_event event = { .kind = EVENT_SUBMIT,
        .submit = { .job = job->id,
            .handler = ledger_handlers[job->handler],
            .timeout = world_random(world, duration_ms(5), duration_ms(2000)),
            .policy = random_policy(world) } };
    if (job->parent != 0) {
        event.submit.parent = world->jobs[job->parent - 1].id;
    }
    note_job(world, job, &event.submit);
    WORLD_NOTE(world, "job %u submitted: %s, %s, %.0f ms", number,
        ledger_handlers[job->handler], job_mode_text(event.submit.policy.mode),
        (double) event.submit.timeout.ns * 1e-6);
    if (world_has(world, FAULT_cancel) && rng_chance(rng, 0.25)) {
        world_plan(world, HAPPEN_CHANGE, world_random(world, DURATION_ZERO, duration_ms(60)))
            ->job = number - 1;
    }
    world_step(world, &event);
}

void
chaos_on_change(struct world *world, uint32_t index)
{
    if (world->is_core_dead || instant_before(world->now, world->asleep_until)) {
        return;
    }
    struct sim_job *job = &world->jobs[index];
    bool is_gone = rng_chance(&world->rng, 0.5);
    job->is_asked = true;
    WORLD_NOTE(world, "job %u: the client %s", index + 1, is_gone ? "leaves" : "cancels");
    world_step(world, &(struct core_event){ .kind = is_gone ? EVENT_GONE : EVENT_CANCEL,
                          .job = { .job = job->id, .cause = CAUSE_USER } });
}

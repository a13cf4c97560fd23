/* SPDX-License-Identifier: MIT
 *
 * No job waits while a worker that could run it is idle: once everything has healed, for
 * half a second at most (pauses after BUSY and two heartbeats are in that).
 */
#include "coordinator/sim/world.h"

#define PATIENCE_MS 500

/* Both ends are up, the core heard of it lately, and nothing of anybody is there. */
static bool
is_idle(const struct world *world, const struct sim_worker *worker)
{
    const struct conn *conn = worker->conn;
    if (worker->incarnation == 0 || worker->is_draining || conn == NULL || conn->is_broken ||
        !conn->is_core_up || !conn->is_worker_up || conn->is_drained ||
        worker->running_count + worker->queued_count > 0) {
        return false;
    }
    for (uint32_t i = 0; i < world->copies_count && world->live_count > 0; i++) {
        if (world->copies[i].is_live && world->copies[i].link == conn->link) {
            return false;
        }
    }
    return true;
}

/* A coordinator that slept hears of the idle slots only when it wakes. */
static bool
is_overripe(const struct world *world, instant_t since)
{
    instant_t from = instant_before(since, world->asleep_until) ? world->asleep_until : since;
    return instant_since(world->now, from).ns > duration_ms(PATIENCE_MS).ns;
}

/* A bit for each handler that some worker could have run all the time. */
static uint32_t
idle_handlers(struct world *world)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < world->workers_count; i++) {
        struct sim_worker *worker = &world->workers[i];
        if (!is_idle(world, worker)) {
            worker->idle_since = world->now;
        } else if (is_overripe(world, worker->idle_since)) {
            mask |= (1u << fleet_handlers_count(i)) - 1;
        }
    }
    return mask;
}

void
starve_check(struct world *world)
{
    uint32_t mask = idle_handlers(world);
    for (uint32_t i = 0; i < world->jobs_count; i++) {
        struct sim_job *job = &world->jobs[i];
        bool waits = job->is_accepted && !job->is_answered && !job->is_lost &&
                     job->live_count == 0 && world->is_healing && !world->is_core_dead;
        if (!waits) {
            job->waits_since = world->now;
        } else if (is_overripe(world, job->waits_since) && (mask >> job->handler & 1) != 0) {
            world_fail(world, "job %u waits, and a worker that has its handler is idle", i + 1);
        }
    }
}

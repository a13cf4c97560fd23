/* SPDX-License-Identifier: MIT
 *
 * What nobody should say: frames of copies that were never sent or ended long ago, lies of a
 * worker about its own copies, news of connections that are gone, and a job's id again.
 * The core hears it at once, as if it had waited in the shell's inbox.
 */
#include "coordinator/sim/world.h"

#include <inttypes.h>

static bool
core_listens(const struct world *world)
{
    return !world->is_core_dead && !instant_before(world->now, world->asleep_until);
}

/* Of this epoch, up or gone. */
static struct conn *
any_conn(struct world *world)
{
    if (world->conns_count == 0) {
        return NULL;
    }
    struct conn *conn = &world->conns[rng_below(&world->rng, world->conns_count)];
    return conn->epoch == world->epoch ? conn : NULL;
}

/* Often one of the last few. */
static uint32_t
any_recent(struct rng *rng, uint32_t count, uint32_t few)
{
    uint32_t span = rng_chance(rng, 0.7) && few < count ? few : count;
    return count - 1 - rng_below(rng, span);
}

/* What is rare has to be looked for. */
static bool
is_to_taste(const struct world *world, const struct copy *copy, uint32_t taste)
{
    const struct copy *newest = world->jobs[copy->job].copies;
    if (taste == 0) {
        return copy->is_live && !instant_is_never(copy->told_at);
    }
    if (taste == 1) {
        return copy->did_nothing && !copy->is_live;
    }
    if (taste == 2) { /* the core has dropped its record */
        return newest->number >= copy->number + CORE_ATTEMPTS_MAX;
    }
    return true;
}

static const struct copy *
choose_copy(struct world *world)
{
    uint32_t index = any_recent(&world->rng, world->copies_count, 24);
    uint32_t taste = rng_below(&world->rng, 6);
    for (uint32_t i = 0; i < 64 && i <= index; i++) {
        const struct copy *copy = &world->copies[index - i];
        if (is_to_taste(world, copy, taste)) {
            return copy;
        }
    }
    return &world->copies[index];
}

/* One of the last copies, or one that never was. */
static bool
choose_ref(struct world *world, struct attempt_ref *ret_ref)
{
    struct rng *rng = &world->rng;
    if (world->copies_count > 0 && rng_chance(rng, 0.7)) {
        const struct copy *copy = choose_copy(world);
        *ret_ref = (struct attempt_ref){ copy->link, world->jobs[copy->job].id, copy->number };
        return net_find(world, copy->link)->epoch == world->epoch;
    }
    const struct conn *conn = any_conn(world);
    if (conn == NULL || world->jobs_count == 0) {
        return false;
    }
    *ret_ref = (struct attempt_ref){ conn->link,
        world->jobs[rng_below(rng, world->jobs_count)].id, rng_below(rng, 4) };
    if (rng_chance(rng, 0.3)) {
        ret_ref->job.bytes[3] ^= 0x40;
    }
    return true;
}

void
forge_frame(struct world *world)
{
    static const enum frame_kind kinds[] = { FRAME_STARTED, FRAME_RESULT, FRAME_RESULT,
        FRAME_BUSY, FRAME_ACK, FRAME_ACK };
    struct frame frame = { 0 };
    if (!core_listens(world)) {
        return;
    }
    world_catch_up(world);
    if (!choose_ref(world, &frame.ref)) {
        return;
    }
    frame.kind = kinds[rng_below(&world->rng, ARRAY_COUNT(kinds))];
    frame.conn = net_find(world, frame.ref.link);
    frame.status = (enum reply_status) rng_below(&world->rng, REPLY_EXPIRED + 1);
    frame.fate = (enum cancel_fate)(FATE_NOT_SEEN + rng_below(&world->rng, FATE_COMPLETED));
    /* About a live copy of its own a worker may lie: its word against nobody's. */
    const struct copy *copy = ledger_copy(world, &frame.ref);
    bool is_lie = copy != NULL && copy->is_live;
    if (is_lie && !world_has(world, FAULT_lie)) {
        return;
    }
    frame.blob = is_lie ? copy->link << 32 : 0xffffffffull << 32;
    WORLD_NOTE(world, "%s on link %" PRIu64 ": frame %d", is_lie ? "a lie" : "a forgery",
        frame.ref.link, frame.kind);
    net_tell_core(world, &frame);
}

/* News of a connection that the core closed, or was told to be lost. */
void
forge_ghost(struct world *world)
{
    static const enum core_event_kind kinds[] = { EVENT_WORKER_DOWN, EVENT_WORKER_DRAIN,
        EVENT_WORKER_LOAD };
    if (!core_listens(world)) {
        return;
    }
    world_catch_up(world);
    const struct conn *conn = any_conn(world);
    if (conn == NULL || conn->is_core_up) {
        return;
    }
    struct core_event event = { .kind = kinds[rng_below(&world->rng, ARRAY_COUNT(kinds))] };
    if (event.kind == EVENT_WORKER_LOAD) {
        event.load.link = conn->link;
        event.load.draining = rng_chance(&world->rng, 0.3);
    } else {
        event.link = conn->link;
    }
    WORLD_NOTE(world, "news of link %" PRIu64 ", which is gone", conn->link);
    world_step(world, &event);
}

void
forge_submit(struct world *world)
{
    if (!core_listens(world) || world->jobs_count == 0) {
        return;
    }
    world_catch_up(world);
    const struct sim_job *job = &world->jobs[any_recent(&world->rng, world->jobs_count, 8)];
    if (!job->is_accepted || job->is_forgotten) {
        return;
    }
    world_step(world,
        &(struct core_event){ .kind = EVENT_SUBMIT,
            .submit = { .job = job->id, .handler = "safe", .timeout = duration_ms(100) } });
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/world.h"

#include <inttypes.h>

static duration_t delay_of(struct world *world, const struct frame *frame, uint32_t lane);
static void plan_dial(struct world *world, uint32_t worker, duration_t after);

struct conn *
net_find(struct world *world, worker_link_t link)
{
    CHECK(link > 0);
    CHECK(link <= world->conns_count);
    return &world->conns[link - 1];
}

static void
plan_dial(struct world *world, uint32_t worker, duration_t after)
{
    struct happening *dial = world_plan(world, HAPPEN_DIAL, after);
    dial->worker = worker;
    dial->incarnation = world->workers[worker].incarnation;
}

void
net_dial(struct world *world, uint32_t worker_index)
{
    struct sim_worker *worker = &world->workers[worker_index];
    if (worker->conn != NULL && worker->conn->is_worker_up) {
        return;
    }
    bool is_cut = world_has(world, FAULT_partition_both) && rng_chance(&world->rng, 0.2);
    if (world->is_core_dead || instant_before(world->now, world->asleep_until) ||
        instant_before(world->now, worker->paused_until) || is_cut ||
        world->conns_count >= WORLD_CONNS_MAX) {
        plan_dial(world, worker_index, world_random(world, duration_ms(5), duration_ms(100)));
        return;
    }
    struct conn *conn = &world->conns[world->conns_count++];
    *conn = (struct conn){ .link = world->conns_count,
        .worker = worker_index,
        .incarnation = worker->incarnation,
        .epoch = world->epoch,
        .is_core_up = true,
        .is_worker_up = true };
    list_init(&conn->held[TO_WORKER]);
    list_init(&conn->held[TO_CORE]);
    worker->conn = conn;
    worker->heard_at = world->now;
    fleet_stop_tasks(world, worker_index, world->epoch);

    static const struct handler_offer offers[WORLD_HANDLERS] = {
        { .name = "safe", .flags = HANDLER_IDEMPOTENT },
        { .name = "once", .flags = 0 },
        { .name = "safe2", .flags = HANDLER_IDEMPOTENT | HANDLER_CPU },
    };
    WORLD_NOTE(world, "%s up on link %" PRIu64 ", incarnation %" PRIu64, worker->name,
        conn->link, worker->incarnation);
    world_step(world, &(struct core_event){ .kind = EVENT_WORKER_UP,
                          .worker_up = { .link = conn->link,
                              .name = worker->name,
                              .zone = worker->zone,
                              .incarnation = worker->incarnation,
                              .slots_count = worker->slots_count,
                              .queue_max = worker->queue_max,
                              .handlers = offers,
                              .handlers_count = fleet_handlers_count(worker_index) } });
}

/* Lanes: 0 control, 1 bulk. */
static duration_t
delay_of(struct world *world, const struct frame *frame, uint32_t lane)
{
    (void) frame;
    duration_t delay = world_random(world, duration_us(30), duration_us(300));
    if (world_has(world, FAULT_slow) && rng_chance(&world->rng, 0.05)) {
        delay = world_random(world, duration_ms(1), duration_ms(200));
    }
    if (lane == 1 && world_has(world, FAULT_reorder) && rng_chance(&world->rng, 0.3)) {
        delay.ns += world_random(world, duration_ms(1), duration_ms(30)).ns;
    }
    return delay;
}

static void
plan_frame(struct world *world, enum direction direction, const struct frame *frame)
{
    struct conn *conn = frame->conn;
    uint32_t lane = frame->kind == FRAME_JOB || frame->kind == FRAME_RESULT;
    int64_t at_ns = world->now.ns + delay_of(world, frame, lane).ns;
    if (at_ns < conn->lane_ns[direction][lane]) {
        at_ns = conn->lane_ns[direction][lane]; /* in order within its lane */
    }
    conn->lane_ns[direction][lane] = at_ns;
    struct happening *happening =
        world_plan(world, HAPPEN_FRAME, duration_ns(at_ns - world->now.ns));
    happening->frame = *frame;
}

void
net_send(struct world *world, enum direction direction, const struct frame *frame)
{
    struct conn *conn = frame->conn;
    if (conn->is_broken || conn->is_lossy[direction]) {
        return;
    }
    plan_frame(world, direction, frame);
    if (direction == TO_CORE && world_has(world, FAULT_duplicate) &&
        rng_chance(&world->rng, 0.1)) {
        plan_frame(world, direction, frame);
    }
}

static enum direction
direction_of(const struct frame *frame)
{
    return frame->kind == FRAME_JOB || frame->kind == FRAME_CANCEL ? TO_WORKER : TO_CORE;
}

/* Put a delivery off without changing the order of its lane. */
static void
postpone(struct world *world, struct happening *happening, instant_t until)
{
    heap_push(&world->happenings, &happening->node, until.ns);
}

void
net_deliver(struct world *world, struct happening *happening)
{
    const struct frame *frame = &happening->frame;
    struct conn *conn = frame->conn;
    enum direction direction = direction_of(frame);
    struct sim_worker *worker = &world->workers[conn->worker];
    bool is_gone =
        direction == TO_WORKER
            ? !conn->is_worker_up || worker->incarnation != conn->incarnation
            : !conn->is_core_up || world->is_core_dead || conn->epoch != world->epoch;
    if (conn->is_broken || is_gone) {
        pool_give(&world->happening_pool, happening);
        return;
    }
    if (conn->is_held[direction]) {
        list_append(&conn->held[direction], &happening->on_held);
        return;
    }
    if (direction == TO_WORKER && instant_before(world->now, worker->paused_until)) {
        postpone(world, happening, worker->paused_until);
        return;
    }
    if (direction == TO_CORE && instant_before(world->now, world->asleep_until)) {
        postpone(world, happening, world->asleep_until);
        return;
    }
    struct frame copy = *frame;
    pool_give(&world->happening_pool, happening);
    if (direction == TO_WORKER) {
        worker->heard_at = world->now;
        fleet_take(world, &copy);
    } else {
        net_tell_core(world, &copy);
    }
}

void
net_tell_core(struct world *world, const struct frame *frame)
{
    struct core_event event = { 0 };
    switch (frame->kind) {
    case FRAME_STARTED:
        event.kind = EVENT_STARTED;
        event.ref = frame->ref;
        break;
    case FRAME_BUSY:
        event.kind = EVENT_BUSY;
        event.ref = frame->ref;
        break;
    case FRAME_RESULT:
        event.kind = EVENT_REPLY;
        event.reply.ref = frame->ref;
        event.reply.status = frame->status;
        event.reply.blob = frame->blob;
        event.reply.message = "the handler failed";
        event.reply.ran = frame->ran;
        break;
    case FRAME_ACK:
        event.kind = EVENT_CANCEL_ACK;
        event.cancel_ack.ref = frame->ref;
        event.cancel_ack.fate = frame->fate;
        event.cancel_ack.stopped_after = frame->stopped_after;
        event.cancel_ack.ran = frame->ran;
        break;
    case FRAME_LOAD:
        if (frame->draining && rng_chance(&world->rng, 0.5)) {
            event.kind = EVENT_WORKER_DRAIN;
            event.link = frame->conn->link;
            break;
        }
        event.kind = EVENT_WORKER_LOAD;
        event.load.link = frame->conn->link;
        event.load.running_count = frame->running_count;
        event.load.queued_count = frame->queued_count;
        event.load.draining = frame->draining;
        break;
    case FRAME_JOB:
    case FRAME_CANCEL: CHECK_UNREACHABLE();
    }
    world_step(world, &event);
}

static void
drop_held(struct world *world, struct conn *conn)
{
    for (int direction = 0; direction < 2; direction++) {
        while (!list_is_empty(&conn->held[direction])) {
            struct list_node *node = list_first(&conn->held[direction]);
            list_remove(&conn->held[direction], node);
            pool_give(&world->happening_pool, LIST_ENTRY(node, struct happening, on_held));
        }
    }
}

void
net_break(
    struct world *world, struct conn *conn, duration_t core_notices, duration_t worker_notices)
{
    if (conn->is_broken) {
        return;
    }
    conn->is_broken = true;
    drop_held(world, conn);
    if (conn->is_core_up && core_notices.ns != INT64_MAX) {
        world_plan(world, HAPPEN_CORE_NOTICE, core_notices)->conn = conn;
    }
    if (conn->is_worker_up) {
        world_plan(world, HAPPEN_WORKER_NOTICE, worker_notices)->conn = conn;
    }
}

void
net_core_notices(struct world *world, struct conn *conn)
{
    if (!conn->is_core_up || world->is_core_dead || conn->epoch != world->epoch) {
        return;
    }
    if (instant_before(world->now, world->asleep_until)) {
        world_plan(world, HAPPEN_CORE_NOTICE, instant_since(world->asleep_until, world->now))
            ->conn = conn;
        return;
    }
    WORLD_NOTE(world, "link %" PRIu64 " down", conn->link);
    world_step(world, &(struct core_event){ .kind = EVENT_WORKER_DOWN, .link = conn->link });
}

void
net_worker_notices(struct world *world, struct conn *conn)
{
    struct sim_worker *worker = &world->workers[conn->worker];
    if (!conn->is_worker_up || worker->incarnation != conn->incarnation) {
        return;
    }
    conn->is_worker_up = false;
    if (worker->conn == conn) {
        plan_dial(world, conn->worker, world_random(world, duration_ms(1), duration_ms(100)));
    }
}

void
net_release(struct world *world, struct conn *conn)
{
    for (int direction = 0; direction < 2; direction++) {
        conn->is_held[direction] = false;
        while (!list_is_empty(&conn->held[direction])) {
            struct list_node *node = list_first(&conn->held[direction]);
            list_remove(&conn->held[direction], node);
            struct happening *happening = LIST_ENTRY(node, struct happening, on_held);
            uint32_t lane =
                happening->frame.kind == FRAME_JOB || happening->frame.kind == FRAME_RESULT;
            if (conn->lane_ns[direction][lane] < world->now.ns) {
                conn->lane_ns[direction][lane] = world->now.ns;
            }
            /* Those still in flight come later, by their own time or by this order. */
            heap_push(&world->happenings, &happening->node, world->now.ns);
        }
    }
}

/* SPDX-License-Identifier: MIT
 *
 * A worker as the agent is: slots, a queue, tombstones, BUSY, acknowledgements, deadlines,
 * and the rule that what can no longer win is stopped.
 */
#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEARTBEATS_MISSED_MAX 3

static struct task *
find_task(struct sim_worker *worker, const struct attempt_ref *ref, uint64_t epoch);
static void take_job(struct world *world, struct sim_worker *worker, const struct frame *);
static void take_cancel(struct world *world, struct sim_worker *worker, const struct frame *);
static void start_task(struct world *world, struct sim_worker *worker, struct task *task);
static void end_task(struct world *world, struct sim_worker *worker, struct task *task);
static void start_queued(struct world *world, struct sim_worker *worker);

static uint32_t
index_of(const struct world *world, const struct sim_worker *worker)
{
    return (uint32_t) (worker - world->workers);
}

void
fleet_start(struct world *world, uint32_t index)
{
    struct sim_worker *worker = &world->workers[index];
    CHECK(worker->incarnation == 0);
    worker->incarnation = ++world->incarnation_next;
    worker->is_draining = false;
    worker->slowness = 1;
    worker->paused_until = world->now;
    struct happening *tick = world_plan(world, HAPPEN_TICK, world->config.heartbeat);
    tick->worker = index;
    tick->incarnation = worker->incarnation;
    WORLD_NOTE(world, "%s starts", worker->name);
    net_dial(world, index);
}

void
fleet_crash(struct world *world, uint32_t index)
{
    struct sim_worker *worker = &world->workers[index];
    WORLD_NOTE(world, "%s crashes", worker->name);
    worker->incarnation = 0;
    worker->running_count = 0;
    worker->queued_count = 0;
    memset(worker->tasks, 0, sizeof worker->tasks);
    memset(worker->tombs, 0, sizeof worker->tombs);
    struct conn *conn = worker->conn;
    worker->conn = NULL;
    if (conn != NULL) {
        conn->is_worker_up = false;
        net_break(
            world, conn, world_random(world, DURATION_ZERO, duration_ms(5)), DURATION_ZERO);
    }
    world_plan(world, HAPPEN_RESTART, world_random(world, duration_ms(1), duration_ms(400)))
        ->worker = index;
}

static struct task *
find_task(struct sim_worker *worker, const struct attempt_ref *ref, uint64_t epoch)
{
    for (uint32_t i = 0; i < WORLD_TASKS_MAX; i++) {
        struct task *task = &worker->tasks[i];
        if (task->state != TASK_FREE && task->ref.attempt == ref->attempt &&
            task->epoch == epoch && id_equal(task->ref.job, ref->job)) {
            return task;
        }
    }
    return NULL;
}

static struct tomb *
find_tomb(struct sim_worker *worker, const struct attempt_ref *ref, uint64_t epoch)
{
    for (uint32_t i = 0; i < WORLD_TOMBS_MAX; i++) {
        struct tomb *tomb = &worker->tombs[i];
        if (tomb->attempt == ref->attempt && tomb->epoch == epoch &&
            id_equal(tomb->job, ref->job)) {
            return tomb;
        }
    }
    return NULL;
}

static void
bury(
    struct sim_worker *worker, const struct attempt_ref *ref, uint64_t epoch, bool was_finished)
{
    worker->tombs[worker->tombs_next++ % WORLD_TOMBS_MAX] = (struct tomb){
        .job = ref->job, .attempt = ref->attempt, .epoch = epoch, .was_finished = was_finished
    };
}

static void
answer(struct world *world, const struct task *task, struct frame frame)
{
    frame.ref = task->ref;
    frame.conn = task->conn;
    net_send(world, TO_CORE, &frame);
}

void
fleet_take(struct world *world, const struct frame *frame)
{
    struct sim_worker *worker = &world->workers[frame->conn->worker];
    if (frame->kind == FRAME_JOB) {
        take_job(world, worker, frame);
    } else {
        take_cancel(world, worker, frame);
    }
}

static void
take_job(struct world *world, struct sim_worker *worker, const struct frame *frame)
{
    struct frame back = { .ref = frame->ref, .conn = frame->conn };
    if (find_tomb(worker, &frame->ref, frame->conn->epoch) != NULL) {
        return; /* its cancel overtook it, and was acknowledged */
    }
    struct task *task = NULL;
    for (uint32_t i = 0; i < WORLD_TASKS_MAX && task == NULL; i++) {
        task = worker->tasks[i].state == TASK_FREE ? &worker->tasks[i] : NULL;
    }
    bool has_slot = worker->running_count < worker->slots_count;
    bool has_place = worker->queued_count < worker->queue_max && !frame->is_hedge;
    bool refuses = world_has(world, FAULT_refuse) && rng_chance(&world->rng, 0.2);
    if (task == NULL || refuses || (!has_slot && !has_place)) {
        back.kind = FRAME_BUSY;
        net_send(world, TO_CORE, &back);
        return;
    }
    if (frame->budget.ns <= 0) {
        back.kind = FRAME_RESULT;
        back.status = REPLY_EXPIRED;
        net_send(world, TO_CORE, &back);
        return;
    }
    *task = (struct task){ .state = TASK_QUEUED,
        .serial = ++world->task_serial_next,
        .ref = frame->ref,
        .conn = frame->conn,
        .epoch = frame->conn->epoch,
        .handler = frame->handler,
        .deadline = instant_add(world->now, frame->budget),
        .told_at = INSTANT_NEVER };
    worker->queued_count++;
    if (has_slot) {
        start_task(world, worker, task);
    }
}

static void
plan_task(struct world *world, const struct sim_worker *worker, const struct task *task,
    duration_t after)
{
    struct happening *happening = world_plan(world, HAPPEN_TASK, after);
    happening->worker = index_of(world, worker);
    happening->task = (uint32_t) (task - worker->tasks);
    happening->task_serial = task->serial;
    happening->incarnation = worker->incarnation;
}

static void
start_task(struct world *world, struct sim_worker *worker, struct task *task)
{
    struct rng *rng = &world->rng;
    CHECK(task->state == TASK_QUEUED);
    task->state = TASK_RUNNING;
    worker->queued_count--;
    worker->running_count++;
    task->started_at = world->now;
    task->outcome = REPLY_OK;
    duration_t service = world_random(world, duration_us(200), duration_ms(15));
    if (rng_chance(rng, 0.05)) {
        service.ns *= 10;
    }
    service.ns = (int64_t) ((double) service.ns * worker->slowness);
    if (world_has(world, FAULT_fail) && rng_chance(rng, 0.15)) {
        task->outcome = REPLY_FAILED_RETRYABLE;
        service.ns /= 10;
    }
    if (world_has(world, FAULT_fail_final) && rng_chance(rng, 0.1)) {
        task->outcome = REPLY_FAILED_FINAL;
    }
    if (world_has(world, FAULT_hang) && rng_chance(rng, 0.05)) {
        service = DURATION_FOREVER;
    }
    task->ends_at = instant_min(instant_add(world->now, service), task->deadline);
    if (instant_reached(task->ends_at, task->deadline)) {
        task->outcome = REPLY_FAILED_RETRYABLE; /* the handler is stopped at its deadline */
    }
    answer(world, task, (struct frame){ .kind = FRAME_STARTED });
    plan_task(world, worker, task, instant_since(task->ends_at, world->now));
}

static void
take_cancel(struct world *world, struct sim_worker *worker, const struct frame *frame)
{
    struct frame back = { .kind = FRAME_ACK, .ref = frame->ref, .conn = frame->conn };
    struct task *task = find_task(worker, &frame->ref, frame->conn->epoch);
    if (task == NULL) {
        const struct tomb *tomb = find_tomb(worker, &frame->ref, frame->conn->epoch);
        back.fate = tomb != NULL && tomb->was_finished ? FATE_COMPLETED : FATE_NOT_SEEN;
        if (tomb == NULL) {
            bury(worker, &frame->ref, frame->conn->epoch, false);
        }
        net_send(world, TO_CORE, &back);
        return;
    }
    if (task->state == TASK_QUEUED) {
        back.fate = FATE_DEQUEUED;
        task->state = TASK_FREE;
        worker->queued_count--;
        net_send(world, TO_CORE, &back);
        return;
    }
    if (!instant_is_never(task->told_at)) {
        return; /* told twice */
    }
    task->told_at = world->now;
    duration_t lag = world_random(world, duration_us(10), duration_ms(2));
    if (world_has(world, FAULT_stubborn) && rng_chance(&world->rng, 0.2)) {
        lag = world_random(world, duration_ms(1), duration_ms(500));
    }
    plan_task(world, worker, task, lag);
}

/* A task's end: by itself, by its deadline, or some time after it was told to stop. */
void
fleet_on_task(struct world *world, const struct happening *happening)
{
    struct sim_worker *worker = &world->workers[happening->worker];
    struct task *task = &worker->tasks[happening->task];
    if (worker->incarnation != happening->incarnation ||
        task->serial != happening->task_serial || task->state != TASK_RUNNING) {
        return;
    }
    if (instant_before(world->now, worker->paused_until)) {
        plan_task(world, worker, task, instant_since(worker->paused_until, world->now));
        return;
    }
    struct frame back = { .ran = instant_since(world->now, task->started_at) };
    bool is_finished = instant_reached(world->now, task->ends_at);
    if (is_finished && (instant_is_never(task->told_at) || rng_chance(&world->rng, 0.5))) {
        back.kind = FRAME_RESULT;
        back.status = task->outcome;
        back.blob = task->outcome == REPLY_OK ? task->ref.link << 32 | task->serial : 0;
        answer(world, task, back);
    }
    if (!instant_is_never(task->told_at)) {
        back.kind = FRAME_ACK;
        back.fate = is_finished ? FATE_COMPLETED : FATE_STOPPED;
        back.stopped_after = instant_since(world->now, task->told_at);
        answer(world, task, back);
    }
    bury(worker, &task->ref, task->epoch, true);
    end_task(world, worker, task);
    start_queued(world, worker);
}

static void
end_task(struct world *world, struct sim_worker *worker, struct task *task)
{
    (void) world;
    if (task->state == TASK_RUNNING) {
        worker->running_count--;
    } else {
        worker->queued_count--;
    }
    task->state = TASK_FREE;
}

static void
start_queued(struct world *world, struct sim_worker *worker)
{
    while (worker->running_count < worker->slots_count && worker->queued_count > 0) {
        struct task *first = NULL;
        for (uint32_t i = 0; i < WORLD_TASKS_MAX; i++) {
            struct task *task = &worker->tasks[i];
            if (task->state == TASK_QUEUED && (first == NULL || task->serial < first->serial)) {
                first = task;
            }
        }
        CHECK(first != NULL);
        if (instant_reached(world->now, first->deadline)) {
            answer(
                world, first, (struct frame){ .kind = FRAME_RESULT, .status = REPLY_EXPIRED });
            end_task(world, worker, first);
        } else {
            start_task(world, worker, first);
        }
    }
}

void
fleet_stop_tasks(struct world *world, uint32_t index, uint64_t epoch_to_keep)
{
    struct sim_worker *worker = &world->workers[index];
    for (uint32_t i = 0; i < WORLD_TASKS_MAX; i++) {
        struct task *task = &worker->tasks[i];
        if (task->state != TASK_FREE && task->epoch != epoch_to_keep) {
            end_task(world, worker, task);
        }
    }
    start_queued(world, worker);
}

void
fleet_on_tick(struct world *world, uint32_t index)
{
    struct sim_worker *worker = &world->workers[index];
    struct happening *tick = world_plan(world, HAPPEN_TICK, world->config.heartbeat);
    tick->worker = index;
    tick->incarnation = worker->incarnation;
    if (instant_before(world->now, worker->paused_until)) {
        return;
    }
    struct conn *conn = worker->conn;
    bool is_up = conn != NULL && conn->is_worker_up;
    if (is_up && !conn->is_broken && !conn->is_held[TO_WORKER] && !conn->is_lossy[TO_WORKER] &&
        !world->is_core_dead && !instant_before(world->now, world->asleep_until)) {
        worker->heard_at = world->now; /* the coordinator's ping */
    }
    duration_t silence = instant_since(world->now, worker->heard_at);
    if (silence.ns > HEARTBEATS_MISSED_MAX * world->config.heartbeat.ns) {
        fleet_stop_tasks(world, index, UINT64_MAX);
        if (is_up) {
            WORLD_NOTE(world, "%s gives link %" PRIu64 " up", worker->name, conn->link);
            net_break(world, conn, world_random(world, DURATION_ZERO, duration_ms(500)),
                DURATION_ZERO);
        }
        return;
    }
    if (is_up) {
        net_send(world, TO_CORE,
            &(struct frame){ .kind = FRAME_LOAD,
                .conn = conn,
                .running_count = worker->running_count,
                .queued_count = worker->queued_count,
                .draining = worker->is_draining });
    }
}

void
fleet_check_idle(struct world *world)
{
    for (uint32_t i = 0; i < world->workers_count; i++) {
        if (world->workers[i].running_count + world->workers[i].queued_count != 0) {
            world_fail(world, "clause 6: %s still has work when all jobs are terminal",
                world->workers[i].name);
        }
    }
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static void set_scene(struct world *world);
static void run(struct world *world);
static bool is_quiet(const struct world *world);
static bool run_next(struct world *world);
static void happen(struct world *world, struct happening *happening);
static void feed(struct world *world, const struct core_event *event);
static void take_commands(struct world *world);
static void check_progress(struct world *world);

/* A failed CHECK of the core aborts, and a loop in it never ends; the simulator wants to say
 * which seed it was. */
static sigjmp_buf abort_escape;
static volatile sig_atomic_t is_abort_caught;

static void
on_signal(int signal_number)
{
    if (is_abort_caught) {
        siglongjmp(abort_escape, signal_number);
    }
}

struct world *
world_new(uint64_t seed, bool is_verbose)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        return NULL;
    }
    world->seed = seed;
    world->is_verbose = is_verbose;
    world->now.ns = 1000000000;
    world->asleep_until = world->now;
    rng_init(&world->rng, seed);
    heap_init(&world->happenings);
    world->conns = calloc(WORLD_CONNS_MAX, sizeof *world->conns);
    world->copies = calloc(WORLD_COPIES_MAX, sizeof *world->copies);
    if (world->conns == NULL || world->copies == NULL ||
        pool_init(&world->happening_pool, sizeof(struct happening), WORLD_EVENTS_MAX) !=
            ERR_OK) {
        world_free(world);
        return NULL;
    }
    set_scene(world);
    if (core_new(&world->config, &world->core) != ERR_OK) {
        world_free(world);
        return NULL;
    }
    return world;
}

void
world_free(struct world *world)
{
    if (world == NULL) {
        return;
    }
    core_free(world->core);
    pool_fini(&world->happening_pool);
    free(world->conns);
    free(world->copies);
    free(world);
}

duration_t
world_random(struct world *world, duration_t from, duration_t to)
{
    return duration_ns(
        from.ns + (int64_t) (rng_unit(&world->rng) * (double) (to.ns - from.ns)));
}

static void
set_scene(struct world *world)
{
    struct rng *rng = &world->rng;
    for (uint32_t fault = 0; fault < FAULT_COUNT; fault++) {
        world->faults_mask |= (uint32_t) rng_chance(rng, 0.4) << fault;
    }
    world->workers_count = 1 + rng_below(rng, WORLD_WORKERS_MAX);
    world->jobs_wanted = 20 + rng_below(rng, WORLD_JOBS_MAX - 40);
    world->chaos_ns = world_random(world, duration_ms(800), duration_ms(3000)).ns;

    core_config_default(&world->config);
    world->config.seed = rng_u64(rng);
    world->config.jobs_max = 8 + rng_below(rng, 40);
    world->config.finished_max = rng_below(rng, 24);
    world->config.finished_kept = world_random(world, duration_ms(50), duration_s(2));
    world->config.workers_max = WORLD_WORKERS_MAX;
    world->config.handlers_max = WORLD_HANDLERS;
    world->config.hedge_ratio = rng_chance(rng, 0.3) ? 0 : rng_unit(rng) * 0.5;
    world->config.hedge_burst = rng_below(rng, 8);
    if (rng_chance(rng, 0.5)) {
        world->config.hedge_work_burst = world_random(world, DURATION_ZERO, duration_ms(60));
    }
    world->config.ties_auto = rng_chance(rng, 0.3);
    world->config.attempts_max = 1 + rng_below(rng, 4);
    world->config.hedge_delay = rng_chance(rng, 0.3)
                                    ? duration_ns(-1)
                                    : world_random(world, DURATION_ZERO, duration_ms(40));
    world->config.samples_max = rng_below(rng, 16);
    world->config.hedge_samples_min = 1 + rng_below(rng, 30);
    world->config.hedge_policy =
        rng_chance(rng, 0.5) ? HEDGE_POLICY_QUANTILE : HEDGE_POLICY_SINGLER;
    world->config.hedge_quantile = 0.5 + 0.49 * rng_unit(rng);
    world->config.hedge_policy =
        rng_chance(rng, 0.5) ? HEDGE_POLICY_QUANTILE : HEDGE_POLICY_SINGLER;
    world->config.hedge_quantile = 0.5 + 0.49 * rng_unit(rng);
    world->config.hedge_samples_min = 2 + rng_below(rng, 30); /* so that a delay is learned */
    world->config.heartbeat = duration_ms(200);
    world->config.heartbeats_missed_max = 3;
    world->config.cancel_ack_max = world_random(world, duration_ms(10), duration_ms(60));
    world->epoch = 1;
}

bool
world_run(struct world *world)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
    struct sigaction before[2];
    sigaction(SIGABRT, &action, &before[0]);
    sigaction(SIGVTALRM, &action, &before[1]);
    struct itimerval patience = { .it_value.tv_sec = WORLD_CPU_S_MAX };
    setitimer(ITIMER_VIRTUAL, &patience, NULL);
    jmp_buf escape;
    world->escape = &escape;
    is_abort_caught = 1;
    int caught = sigsetjmp(abort_escape, 1);
    if (caught != 0) {
        snprintf(world->failure, sizeof world->failure,
            caught == SIGABRT ? "a CHECK of the core failed" : "one step never ends");
    } else if (setjmp(escape) == 0) {
        run(world);
    }
    is_abort_caught = 0;
    world->escape = NULL;
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){ 0 }, NULL);
    sigaction(SIGABRT, &before[0], NULL);
    sigaction(SIGVTALRM, &before[1], NULL);
    return world->failure[0] == '\0';
}

void
world_fail(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(world->failure, sizeof world->failure, format, args);
    va_end(args);
    longjmp(*world->escape, 1);
}

void
world_note(struct world *world, const char *format, ...)
{
    char *line = world->history[world->history_count++ % WORLD_HISTORY_MAX];
    int size = snprintf(line, WORLD_TEXT_SIZE, "%10.3f ms  ", (double) world->now.ns * 1e-6);
    va_list args;
    va_start(args, format);
    vsnprintf(line + size, WORLD_TEXT_SIZE - (size_t) size, format, args);
    va_end(args);
}

void
world_print_history(const struct world *world, FILE *out)
{
    uint64_t first =
        world->history_count > WORLD_HISTORY_MAX ? world->history_count - WORLD_HISTORY_MAX : 0;
    for (uint64_t i = first; i < world->history_count; i++) {
        fprintf(out, "%s\n", world->history[i % WORLD_HISTORY_MAX]);
    }
}

void
world_hash(struct world *world, uint64_t value)
{
    world->hash = (world->hash ^ value) * 0x100000001b3u;
    world->hash ^= world->hash >> 29;
}

struct happening *
world_plan(struct world *world, enum happening_kind kind, duration_t after)
{
    struct happening *happening = pool_take(&world->happening_pool);
    if (happening == NULL) {
        world_fail(world, "the simulator's own pool of happenings is empty");
    }
    happening->kind = kind;
    heap_push(&world->happenings, &happening->node,
        instant_add(world->now, duration_max(after, DURATION_ZERO)).ns);
    return happening;
}

/* ---- the loop ---- */

static void
run(struct world *world)
{
    chaos_start(world);
    int64_t heal_ns = world->now.ns + world->chaos_ns;
    int64_t end_ns = heal_ns + duration_ms(WORLD_HEAL_MS_MAX).ns;
    while (!(world->is_healing && is_quiet(world))) {
        if (!world->is_healing && world->now.ns >= heal_ns) {
            chaos_heal(world);
        }
        if (world->now.ns > end_ns) {
            ledger_check_end(world);
            world_fail(
                world, "not quiet %d s after everything healed", WORLD_HEAL_MS_MAX / 1000);
        }
        if (!run_next(world)) {
            break;
        }
    }
    ledger_check_end(world);
    fleet_check_idle(world);
    world_hash(world, world->steps_count);
}

/* All clients have spoken, all jobs are terminal, all copies ended, as far as the core
 * knows; and no worker has work left. */
static bool
is_quiet(const struct world *world)
{
    if (world->jobs_count < world->jobs_wanted || world->is_core_dead ||
        core_counters(world->core)->jobs_live_count > 0 ||
        core_counters(world->core)->attempts_live_count > 0) {
        return false;
    }
    for (uint32_t i = 0; i < world->workers_count; i++) {
        if (world->workers[i].running_count + world->workers[i].queued_count > 0) {
            return false;
        }
    }
    return true;
}

/* The earlier of the next happening and the core's next wish; false: nothing is left. */
static bool
run_next(struct world *world)
{
    struct heap_node *node = heap_first(&world->happenings);
    int64_t wake_ns = world->is_core_dead ? INT64_MAX : core_wake_at(world->core).ns;
    if (wake_ns != INT64_MAX && wake_ns < world->asleep_until.ns) {
        wake_ns = world->asleep_until.ns;
    }
    if (node == NULL && wake_ns == INT64_MAX) {
        return false;
    }
    if (node == NULL || wake_ns < node->key) {
        world->now.ns = wake_ns > world->now.ns ? wake_ns : world->now.ns;
        world_step(world, &(struct core_event){ .kind = EVENT_TIMER });
        return true;
    }
    int64_t key = node->key;
    heap_remove(&world->happenings, node);
    CHECK(key >= world->now.ns);
    world->now.ns = key;
    struct happening *happening = CONTAINER_OF(node, struct happening, node);
    world_hash(world, (uint64_t) key ^ (uint64_t) happening->kind);
    check_progress(world);
    happen(world, happening);
    return true;
}

static void
happen(struct world *world, struct happening *happening)
{
    switch (happening->kind) {
    case HAPPEN_FRAME: net_deliver(world, happening); return; /* frees or holds it */
    case HAPPEN_DIAL:
        if (world->workers[happening->worker].incarnation == happening->incarnation) {
            net_dial(world, happening->worker);
        }
        break;
    case HAPPEN_CORE_NOTICE: net_core_notices(world, happening->conn); break;
    case HAPPEN_WORKER_NOTICE: net_worker_notices(world, happening->conn); break;
    case HAPPEN_TICK:
        if (world->workers[happening->worker].incarnation == happening->incarnation) {
            fleet_on_tick(world, happening->worker);
        }
        break;
    case HAPPEN_TASK: fleet_on_task(world, happening); break;
    case HAPPEN_SUBMIT: chaos_on_submit(world); break;
    case HAPPEN_CHANGE: chaos_on_change(world, happening->job); break;
    case HAPPEN_FAULT: chaos_on_fault(world, happening); break;
    case HAPPEN_REPAIR: chaos_on_repair(world, happening); break;
    case HAPPEN_RESTART: fleet_start(world, happening->worker); break;
    case HAPPEN_CORE_BACK: chaos_core_back(world); break;
    }
    pool_give(&world->happening_pool, happening);
}

/* The core takes what is due before any event; the ledger must see the two apart. */
void
world_step(struct world *world, const struct core_event *event)
{
    if (event->kind != EVENT_TIMER) {
        world_catch_up(world);
    }
    feed(world, event);
}

void
world_catch_up(struct world *world)
{
    CHECK(!world->is_core_dead);
    while (instant_reached(world->now, core_wake_at(world->core))) {
        feed(world, &(struct core_event){ .kind = EVENT_TIMER });
    }
}

/* A world that stands still, or never comes to rest, is a finding: no seed may hang. */
static void
check_progress(struct world *world)
{
    if (world->progress_ns != world->now.ns) {
        world->progress_ns = world->now.ns;
        world->standing_count = 0;
    }
    if (++world->standing_count > WORLD_STANDING_MAX) {
        world_fail(world, "more than %d steps at one instant", WORLD_STANDING_MAX);
    }
    if (++world->turns_count > WORLD_TURNS_MAX) {
        world_fail(world, "more than %d steps in all", WORLD_TURNS_MAX);
    }
}

static void
feed(struct world *world, const struct core_event *event)
{
    check_progress(world);
    world->steps_count++;
    world_hash(world, (uint64_t) event->kind << 32 ^ (uint64_t) world->now.ns);
    if (world->coverage != NULL) {
        coverage_note(world->coverage, world, event);
    }
    ledger_expect(world, event);
    core_step(world->core, world->now, event);
    take_commands(world);
    ledger_check_step(world);
    if (event->kind == EVENT_STARTED) {
        ties_check(world, &event->ref);
    }
    starve_check(world);
    core_check(world->core);
}

static void
take_commands(struct world *world)
{
    struct core_command command;
    while (core_next_command(world->core, &command)) {
        uint64_t id;
        memcpy(&id, command.job.bytes + 8, sizeof id);
        world_hash(world, (uint64_t) command.kind ^ id << 8);
        ledger_command(world, &command);
        struct frame frame = { 0 };
        switch (command.kind) {
        case COMMAND_SEND:
            frame.kind = FRAME_JOB;
            frame.conn = net_find(world, command.send.link);
            frame.ref =
                (struct attempt_ref){ command.send.link, command.job, command.send.attempt };
            frame.handler = ledger_job(world, command.job)->handler;
            frame.is_hedge = command.send.kind == ATTEMPT_HEDGE;
            frame.budget = instant_until(world->now, command.send.deadline);
            world_hash(world, command.send.link);
            net_send(world, TO_WORKER, &frame);
            break;
        case COMMAND_CANCEL:
            frame.kind = FRAME_CANCEL;
            frame.conn = net_find(world, command.cancel.link);
            frame.ref = (struct attempt_ref){ command.cancel.link, command.job,
                command.cancel.attempt };
            frame.cause = command.cancel.cause;
            net_send(world, TO_WORKER, &frame);
            break;
        case COMMAND_CLOSE_WORKER: {
            struct conn *conn = net_find(world, command.close_worker.link);
            net_break(world, conn, DURATION_FOREVER,
                world_random(world, DURATION_ZERO, duration_ms(50)));
            break;
        }
        case COMMAND_ACCEPT:
        case COMMAND_REFUSE:
        case COMMAND_ANSWER:
        case COMMAND_FORGET: break;
        }
    }
}

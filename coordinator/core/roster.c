/* SPDX-License-Identifier: MIT */
#include "coordinator/core/roster.h"

#include "coordinator/core/attempt.h"
#include "coordinator/core/plant.h"
#include "coordinator/core/race.h"

#include <string.h>

static id_t128 name_key(const char *name);
static struct worker *find_by_name(const struct core *core, const char *name);
static struct worker *take_record(struct core *core, const char *name);
static void forget(struct core *core, struct worker *worker);
static void
learn_handlers(struct core *core, struct worker *worker, const struct event_worker_up *up);
static void count_handlers(struct core *core, const struct worker *worker, bool is_coming);
static duration_t suspect_after(const struct core *core);

/* FNV-1a, twice: a key for the map, not a defence. */
static id_t128
name_key(const char *name)
{
    uint64_t halves[2] = { 0xcbf29ce484222325u, 0x84222325cbf29ce4u };
    for (size_t i = 0; name[i] != '\0'; i++) {
        halves[0] = (halves[0] ^ (uint8_t) name[i]) * 0x100000001b3u;
        halves[1] = (halves[1] ^ (uint8_t) (name[i] + 1)) * 0x100000001b5u;
    }
    id_t128 key;
    memcpy(key.bytes, halves, sizeof key.bytes);
    return key;
}

struct worker *
roster_by_link(const struct core *core, worker_link_t link)
{
    uint32_t index;
    if (!map_get(&core->worker_by_link, map_key_u64(link), &index)) {
        return NULL;
    }
    return pool_at(&core->workers, index);
}

static struct worker *
find_by_name(const struct core *core, const char *name)
{
    uint32_t index;
    return map_get(&core->worker_by_name, name_key(name), &index)
               ? pool_at(&core->workers, index)
               : NULL;
}

void
roster_up(struct core *core, const struct event_worker_up *up)
{
    CHECK(roster_by_link(core, up->link) == NULL);
    char name[CORE_NAME_SIZE_MAX];
    core_copy_text(name, sizeof name, up->name);

    struct worker *worker = find_by_name(core, name);
    if (worker == NULL) {
        worker = take_record(core, name);
    } else if (worker->is_up) {
        roster_close(core, worker); /* it came back before its old connection was missed */
    }
    if (worker == NULL) {
        core_push(core, COMMAND_CLOSE_WORKER, (job_id_t){ { 0 } })->close_worker.link =
            up->link;
        return;
    }
    core_copy_text(worker->zone, sizeof worker->zone, up->zone != NULL ? up->zone : "");
    id_t128 zone_key = name_key(worker->zone);
    memcpy(&worker->zone_hash, zone_key.bytes, sizeof worker->zone_hash);
    worker->serial = ++core->serial_next;
    worker->link = up->link;
    worker->incarnation = up->incarnation;
    worker->is_up = true;
    worker->is_draining = false;
    worker->is_silent = false;
    worker->overdue_count = 0;
    worker->slots_count = up->slots_count > 0 ? up->slots_count : 1;
    worker->queue_max = up->queue_max;
    worker->foreign_count = 0;
    worker->running_count = 0;
    worker->queued_count = 0;
    worker->rtt = DURATION_ZERO;
    worker->up_at = core->now;
    worker->heard_at = core->now;
    worker->busy_until = core->now;
    bool is_put = map_put(
        &core->worker_by_link, map_key_u64(up->link), pool_index(&core->workers, worker));
    CHECK(is_put);
    learn_handlers(core, worker, up);
    count_handlers(core, worker, true);
    core_arm(core, &worker->timer, instant_add(core->now, suspect_after(core)));
    core_found_room(core, worker);
}

/* A fresh record, or that of a worker long dead; NULL when all are up. */
static struct worker *
take_record(struct core *core, const char *name)
{
    struct worker *worker = pool_take(&core->workers);
    if (worker == NULL) {
        struct worker *oldest = NULL;
        for (uint32_t i = 0; i < core->workers.count; i++) {
            struct worker *each = core->order[i];
            if (!each->is_up &&
                (oldest == NULL || instant_before(each->down_at, oldest->down_at))) {
                oldest = each;
            }
        }
        if (oldest == NULL) {
            return NULL;
        }
        forget(core, oldest);
        worker = pool_take(&core->workers);
    }
    *worker =
        (struct worker){ .timer.kind = TIMER_WORKER, .order_index = core->workers.count - 1 };
    core_copy_text(worker->name, sizeof worker->name, name);
    list_init(&worker->attempts);
    core->order[worker->order_index] = worker;
    bool is_put =
        map_put(&core->worker_by_name, name_key(name), pool_index(&core->workers, worker));
    CHECK(is_put);
    return worker;
}

static void
forget(struct core *core, struct worker *worker)
{
    CHECK(!worker->is_up);
    CHECK(list_is_empty(&worker->attempts));
    core_disarm(core, &worker->timer);
    map_remove(&core->worker_by_name, name_key(worker->name));
    struct worker *last = core->order[core->workers.count - 1];
    core->order[worker->order_index] = last;
    last->order_index = worker->order_index;
    pool_give(&core->workers, worker);
}

static struct handler *
learn_handler(struct core *core, const char *name)
{
    char cut[CORE_NAME_SIZE_MAX];
    core_copy_text(cut, sizeof cut, name);
    for (uint32_t i = 0; i < core->handlers_count; i++) {
        if (strcmp(core->handlers[i].name, cut) == 0) {
            return &core->handlers[i];
        }
    }
    if (core->handlers_count >= core->config.handlers_max) {
        return NULL;
    }
    struct handler *handler = &core->handlers[core->handlers_count];
    core_copy_text(handler->name, sizeof handler->name, cut);
    handler->index = core->handlers_count++;
    handler->learned.delay = duration_ns(-1);
    handler->learned.refresh_at = core->now;
    sketch_init(&handler->sketch, core->now);
    sketch_init(&handler->copies_sketch, core->now);
    return handler;
}

static void
learn_handlers(struct core *core, struct worker *worker, const struct event_worker_up *up)
{
    worker->handlers_mask = 0;
    worker->idempotent_mask = 0;
    worker->cpu_mask = 0;
    for (uint32_t i = 0; i < up->handlers_count && i < CORE_WORKER_HANDLERS_MAX; i++) {
        const struct handler *handler = learn_handler(core, up->handlers[i].name);
        if (handler == NULL) {
            continue; /* past handlers_max: nobody can ask for it here */
        }
        uint64_t bit = 1ull << handler->index;
        worker->handlers_mask |= bit;
        if ((up->handlers[i].flags & HANDLER_IDEMPOTENT) != 0) {
            worker->idempotent_mask |= bit;
        }
        if ((up->handlers[i].flags & HANDLER_CPU) != 0) {
            worker->cpu_mask |= bit;
        }
    }
}

/* A handler is idempotent only while every worker that has it says so. */
static void
count_handlers(struct core *core, const struct worker *worker, bool is_coming)
{
    if (is_coming) {
        core->slots_count += worker->slots_count;
    } else {
        core->slots_count -= worker->slots_count;
    }
    for (uint64_t mask = worker->handlers_mask; mask != 0; mask &= mask - 1) {
        struct handler *handler = &core->handlers[__builtin_ctzll(mask)];
        uint64_t bit = 1ull << handler->index;
        uint32_t is_idempotent = (worker->idempotent_mask & bit) != 0;
        uint32_t is_cpu = (worker->cpu_mask & bit) != 0;
        if (is_coming) {
            handler->counts.workers_count++;
            handler->idempotent_count += is_idempotent;
            handler->cpu_count += is_cpu;
        } else {
            handler->counts.workers_count--;
            handler->idempotent_count -= is_idempotent;
            handler->cpu_count -= is_cpu;
        }
        if (handler->counts.workers_count > 0) {
            handler->flags =
                (handler->idempotent_count == handler->counts.workers_count ? HANDLER_IDEMPOTENT
                                                                            : 0) |
                (handler->cpu_count > 0 ? HANDLER_CPU : 0);
        }
    }
}

void
roster_lose(struct core *core, struct worker *worker)
{
    CHECK(worker->is_up);
    if (!worker->is_draining) {
        count_handlers(core, worker, false);
    }
    worker->is_up = false;
    worker->down_at = core->now;
    bool is_removed = map_remove(&core->worker_by_link, map_key_u64(worker->link));
    CHECK(is_removed);
    while (!list_is_empty(&worker->attempts)) {
        race_lost(core, LIST_ENTRY(list_first(&worker->attempts), struct attempt, on_worker));
    }
    CHECK(worker->overdue_count == 0);
    core_arm(core, &worker->timer, instant_add(core->now, core->config.finished_kept));
}

void
roster_close(struct core *core, struct worker *worker)
{
    core_push(core, COMMAND_CLOSE_WORKER, (job_id_t){ { 0 } })->close_worker.link =
        worker->link;
    roster_lose(core, worker);
}

void
roster_drain(struct core *core, struct worker *worker)
{
    if (!worker->is_draining) {
        worker->is_draining = true;
        count_handlers(core, worker, false);
    }
}

void
roster_hear(struct core *core, struct worker *worker)
{
    CHECK(worker->is_up);
    worker->heard_at = core->now;
    if (worker->is_silent) {
        worker->is_silent = false;
        core_arm(core, &worker->timer, instant_add(core->now, suspect_after(core)));
        core_found_room(core, worker);
    }
}

void
roster_load(struct core *core, struct worker *worker, const struct event_load *load)
{
    roster_hear(core, worker);
    worker->running_count = load->running_count;
    worker->queued_count = load->queued_count;
    worker->rtt = load->rtt;
    /* Ours are still in our count when the worker counts them: the rest is of others. */
    uint64_t there = (uint64_t) load->running_count + load->queued_count;
    uint32_t ours = worker->attempts.count;
    worker->foreign_count = there > ours ? (uint32_t) (there - ours) : 0;
    worker->busy_until = core->now;
    if (load->draining) {
        roster_drain(core, worker);
    }
    core_found_room(core, worker);
}

void
roster_shun(struct core *core, struct worker *worker)
{
    worker->busy_until = instant_add(core->now, duration_ms(BUSY_SHUN_MS));
    if (!heap_node_is_in(&core->busy_timer.node)) {
        core_arm(core, &core->busy_timer, worker->busy_until);
    }
}

/* One timer for all: it goes on to the next of them. */
void
roster_on_busy_over(struct core *core)
{
    instant_t next = INSTANT_NEVER;
    for (uint32_t i = 0; i < core->workers.count; i++) {
        const struct worker *worker = core->order[i];
        if (worker->is_up && instant_before(core->now, worker->busy_until)) {
            next = instant_min(next, worker->busy_until);
        }
    }
    core_arm(core, &core->busy_timer, PLANTED(spin) ? core->now : next);
    core->needs_pump = true;
    core->is_pump_wide = true;
}

void
roster_on_timer(struct core *core, struct worker *worker)
{
    if (!worker->is_up) {
        forget(core, worker);
        return;
    }
    instant_t suspect_at = instant_add(worker->heard_at, suspect_after(core));
    instant_t dead_at = instant_add(worker->heard_at, roster_dead_after(core));
    if (instant_reached(core->now, dead_at) && !PLANTED(silent)) {
        roster_close(core, worker);
    } else if (instant_reached(core->now, suspect_at)) {
        worker->is_silent = true;
        core_arm(core, &worker->timer, dead_at);
    } else {
        core_arm(core, &worker->timer, suspect_at);
    }
}

void
roster_forgive(struct core *core)
{
    for (uint32_t i = 0; i < core->workers.count; i++) {
        struct worker *worker = core->order[i];
        if (!worker->is_up) {
            continue;
        }
        worker->heard_at = core->now;
        LIST_FOR_EACH(node, &worker->attempts)
        {
            struct attempt *attempt = LIST_ENTRY(node, struct attempt, on_worker);
            if (attempt->cancel_cause != CAUSE_NONE) {
                core_arm(core, &attempt->ack_timer,
                    instant_add(core->now, core->config.cancel_ack_max));
            }
        }
    }
}

enum worker_state
roster_state(const struct worker *worker)
{
    if (!worker->is_up) {
        return WORKER_DEAD;
    }
    if (worker->is_draining) {
        return WORKER_DRAINING;
    }
    return worker->is_silent || worker->overdue_count > 0 ? WORKER_SUSPECT : WORKER_LIVE;
}

uint32_t
roster_load_count(const struct worker *worker)
{
    return worker->attempts.count + worker->foreign_count;
}

static duration_t
suspect_after(const struct core *core)
{
    return duration_ns((int64_t) (SUSPECT_MISSED * (double) core->config.heartbeat.ns));
}

duration_t
roster_dead_after(const struct core *core)
{
    return duration_max(
        duration_ns(core->config.heartbeat.ns * core->config.heartbeats_missed_max),
        duration_ns(2 * core->config.cancel_ack_max.ns));
}

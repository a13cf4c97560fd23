/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/farm.h - modelled workers: slots, a queue behind them, a speed of their own.
 *
 *     farm_put --> slot free? --yes--> runs --> farm_first() when its time has come --.
 *                      '--no--> queue --'                               farm_take <---'
 *
 * A task that is put with a wait stands behind strangers' work for so long before that.
 *
 * A task knows from the beginning how long it will run; a worker that is slow makes that
 * longer, a stopped one never ends anything.  Several masters may use one farm: it knows
 * nothing of jobs but the owner's list that a task is on.
 *
 * OWNERSHIP  the farm's pool holds the tasks, from farm_put to farm_take
 * MEMORY     tasks_max tasks, allocated in farm_init
 */
#ifndef COORDINATOR_SIM_FARM_H
#define COORDINATOR_SIM_FARM_H

#include "common/pure/err.h"
#include "common/pure/heap.h"
#include "common/pure/list.h"
#include "common/pure/pool.h"
#include "common/pure/units.h"

struct farm_task {
    struct heap_node end; /* while it runs or waits; key: until when */
    struct list_node on_worker;
    struct list_node on_owner; /* the owner's; not in a list: nobody's, a stranger's load */
    void *owner;
    uint32_t worker;
    uint32_t attempt; /* the owner's */
    bool is_waiting;
    bool is_running;
    instant_t started_at;
    duration_t service;
};

struct farm_worker {
    struct list running;
    struct list queue;
    struct list waiting; /* behind others' work, which is not modelled */
    double slowness;     /* its times are so much longer */
    bool is_stopped;
};

struct farm {
    struct farm_worker *workers;
    uint32_t workers_count;
    uint32_t slots_count; /* of each */
    struct pool tasks;
    struct heap ends;
    double busy_ms;
    double wasted_ms;
    void (*on_start)(void *user, struct farm_task *task); /* after a wait; may be NULL */
    void *user;
};

/* Errors: NO_MEMORY. */
err_t farm_init(struct farm *farm, uint32_t workers_count, uint32_t slots_count,
    uint32_t tasks_max) MUST_USE;
void farm_fini(struct farm *farm);

struct farm_task *
farm_put(struct farm *farm, instant_t now, uint32_t worker, duration_t service);
/* The same, but behind others for a while. */
struct farm_task *farm_put_behind(
    struct farm *farm, instant_t now, uint32_t worker, duration_t service, duration_t wait);
/* The first's time has come: true: it had waited and goes on; false: it is done. */
bool farm_goes_on(struct farm *farm, instant_t now, struct farm_task *task);
/* Remove it, finished or not; a task of the queue takes its slot. */
void farm_take(struct farm *farm, instant_t now, struct farm_task *task, bool is_wasted);
/* Who ends next; NULL: nobody. */
struct farm_task *farm_first(const struct farm *farm);
/* Running and queued. */
uint32_t farm_load_count(const struct farm *farm, uint32_t worker);
void farm_stop(struct farm *farm, uint32_t worker);

#endif

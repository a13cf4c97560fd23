/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/farm.h"

#include "common/pure/check.h"

#include <stdlib.h>

static void start(struct farm *farm, instant_t now, struct farm_task *task);

err_t
farm_init(struct farm *farm, uint32_t workers_count, uint32_t slots_count, uint32_t tasks_max)
{
    CHECK(workers_count > 0);
    CHECK(slots_count > 0);
    *farm = (struct farm){ .workers_count = workers_count, .slots_count = slots_count };
    heap_init(&farm->ends);
    farm->workers = calloc(workers_count, sizeof *farm->workers);
    if (farm->workers == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < workers_count; i++) {
        list_init(&farm->workers[i].running);
        list_init(&farm->workers[i].queue);
        list_init(&farm->workers[i].waiting);
        farm->workers[i].slowness = 1;
    }
    return pool_init(&farm->tasks, sizeof(struct farm_task), tasks_max);
}

void
farm_fini(struct farm *farm)
{
    pool_fini(&farm->tasks);
    free(farm->workers);
    farm->workers = NULL;
}

static struct farm_task *
new_task(struct farm *farm, uint32_t worker, duration_t service)
{
    CHECK(worker < farm->workers_count);
    struct farm_task *task = pool_take(&farm->tasks);
    CHECK(task != NULL);
    *task = (struct farm_task){ .worker = worker, .service = service };
    return task;
}

static void
enter(struct farm *farm, instant_t now, struct farm_task *task)
{
    struct farm_worker *worker = &farm->workers[task->worker];
    if (worker->running.count < farm->slots_count) {
        start(farm, now, task);
    } else {
        list_append(&worker->queue, &task->on_worker);
    }
}

struct farm_task *
farm_put(struct farm *farm, instant_t now, uint32_t worker, duration_t service)
{
    struct farm_task *task = new_task(farm, worker, service);
    enter(farm, now, task);
    return task;
}

struct farm_task *
farm_put_behind(
    struct farm *farm, instant_t now, uint32_t worker, duration_t service, duration_t wait)
{
    struct farm_task *task = new_task(farm, worker, service);
    task->is_waiting = true;
    list_append(&farm->workers[worker].waiting, &task->on_worker);
    heap_push(&farm->ends, &task->end, now.ns + wait.ns);
    return task;
}

bool
farm_goes_on(struct farm *farm, instant_t now, struct farm_task *task)
{
    if (!task->is_waiting) {
        return false;
    }
    heap_remove(&farm->ends, &task->end);
    list_remove(&farm->workers[task->worker].waiting, &task->on_worker);
    task->is_waiting = false;
    enter(farm, now, task);
    if (task->is_running && farm->on_start != NULL) {
        farm->on_start(farm->user, task);
    }
    return true;
}

static void
start(struct farm *farm, instant_t now, struct farm_task *task)
{
    struct farm_worker *worker = &farm->workers[task->worker];
    list_append(&worker->running, &task->on_worker);
    task->is_running = true;
    task->started_at = now;
    if (!worker->is_stopped) {
        double takes_ns = (double) task->service.ns * worker->slowness;
        heap_push(&farm->ends, &task->end, now.ns + (int64_t) takes_ns);
    }
}

void
farm_take(struct farm *farm, instant_t now, struct farm_task *task, bool is_wasted)
{
    struct farm_worker *worker = &farm->workers[task->worker];
    if (heap_node_is_in(&task->end)) {
        heap_remove(&farm->ends, &task->end);
    }
    if (!task->is_running) {
        list_remove(task->is_waiting ? &worker->waiting : &worker->queue, &task->on_worker);
        pool_give(&farm->tasks, task);
        return;
    }
    list_remove(&worker->running, &task->on_worker);
    if (!worker->is_stopped) {
        double ran_ms = (double) instant_since(now, task->started_at).ns * 1e-6;
        farm->busy_ms += ran_ms;
        farm->wasted_ms += is_wasted ? ran_ms : 0;
    }
    pool_give(&farm->tasks, task);
    if (!list_is_empty(&worker->queue)) {
        struct farm_task *next =
            LIST_ENTRY(list_first(&worker->queue), struct farm_task, on_worker);
        list_remove(&worker->queue, &next->on_worker);
        start(farm, now, next);
        if (farm->on_start != NULL) {
            farm->on_start(farm->user, next);
        }
    }
}

struct farm_task *
farm_first(const struct farm *farm)
{
    struct heap_node *node = heap_first(&farm->ends);
    return node != NULL ? CONTAINER_OF(node, struct farm_task, end) : NULL;
}

uint32_t
farm_load_count(const struct farm *farm, uint32_t worker)
{
    const struct farm_worker *at = &farm->workers[worker];
    return at->running.count + at->queue.count + at->waiting.count;
}

void
farm_stop(struct farm *farm, uint32_t worker)
{
    farm->workers[worker].is_stopped = true;
    struct list *lists[] = { &farm->workers[worker].running, &farm->workers[worker].waiting };
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LIST_FOR_EACH(node, lists[i])
        {
            struct farm_task *task = LIST_ENTRY(node, struct farm_task, on_worker);
            if (heap_node_is_in(&task->end)) {
                heap_remove(&farm->ends, &task->end);
            }
        }
    }
}

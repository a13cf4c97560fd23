/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/registry.h - the handlers of this worker, by name.
 *
 * Filled in main, before the first job; read-only from then on.
 *
 * THREADS  registry_add: one, before the others; the rest: any
 */
#ifndef WORKER_HANDLERS_REGISTRY_H
#define WORKER_HANDLERS_REGISTRY_H

#include "worker/handlers/run.h"

#define REGISTRY_HANDLERS_MAX  64
#define REGISTRY_NAME_SIZE_MAX 64

/* The first two are what a worker tells its coordinator (the numbers of the wire). */
#define HANDLER_IDEMPOTENT 1u /* may run more than once: hedged, retried, re-dispatched */
#define HANDLER_CPU        2u /* burns CPU: one slot a core */
/* Its fiber is not under run->ctx, so nothing that it waits for is interrupted: it hooks
 * run->ctx itself and sees to its own end.  For what must be waited for to its very end,
 * such as a process that is being stopped. */
#define HANDLER_STOPS_ITSELF 0x100u
#define HANDLER_WIRE_FLAGS   (HANDLER_IDEMPOTENT | HANDLER_CPU)

struct handler {
    char name[REGISTRY_NAME_SIZE_MAX];
    uint32_t flags;
    void (*run)(struct run *run, void *user);
    void (*free)(void *user); /* of registry_free; NULL: nothing to do */
    void *user;
};

struct registry;

err_t registry_new(struct registry **ret_registry) MUST_USE;
void registry_free(struct registry *registry);
/* Copies the struct; user is taken on success.
 * Errors: INVALID (a name is 1 to 63 of a-z A-Z 0-9 . _ -, and starts with a letter or a
 * digit), EXISTS, FULL. */
err_t registry_add(struct registry *registry, const struct handler *handler) MUST_USE;
/* NULL when there is none; borrowed until registry_free. */
const struct handler *registry_find(const struct registry *registry, const char *name);
uint32_t registry_count(const struct registry *registry);
const struct handler *registry_at(const struct registry *registry, uint32_t index);

#endif

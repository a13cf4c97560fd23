/* SPDX-License-Identifier: MIT */
#include "worker/handlers/registry.h"

#include <stdlib.h>

struct registry {
    uint32_t handlers_count;
    struct handler handlers[REGISTRY_HANDLERS_MAX];
};

err_t
registry_new(struct registry **ret_registry)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        return ERR_NO_MEMORY;
    }
    *ret_registry = registry;
    return ERR_OK;
}

void
registry_free(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    for (uint32_t i = 0; i < registry->handlers_count; i++) {
        const struct handler *handler = &registry->handlers[i];
        if (handler->free != NULL) {
            handler->free(handler->user);
        }
    }
    free(registry);
}

static bool
is_name_char(char byte, bool is_first)
{
    bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                    (byte >= '0' && byte <= '9');
    return is_plain || (!is_first && (byte == '.' || byte == '_' || byte == '-'));
}

static bool
is_name(const char *name)
{
    size_t size = strnlen(name, REGISTRY_NAME_SIZE_MAX);
    if (size == 0 || size == REGISTRY_NAME_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!is_name_char(name[i], /* is_first= */ i == 0)) {
            return false;
        }
    }
    return true;
}

err_t
registry_add(struct registry *registry, const struct handler *handler)
{
    CHECK(handler->run != NULL);
    if (!is_name(handler->name)) {
        return ERR_INVALID;
    }
    if (registry_find(registry, handler->name) != NULL) {
        return ERR_EXISTS;
    }
    if (registry->handlers_count == REGISTRY_HANDLERS_MAX) {
        return ERR_FULL;
    }
    registry->handlers[registry->handlers_count++] = *handler;
    return ERR_OK;
}

const struct handler *
registry_find(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->handlers_count; i++) {
        if (strcmp(registry->handlers[i].name, name) == 0) {
            return &registry->handlers[i];
        }
    }
    return NULL;
}

uint32_t
registry_count(const struct registry *registry)
{
    return registry->handlers_count;
}

const struct handler *
registry_at(const struct registry *registry, uint32_t index)
{
    CHECK(index < registry->handlers_count);
    return &registry->handlers[index];
}

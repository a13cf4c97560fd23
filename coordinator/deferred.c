/* SPDX-License-Identifier: MIT */
#include "coordinator/deferred.h"

#include <stdlib.h>

static uint32_t
entries_count(const struct core_config *config)
{
    return (config->jobs_max + config->finished_max) * CORE_ATTEMPTS_MAX + config->workers_max;
}

size_t
deferred_memory_size(const struct core_config *config)
{
    return entries_count(config) * sizeof(struct deferred_entry);
}

err_t
deferred_init(struct deferred *deferred, const struct core_config *config)
{
    uint32_t max = entries_count(config);
    *deferred = (struct deferred){ .entries = calloc(max, sizeof *deferred->entries) };
    deferred->max = deferred->entries != NULL ? max : 0;
    return deferred->entries != NULL ? ERR_OK : ERR_NO_MEMORY;
}

void
deferred_fini(struct deferred *deferred)
{
    free(deferred->entries);
    *deferred = (struct deferred){ 0 };
}

static void
push(struct deferred *deferred, struct deferred_entry entry)
{
    CHECK(deferred->count < deferred->max); /* Q1 */
    deferred->entries[(deferred->first + deferred->count) % deferred->max] = entry;
    deferred->count++;
}

void
deferred_push_busy(struct deferred *deferred, const struct attempt_ref *ref)
{
    CHECK(ref->attempt > 0);
    push(deferred,
        (struct deferred_entry){ .link = ref->link, .job = ref->job, .attempt = ref->attempt });
}

void
deferred_push_down(struct deferred *deferred, worker_link_t link)
{
    push(deferred, (struct deferred_entry){ .link = link });
}

struct core_event
deferred_take(struct deferred *deferred)
{
    CHECK(deferred->count > 0);
    const struct deferred_entry *entry = &deferred->entries[deferred->first];
    deferred->first = (deferred->first + 1) % deferred->max;
    deferred->count--;
    if (entry->attempt == 0) {
        return (struct core_event){ .kind = EVENT_WORKER_DOWN, .link = entry->link };
    }
    return (struct core_event){ .kind = EVENT_BUSY,
        .ref = { .link = entry->link, .job = entry->job, .attempt = entry->attempt } };
}

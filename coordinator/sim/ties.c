/* SPDX-License-Identifier: MIT
 *
 * The ledger's view of tied copies: sent only beside one that waits, charged only if both
 * start, and told to leave in the step in which the twin's start is heard.
 */
#include "coordinator/sim/world.h"

static bool
is_of_pair(const struct sim_job *job, const struct copy *copy)
{
    return job->tie_number != 0 &&
           (copy->number == job->tie_number || copy->number == job->tied_number);
}

void
ties_sent(struct world *world, struct sim_job *job, const struct copy *tie)
{
    uint32_t number = (uint32_t) (job - world->jobs) + 1;
    bool may_tie = job->policy.mode == MODE_TIED ||
                   (job->policy.mode == MODE_HEDGE && world->config.ties_auto);
    if (!may_tie) {
        world_fail(world, "job %u: a tie that nobody asked for", number);
    }
    const struct copy *first = NULL;
    for (const struct copy *copy = tie->next; copy != NULL; copy = copy->next) {
        if (copy->is_live && (first != NULL || copy->has_started)) {
            world_fail(world, "job %u: a tie beside %s", number,
                first != NULL ? "two copies" : "one that has started");
        }
        first = copy->is_live ? copy : first;
    }
    if (first == NULL) {
        world_fail(world, "job %u: a tie beside nothing", number);
    }
    job->tied_number = first->number;
    job->tie_number = tie->number;
    job->is_tie_open = true;
}

void
ties_started(struct world *world, const struct attempt_ref *ref)
{
    struct copy *copy = ledger_copy(world, ref);
    if (copy != NULL && copy->is_live) {
        copy->has_started = true;
    }
}

void
ties_ended(struct world *world, const struct copy *copy, bool did_nothing)
{
    struct sim_job *job = &world->jobs[copy->job];
    if (did_nothing && job->is_tie_open && is_of_pair(job, copy)) {
        job->is_tie_open = false;
        job->charged_count--;
        world->charged_count--;
    }
}

/* After a step: no two of a pair are heard to run, and let run. */
void
ties_check(struct world *world, const struct attempt_ref *started)
{
    const struct copy *copy = ledger_copy(world, started);
    const struct sim_job *job = copy != NULL ? &world->jobs[copy->job] : NULL;
    if (job == NULL || !copy->is_live || job->is_answered || !is_of_pair(job, copy) ||
        !instant_is_never(copy->told_at)) {
        return;
    }
    for (const struct copy *twin = job->copies; twin != NULL; twin = twin->next) {
        if (twin != copy && twin->is_live && is_of_pair(job, twin) &&
            instant_is_never(twin->told_at)) {
            world_fail(world, "job %u.%u started, and its twin was not told", copy->job + 1,
                copy->number);
        }
    }
}

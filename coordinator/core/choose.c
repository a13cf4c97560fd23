/* SPDX-License-Identifier: MIT */
#include "coordinator/core/plant.h"
#include "coordinator/core/roster.h"

/* Smaller is better: classes first, then load / slots. */
struct rank {
    uint32_t classes;
    uint32_t load;
    uint32_t slots;
};

#define CLASS_USED      8u /* has had a copy of this job */
#define CLASS_SUSPECT   4u
#define CLASS_NO_SLOT   2u
#define CLASS_SAME_ZONE 1u

/* Negative, zero or positive. */
static int
rank_compare(const struct rank *a, const struct rank *b)
{
    if (a->classes != b->classes) {
        return a->classes < b->classes ? -1 : 1;
    }
    uint64_t left = (uint64_t) a->load * b->slots;
    uint64_t right = (uint64_t) b->load * a->slots;
    return left < right ? -1 : left > right;
}

/* What the job's other copies say about this worker; false: one of them runs there. */
static bool
rank_by_rivals(const struct job *job, const struct worker *worker, struct rank *rank)
{
    LIST_FOR_EACH(node, &job->attempts)
    {
        const struct attempt *rival = LIST_ENTRY(node, struct attempt, on_job);
        if (rival->is_live && rival->worker == worker && !PLANTED(same)) {
            return false;
        }
        if (rival->worker_serial == worker->serial) {
            rank->classes |= CLASS_USED;
        }
        if (rival->zone_hash == worker->zone_hash) {
            rank->classes |= CLASS_SAME_ZONE;
        }
    }
    return true;
}

/* False: it cannot take a copy of this job now. */
static bool
rank_worker(const struct core *core, const struct job *job, const struct worker *worker,
    enum choice choice, struct rank *ret_rank)
{
    enum worker_state state = roster_state(worker);
    if ((worker->handlers_mask >> job->handler->index & 1) == 0 ||
        (state != WORKER_LIVE && state != WORKER_SUSPECT && !PLANTED(drain)) ||
        instant_before(core->now, worker->busy_until)) {
        return false;
    }
    struct rank rank = { .load = roster_load_count(worker), .slots = worker->slots_count };
    uint32_t ahead =
        worker->queue_max < worker->slots_count ? worker->queue_max : worker->slots_count;
    if (rank.load >= rank.slots) {
        if ((choice == CHOICE_FREE_SLOT && !PLANTED(slot)) || state == WORKER_SUSPECT ||
            rank.load >= (uint64_t) rank.slots + ahead + PLANTED(overfill)) {
            return false;
        }
        rank.classes |= CLASS_NO_SLOT;
    }
    if (state == WORKER_SUSPECT) {
        if (choice == CHOICE_FREE_SLOT) {
            return false;
        }
        rank.classes |= CLASS_SUSPECT;
    }
    if (!list_is_empty(&job->attempts) && !rank_by_rivals(job, worker, &rank)) {
        return false;
    }
    *ret_rank = rank;
    return true;
}

struct contest {
    struct worker *best;
    struct rank rank;
    uint32_t equals_count;
};

static void
contest_enter(
    struct contest *contest, struct core *core, struct worker *worker, const struct rank *rank)
{
    int order = contest->best == NULL ? -1 : rank_compare(rank, &contest->rank);
    if (order < 0) {
        *contest = (struct contest){ .best = worker, .rank = *rank, .equals_count = 1 };
    } else if (order == 0 && rng_below(&core->rng, ++contest->equals_count) == 0) {
        contest->best = worker; /* each of n equals wins with 1/n */
    }
}

struct worker *
roster_freed(struct core *core, const struct job *job)
{
    struct rank rank;
    if (core->freed_index >= core->workers.count) {
        return NULL;
    }
    struct worker *worker = core->order[core->freed_index];
    return rank_worker(core, job, worker, CHOICE_ANY, &rank) ? worker : NULL;
}

bool
roster_has_room(const struct core *core, const struct job *job)
{
    struct rank rank;
    for (uint32_t i = 0; i < core->workers.count; i++) {
        if (rank_worker(core, job, core->order[i], CHOICE_ANY, &rank)) {
            return true;
        }
    }
    return false;
}

/* Few workers: look at all.  Many: the best of a random stretch, which is nearly as good
 * (the power of d choices) and costs the same at any size; more of them only until one has
 * room. */
struct worker *
roster_choose(struct core *core, const struct job *job, enum choice choice)
{
    uint32_t count = core->workers.count;
    if (count == 0) {
        return NULL;
    }
    struct contest contest = { 0 };
    uint32_t start = count > CHOICE_SCAN_MAX ? rng_below(&core->rng, count) : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i >= CHOICE_SCAN_MAX && contest.best != NULL) {
            break;
        }
        uint32_t at = start + i < count ? start + i : start + i - count;
        struct worker *worker = core->order[at];
        struct rank rank;
        if (rank_worker(core, job, worker, choice, &rank)) {
            contest_enter(&contest, core, worker, &rank);
        }
    }
    return contest.best;
}

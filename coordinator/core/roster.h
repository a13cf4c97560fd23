/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/roster.h - the workers: who is there, is trusted, gets the next copy.
 *
 *             silent for 1.5 heartbeats, or a cancel overdue
 *     LIVE <------------------------------------------------> SUSPECT
 *      |        heard again, and every overdue cancel settled     |
 *      |                                                          |  silent for
 *   DRAINING (asked for no more work)                             |  heartbeats_missed_max, or
 *      |                                                          v  overdue for as long
 *      '---------------- connection lost ----------------------> DEAD
 *
 * A copy that was told to stop and did not say that it stopped still counts as load: a
 * worker that hangs fills up by itself and is chosen less, before anybody suspects it.
 *
 * Choice: trusted before suspect, a free slot before a place in the worker's queue, a worker
 * that has not had this job before one that has, another zone before the same (for a copy),
 * then the least load for each slot; equals by lot.  At most as many copies as slots are
 * sent ahead into a worker's own queue: enough that no slot waits for the network, and no
 * more, since what lies there cannot be given to whoever is free first.
 *
 * REJECTED  a suspect's queue as the last resort: what is sent to a stopped worker hangs,
 *           while the coordinator's own queue goes to whoever is free next.
 */
#ifndef COORDINATOR_CORE_ROSTER_H
#define COORDINATOR_CORE_ROSTER_H

#include "coordinator/core/state.h"

struct worker *roster_by_link(const struct core *core, worker_link_t link);
void roster_up(struct core *core, const struct event_worker_up *up);
/* Its connection is gone: so are the copies that it had. */
void roster_lose(struct core *core, struct worker *worker);
/* Close its connection, then the same. */
void roster_close(struct core *core, struct worker *worker);
void roster_drain(struct core *core, struct worker *worker);
/* Any frame of it proves that it lives. */
void roster_hear(struct core *core, struct worker *worker);
void roster_load(struct core *core, struct worker *worker, const struct event_load *load);
/* It said BUSY: leave it alone for a moment. */
void roster_shun(struct core *core, struct worker *worker);
void roster_on_busy_over(struct core *core);
void roster_on_timer(struct core *core, struct worker *worker);
/* The owner of the core slept: nobody could be heard meanwhile, so nobody is to blame. */
void roster_forgive(struct core *core);

enum worker_state roster_state(const struct worker *worker);
/* Copies there, as far as is known: ours, and those of other coordinators. */
uint32_t roster_load_count(const struct worker *worker);
duration_t roster_dead_after(const struct core *core);

enum choice {
    CHOICE_ANY,      /* the only copy: any room, a suspect's free slot as the last resort */
    CHOICE_FREE_SLOT /* a copy beside others: a trusted worker's free slot, or none */
};
/* The worker of core_found_room(), if it can take the job's only copy; else NULL.  While
 * jobs wait nobody else has room, so nobody else need be looked at. */
struct worker *roster_freed(struct core *core, const struct job *job);
/* Could anybody take the job's only copy?  O(workers): for core_check. */
bool roster_has_room(const struct core *core, const struct job *job);
/* For one more copy of the job, never beside a live one of it; NULL when there is no room. */
struct worker *roster_choose(struct core *core, const struct job *job, enum choice choice);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/durable.h - jobs that outlive the process: between the API, the store and the
 * core.
 *
 *                 on disk          its time has come,           terminal      on disk
 *     INSERTING ----------> WAITING -----------------> RUNNING ---------> ENDING -----> told
 *         |                  ^   |     the core has room   |                ^
 *         | not written      |   '-- LOADING, STARTING     |                |
 *         v                  '------- refused: later ------'     cancelled, too late
 *      refused
 *
 * The core runs such a job like any other and knows nothing of disks.  Here it is decided
 * when the core gets it, and that nobody hears of anything that a crash could undo: the
 * submit is acknowledged after the INSERT, the end is told after the FINISH; until then GET
 * shows a job that runs.
 *
 * After a restart all that has not ended comes back from the store.  A job that may run more
 * than once is run again.  One that may not is marked STARTED before its first copy leaves; if
 * it comes back so, nobody can know whether it ran: it ends as UNKNOWN_OUTCOME.
 *
 * INVARIANTS  U1  a job's slot has an entry in the ledger, until it is told
 *             U2  an ANSWER of the core's is told only after its FINISH
 * THREADS     loop
 * MEMORY      jobs_max slots, made at the start; the rest of a larger backlog stays on disk
 *             and is fetched as slots fall free
 */
#ifndef COORDINATOR_DURABLE_H
#define COORDINATOR_DURABLE_H

#include "coordinator/http/api.h"
#include "coordinator/store/store.h"

struct durable;
struct shell;

struct durable_config {
    const char *url;    /* of the store */
    uint32_t batch_max; /* operations of one transaction */
    uint32_t jobs_max;  /* not ended, in memory */
    duration_t kept;    /* ended ones, on disk */
};

struct durable_counters {
    uint64_t accepted_count;
    uint64_t recovered_count;
    uint64_t ended_count;
    uint64_t unknown_count; /* UNKNOWN_OUTCOME */
    uint64_t refused_count; /* submits: full, or not written */
    uint32_t live_count;
};

/* Errors: those of store_open; logged. */
err_t durable_open(struct shell *shell, const struct durable_config *config,
    struct durable **ret_durable) MUST_USE;
void durable_close(struct durable *durable);
/* Nothing new is given to the core; what runs and is cancelled by the drain is left for the
 * next start. */
void durable_drain(struct durable *durable);
/* No INSERT and no FINISH is under way. */
bool durable_is_idle(const struct durable *durable);
/* false: what an earlier process left is still being read. */
bool durable_is_recovered(const struct durable *durable);

struct entry;
/* The ledger has the entry, and the ticket waits on it.  false: refused as *ret_refuse says,
 * and nothing was done.  tell_accepted: the ticket, once it is on disk. */
bool
durable_submit(struct durable *durable, struct entry *entry, const struct api_submit *submit,
    api_ticket_t tell_accepted, struct core_command *ret_refuse);
/* Of a durable job, by the core. */
/* true: tell who waits now; false: once its end is on disk, by shell_step_tell(). */
bool durable_on_answer(struct durable *durable, struct entry *entry, enum job_state state);
/* false: the ledger's entry must stay for now. */
bool durable_on_forget(struct durable *durable, struct entry *entry);
/* Our own end stopped it: it runs again after the next start. */
bool durable_is_put_off(const struct durable *durable, job_id_t id);
/* false: it is still on its way there, and nobody may be told that it was taken. */
bool durable_is_on_disk(const struct durable *durable, job_id_t id);
/* How the job looks to others; false: it is none of ours. */
bool durable_view(const struct durable *durable, job_id_t id, struct job_view *ret_view);
/* true: it was ours to cancel, since the core has not got it. */
bool durable_cancel(struct durable *durable, job_id_t id, enum cancel_cause cause);
/* Look in the store; api_recalled() answers. false: no room for another look. */
bool
durable_recall(struct durable *durable, api_ticket_t ticket, const struct api_recall *recall);
void durable_counters(const struct durable *durable, struct durable_counters *ret_durable,
    struct store_counters *ret_store);

#endif

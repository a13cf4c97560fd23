/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/job.h - a job's record: taken, waiting, ended, settled, collected.
 *
 *   SUBMIT -> QUEUED --first SEND--> RUNNING --> terminal --no copy live--> settled --> gone
 *               |                       |           ^
 *               '-----------------------'-----------'  answered at this edge, once
 */
#ifndef COORDINATOR_CORE_JOB_H
#define COORDINATOR_CORE_JOB_H

#include "coordinator/core/state.h"

/* NULL when it was never taken, or is collected. */
struct job *job_find(const struct core *core, job_id_t id);
/* false: *ret_refuse is what SUBMIT would be answered; true: *ret_deadline. */
bool job_is_acceptable(const struct core *core, const struct event_submit *submit,
    struct core_command *ret_refuse, instant_t *ret_deadline);
/* From now on this handler is hedged so. */
void job_set_hedging(struct core *core, const struct event_hedging *hedging);
/* Answer with ACCEPT or REFUSE. */
void job_submit(struct core *core, const struct event_submit *submit);
/* Ask for another copy: queued now, or once backoff_until is reached. */
void job_wait(struct core *core, struct job *job, enum attempt_kind wanted);
/* Answer, tell all live copies to stop, doom the children. */
void job_end(struct core *core, struct job *job, enum job_state state, blob_t blob);
/* End it because of a cause from outside. */
void job_cancel(struct core *core, struct job *job, enum cancel_cause cause);
/* One of its copies ended: if it is terminal and none is live, it may be collected. */
void job_settle(struct core *core, struct job *job);
void job_fail(struct core *core, struct job *job, const char *message);
/* Arm its timer for what comes first: deadline, hedge, end of a back-off. */
void job_rearm(struct core *core, struct job *job);
void job_on_timer(struct core *core, struct job *job);
void job_collect_due(struct core *core);
/* End the children of what ended in this step. */
void job_reap_doomed(struct core *core);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/attempt.h - one copy at one worker, from its SEND to its end.
 *
 *              STARTED                 REPLY ok
 *   QUEUED ------------> RUNNING ----------------------> WON
 *     |                     |------ REPLY failed ------> FAILED
 *     |------ BUSY ---------+--------------------------> BUSY
 *     |------ worker lost --+--------------------------> UNREACHABLE
 *     |
 *     '--- told to stop ----- acknowledged ------------> LOST (a rival's answer counted)
 *            |        |                                  STOPPED (any other cause)
 *            |        |------ finished all the same ---> LATE
 *            |        '------ worker lost -------------> ABANDONED
 *            '--- not acknowledged in time: its worker is suspect, then closed
 */
#ifndef COORDINATOR_CORE_ATTEMPT_H
#define COORDINATOR_CORE_ATTEMPT_H

#include "coordinator/core/state.h"

/* The budget has been asked already, where it must be. */
void
attempt_send(struct core *core, struct job *job, struct worker *worker, enum attempt_kind kind);
/* The copy that a frame names, on that very link; NULL when there was none such. */
struct attempt *attempt_find(const struct core *core, const struct attempt_ref *ref);
/* Tell it to stop; once only. */
void attempt_cancel(struct core *core, struct attempt *attempt, enum cancel_cause cause);
/* It is live no more; what the worker reported (ran, cpu) has been noted before. */
void attempt_end(struct core *core, struct attempt *attempt, enum attempt_state state);
/* Its cancel was not acknowledged in time. */
void attempt_on_timer(struct core *core, struct attempt *attempt);

#endif

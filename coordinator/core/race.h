/* SPDX-License-Identifier: MIT
 *
 * coordinator/core/race.h - what a job does when one of its copies reports.
 *
 *   ok               it counts; the rivals are told to stop
 *   final failure    it counts as well: the job failed
 *   other failure    a rival alive? wait for it; else a retry elsewhere, if idempotent,
 *                    within attempts_max and the budget; else the job failed
 *   busy, expired    nothing ran: another worker, free of charge, after a growing pause
 *   worker lost      a rival alive? wait; else replaced free of charge, if idempotent, at
 *                    most LOSSES_MAX times; else failed with an unknown outcome
 *
 * What names no live copy is late, repeated or forged: counted and dropped.
 */
#ifndef COORDINATOR_CORE_RACE_H
#define COORDINATOR_CORE_RACE_H

#include "coordinator/core/state.h"

void race_started(struct core *core, const struct attempt_ref *ref);
void race_reply(struct core *core, const struct event_reply *reply);
void race_busy(struct core *core, const struct attempt_ref *ref);
void race_cancel_ack(struct core *core, const struct event_cancel_ack *ack);
/* Its worker is gone. */
void race_lost(struct core *core, struct attempt *attempt);

#endif

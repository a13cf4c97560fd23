/* SPDX-License-Identifier: MIT
 *
 * coordinator/client/problem.h - say in one outcome and one sentence how a call ended.
 *
 *     transport's err --.
 *     HTTP status -------+--> outcome, code, message, job_id
 *     problem+json body -'
 *
 * A 502, 503 or 504 without a problem comes from a proxy in between: nothing is known of
 * the job then, and the coordinator is what could not be reached.
 */
#ifndef COORDINATOR_CLIENT_PROBLEM_H
#define COORDINATOR_CLIENT_PROBLEM_H

#include "common/pure/err.h"
#include "coordinator/client/hedgerow.h"

/* Reads the reply's status and body; detail: the transport's own words. */
void
problem_judge(struct hedgerow_reply *reply, err_t err, const char *detail, const char *server);

#endif

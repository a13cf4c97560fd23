/* SPDX-License-Identifier: MIT
 *
 * worker/frames.h - word the frames that speak of a copy.
 *
 * THREADS  any; no state.   OWNERSHIP  a RESULT's bulk is borrowed from the run.
 */
#ifndef WORKER_FRAMES_H
#define WORKER_FRAMES_H

#include "proto/wire.h"
#include "worker/attempts.h"
#include "worker/handlers/run.h"

/* The frame of a farewell; run: what its handler said, NULL when it never ran here or has
 * been forgotten.  false: nothing is said. */
bool frames_farewell(const struct attempts_farewell *farewell, const struct run *run,
    const struct wire_attempt *id, struct wire_msg *ret_msg);
/* A failure without a run. */
void frames_failure(const struct wire_attempt *id, bool is_retryable, const char *message,
    struct wire_msg *ret_msg);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/trace.h - the W3C trace context of a job.
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace, span, flags (1: sampled)
 *
 * A job is a span of its client's trace, or of one of its own whose id is the job's.  What
 * its workers and its answer carry names the job's span.
 *
 * THREADS  any      MEMORY  none      SOURCE  W3C Trace Context, 2021
 */
#ifndef COORDINATOR_HTTP_TRACE_H
#define COORDINATOR_HTTP_TRACE_H

#include "common/pure/id.h"
#include "common/pure/slice.h"

#define TRACE_TEXT_SIZE 56 /* with its zero */

/* header: the client's traceparent; one that is not well formed is as good as none. */
void trace_of_job(struct slice header, id_t128 job, char text[TRACE_TEXT_SIZE]);

#endif

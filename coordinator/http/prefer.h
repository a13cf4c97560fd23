/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/prefer.h - read Prefer headers (RFC 7240).
 *
 *     Prefer: respond-async, wait=10          Prefer: handling=lenient;x="a, b", respond-async
 *
 * Of a preference that is named twice the first one holds; one that is not known, or whose
 * value makes no sense, is passed over, as the RFC wants it: a preference is never an error.
 *
 * THREADS  any      MEMORY  none but the struct
 */
#ifndef COORDINATOR_HTTP_PREFER_H
#define COORDINATOR_HTTP_PREFER_H

#include "common/pure/slice.h"

struct prefer {
    bool respond_async; /* answer when the job is accepted ... */
    bool has_wait;      /* ... or when it is over, if that is within wait_s */
    uint32_t wait_s;
};

/* Of one header's value; several add up. */
void prefer_read(struct prefer *prefer, struct slice value);

#endif

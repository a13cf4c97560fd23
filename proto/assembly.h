/* SPDX-License-Identifier: MIT
 *
 * proto/assembly.h - put an input or a result together again from its chunks.
 *
 * One at a time for each direction of a link (lanes.h, L2), so the bound is one buffer.
 *
 * INVARIANTS  M1  got_size < size while active; the message is whole when they meet
 * MEMORY      WIRE_BULK_SIZE_MAX, from the first JOB or RESULT that is not whole; kept for
 *             the next one until assembly_shrink
 * ERRORS      BAD_MESSAGE (a second one, a gap, too much), NO_MEMORY
 */
#ifndef PROTO_ASSEMBLY_H
#define PROTO_ASSEMBLY_H

#include "common/pure/units.h"
#include "proto/buffer.h"
#include "proto/wire.h"

struct assembly {
    bool is_active;
    enum wire_kind kind; /* JOB or RESULT */
    union {
        struct wire_job job;
        struct wire_result result;
    };
    instant_t begun_at;
    struct buffer bulk;
    uint32_t size;
};

void assembly_fini(struct assembly *assembly);
/* msg: a JOB or RESULT whose bulk is only its first part. */
err_t
assembly_begin(struct assembly *assembly, const struct wire_msg *msg, instant_t now) MUST_USE;
/* Append a chunk.  AGAIN: more must come; NOT_FOUND: it belongs to no assembly (its job was
 * cancelled); OK: ret_msg is whole, its bulk borrowed until the next begin or shrink. */
err_t assembly_add(struct assembly *assembly, const struct wire_chunk *chunk, instant_t now,
    struct wire_msg *ret_msg) MUST_USE;
void assembly_drop(struct assembly *assembly, const struct wire_attempt *id);
/* Unless something is being assembled: give the memory back. */
void assembly_shrink(struct assembly *assembly);

#endif

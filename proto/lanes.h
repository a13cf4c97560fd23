/* SPDX-License-Identifier: MIT
 *
 * proto/lanes.h - what one side of a link still has to write, in the order it should leave.
 *
 *   messages ->  control  [ encoded frames ............. ]  first, always
 *                small    JOB/RESULT -> JOB/RESULT -> ...    one frame each      } in turns,
 *                large    JOB/RESULT|chunk|chunk|... -> ...  one after the other } in window
 *                   |
 *                   v   lanes_stage(now)
 *                staged [ one write, at most one of them in flight ]
 *
 * A CANCEL waits for what is staged and for a window of bulk in the kernel's buffers, never
 * for the megabytes behind them.  A JOB's deadline becomes its remaining time here, when the
 * frame is put into what is written next, and one that has run out is dropped.
 *
 * INVARIANTS  L1  bulk bytes staged and not yet credited <= WIRE_WINDOW_SIZE
 *             L2  one large message at a time: chunks of two never mix
 *             L3  every borrowed bulk is handed back (on_bulk_done) exactly once
 * OWNERSHIP   bulk with an owner is borrowed until on_bulk_done; without, it is copied
 * MEMORY      LANES_CONTROL_SIZE_MAX, LANES_STAGED_SIZE_MAX, LANES_ITEMS_MAX items,
 *             LANES_COPIED_SIZE_MAX of copies
 * ERRORS      FULL, NO_MEMORY; INVALID and RANGE of wire_encode
 * REJECTED    one queue: a CANCEL behind 8 MiB took 265 ms in the experiment, 5 ms so;
 *             several large ones in turns: each needs a buffer of its own at the far end
 */
#ifndef PROTO_LANES_H
#define PROTO_LANES_H

#include "common/pure/units.h"
#include "proto/buffer.h"
#include "proto/wire.h"

#define LANES_CONTROL_SIZE_MAX (256 * 1024)
#define LANES_STAGED_SIZE_MAX  (LANES_CONTROL_SIZE_MAX + WIRE_FRAME_SIZE_MAX)
/* Frames are put together up to this size, then written. */
#define LANES_WRITE_SIZE      (64 * 1024)
#define LANES_ITEMS_MAX       4096
#define LANES_COPIED_SIZE_MAX (64 * 1024 * 1024)

struct lanes_item;

struct lanes_queue {
    struct lanes_item *first;
    struct lanes_item *last;
};

struct lanes {
    void (*on_bulk_done)(void *user, const void *owner);
    void *user;
    struct buffer control;
    struct buffer staged;
    bool is_writing; /* staged belongs to the writer until lanes_written */
    bool small_was_last;
    struct lanes_queue small;
    struct lanes_queue large;
    uint32_t items_count;
    size_t copied_size;
    uint32_t window_left;
    uint64_t frames_count;
    uint64_t bytes_count;
    uint64_t expired_count; /* JOBs dropped because their time was over */
};

void lanes_init(struct lanes *lanes, void (*on_bulk_done)(void *, const void *), void *user);
void lanes_fini(struct lanes *lanes);
/* Encode now; it leaves before any bulk. */
err_t lanes_add_control(struct lanes *lanes, const struct wire_msg *msg) MUST_USE;
/* The same; the frame may be changed (a MAC put in) until the next call. */
err_t lanes_add_frame(struct lanes *lanes, const struct wire_msg *msg, uint8_t **ret_frame,
    size_t *ret_size) MUST_USE;
/* A JOB or RESULT whose bulk holds all of it.  deadline: of a JOB. */
err_t lanes_add_bulk(struct lanes *lanes, const struct wire_msg *msg, instant_t deadline,
    const void *owner) MUST_USE;
/* Forget what is left to write of that attempt. */
void lanes_drop(struct lanes *lanes, const struct wire_attempt *id);
/* The receiver consumed bytes of bulk.  False: more than was ever sent. */
bool lanes_credit(struct lanes *lanes, uint32_t bytes) MUST_USE;
/* The next write; false when there is none, or one is in flight.  The bytes stay until
 * lanes_written().  Errors only by memory: then nothing is lost, try again. */
bool
lanes_stage(struct lanes *lanes, instant_t now, const uint8_t **ret_bytes, size_t *ret_size);
void lanes_written(struct lanes *lanes);
/* Nothing queued and nothing in flight. */
bool lanes_is_idle(const struct lanes *lanes);
/* Give back memory that an idle link does not need. */
void lanes_shrink(struct lanes *lanes);
void lanes_check(const struct lanes *lanes);

#endif

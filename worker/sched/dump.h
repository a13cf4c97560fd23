/* SPDX-License-Identifier: MIT
 *
 * worker/sched/dump.h - what every fiber is doing, for people; and the report of a deadlock.
 *
 * Reads descriptors while others change them: each field is atomic or set before the fiber
 * is visible, a line may be a moment old, and a fiber that ends meanwhile may be shown or
 * not.  Names and reasons are literals, so a stale one is still readable.
 */
#ifndef WORKER_SCHED_DUMP_H
#define WORKER_SCHED_DUMP_H

#include <stdbool.h>
#include <stddef.h>

/* Is every proc idle, no timer set, and every living fiber in a wait that only another fiber
 * can end?  Plain threads could still send on a channel: the caller knows. */
bool dump_is_deadlock(void);
/* Report it; does not return if it is fatal. */
void dump_deadlock(bool is_fatal);
/* "binary+0x1234 symbol", which addr2line understands. */
void dump_place(const void *address, char *text, size_t text_size);
/* sysmon: a dump has been asked for by a signal. */
void dump_if_asked(void);

#endif

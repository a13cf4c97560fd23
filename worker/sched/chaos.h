/* SPDX-License-Identifier: MIT
 *
 * worker/sched/chaos.h - in sanitized builds, let others run in the middle of a protocol.
 *
 * Between two neighbouring instructions no other thread does anything, for years: the window
 * is a nanosecond wide.  So at the points where a protocol is half done, sanitized builds
 * sometimes give up the CPU or dawdle, and the stress tests see in a second what production
 * would see in a year.  Nothing in release.
 *
 * THREADS   any.  Not thread_local: a compiler may keep its address across a switch.
 */
#ifndef WORKER_SCHED_CHAOS_H
#define WORKER_SCHED_CHAOS_H

#include "worker/sched/annotate.h"

#if ANNOTATE_ANY
/* Now and then a pause. */
void chaos(void);
#else
static inline void
chaos(void)
{
}
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * worker/sched/futex.h - how threads (not fibers) sleep and wake.
 */
#ifndef WORKER_SCHED_FUTEX_H
#define WORKER_SCHED_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* While *word == expected, until woken, or until `until` on CLOCK_MONOTONIC (INT64_MAX: no
 * end).  May return for no reason. */
void futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t until_ns);
void futex_wake(_Atomic uint32_t *word, int threads_count);

#endif

/* SPDX-License-Identifier: MIT
 *
 * common/sys/clock.h - the only reader of the system's clocks.
 *
 * Pure rooms are given `now`; shells ask here.
 *
 * THREADS  any.
 */
#ifndef COMMON_SYS_CLOCK_H
#define COMMON_SYS_CLOCK_H

#include "common/pure/units.h"

/* CLOCK_MONOTONIC. */
instant_t clock_now(void);
/* Wall clock in milliseconds since 1970, for ids and for people; never for deadlines. */
uint64_t clock_unix_ms(void);
/* CPU time of the calling thread so far; only a difference taken without a park between
 * means anything. */
duration_t clock_thread_cpu(void);

#endif

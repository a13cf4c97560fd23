/* SPDX-License-Identifier: MIT
 *
 * common/edge/one_core.h - let a library that starts threads believe in one core.
 *
 * NNG starts 7 + min(16, 2n) + n threads for the n cores of the machine: 13 on two, 87 on 64,
 * whatever a container or an affinity allows.  Its threads only carry bytes here.  It asks
 * sysconf, and has no setting before 1.7; so this file stands before libc's sysconf, and
 * answers 1 to the thread that is between begin and end.
 *
 * THREADS   begin, end: one thread at a time.  Everybody else is told the truth.
 * REJECTED  the static library with --wrap: it brings mbedTLS into our link, and the same
 *           function to the same effect.
 */
#ifndef COMMON_EDGE_ONE_CORE_H
#define COMMON_EDGE_ONE_CORE_H

void one_core_begin(void);
void one_core_end(void);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/client/interrupt.h - what the transport sees of an interrupt: a descriptor.
 *
 * An eventfd that nobody reads until it is cleared: readable means raised, for any number
 * of calls that poll it.  write(2) is all that raising needs, so a signal handler may.
 */
#ifndef COORDINATOR_CLIENT_INTERRUPT_H
#define COORDINATOR_CLIENT_INTERRUPT_H

#include "coordinator/client/hedgerow.h"

/* -1 for NULL, which poll(2) ignores. */
int interrupt_fd(const struct hedgerow_interrupt *interrupt);

#endif

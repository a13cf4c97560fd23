/* SPDX-License-Identifier: MIT
 *
 * worker/sched/netpoll.h - descriptors that fibers wait for: one edge-triggered epoll.
 *
 * A descriptor is registered once, at its first wait, for both directions; then a wait costs
 * no system call.  Each direction is a word, as in Go:
 *
 *      NONE -- edge --> READY -- next wait: take it, try again
 *      NONE -- wait --> a fiber's handle -- edge --> NONE, and the fiber is claimed
 *
 * Every operation tries its system call first and waits only after EAGAIN, so an edge that
 * nobody was waiting for is never needed later than that.
 *
 * INVARIANTS  NP1  between a failed call and its wait no edge is lost: it is READY.
 * THREADS     any.   LOCKS  a descriptor's own, for registering and forgetting.
 * MEMORY      a table of 32 bytes for each possible descriptor, touched as used.
 */
#ifndef WORKER_SCHED_NETPOLL_H
#define WORKER_SCHED_NETPOLL_H

#include "worker/sched/runq.h"

#include <stdbool.h>
#include <stdint.h>

enum netpoll_side {
    NETPOLL_READ,
    NETPOLL_WRITE,
    NETPOLL_SIDES_COUNT
};

int netpoll_start(void);
void netpoll_stop(void);
/* Collect the fibers whose descriptors are ready; sleep until then at most until `until_ns`
 * (0: do not sleep), or until netpoll_kick(). */
void netpoll_poll(int64_t until_ns, struct runq_list *woken);
void netpoll_kick(void);
/* Is there anything to poll for? */
bool netpoll_is_used(void);

/* After EAGAIN: wait for an edge.  0, the ctx's error, -ETIMEDOUT, -EBADF (forgotten), -EBUSY
 * (another fiber waits on this side).  PARKS on a fiber, blocks a thread. */
int netpoll_wait(int fd, enum netpoll_side side, int64_t deadline);

#endif

/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/dev_notify.h - hear from children that they are ready.
 *
 * The receiving end of common/sys/notify.h: a datagram socket with an abstract name that
 * the kernel chooses, so that nobody has to clear it away.  The kernel also says which
 * process sent a datagram (SCM_CREDENTIALS): one child cannot speak for another.
 *
 * THREADS  the loop's.
 */
#ifndef COORDINATOR_CLI_DEV_NOTIFY_H
#define COORDINATOR_CLI_DEV_NOTIFY_H

#include "common/edge/loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct dev_notify;

err_t
dev_notify_new(struct loop *loop, void (*on_notice)(void *user, pid_t pid, const char *lines),
    void *user, struct dev_notify **ret_notify) MUST_USE;
void dev_notify_free(struct dev_notify *notify);
/* For the children's $NOTIFY_SOCKET. */
const char *dev_notify_name(const struct dev_notify *notify);

/* The value of a line "name=value"; false: there is none, or it does not fit. */
bool dev_notify_value(const char *lines, const char *name, char *ret_value, size_t value_room);

#endif

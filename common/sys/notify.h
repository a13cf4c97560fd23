/* SPDX-License-Identifier: MIT
 *
 * common/sys/notify.h - tell whoever supervises this process that it is ready.
 *
 * The protocol of sd_notify(3): one datagram of NAME=value lines to the socket that
 * $NOTIFY_SOCKET names.  systemd listens (Type=notify), and so does `hedgerow dev`, which
 * learns the ports of a coordinator that was asked for port 0 from the X_ lines:
 *
 *     READY=1
 *     X_HEDGEROW_HTTP=127.0.0.1:8080
 *     X_HEDGEROW_LINK=tcp://127.0.0.1:7400
 *
 * REJECTED  libsystemd: a dependency for one sendto(2).
 */
#ifndef COMMON_SYS_NOTIFY_H
#define COMMON_SYS_NOTIFY_H

#include "common/pure/err.h"

/* OK too when nobody supervises.  Errors: INVALID (the variable), or what sending says. */
err_t notify_send(const char *lines);

#endif

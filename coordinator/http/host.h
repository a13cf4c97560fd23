/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/host.h - tell whether a request is meant for us.
 *
 * A page in a browser may let its own name resolve to 127.0.0.1 and then talk to whatever
 * listens there, in the name of its origin (DNS rebinding); the browser still says in Host
 * which name it meant.  So a listener that only this machine can reach takes requests for
 * addresses, for localhost, and for names that it was told are its own.
 *
 * THREADS  any      MEMORY  none
 */
#ifndef COORDINATOR_HTTP_HOST_H
#define COORDINATOR_HTTP_HOST_H

#include "common/pure/slice.h"

/* host: as in the header, perhaps with a port.  names: comma-separated, any case. */
bool host_is_ours(struct slice host, const char *names);

#endif

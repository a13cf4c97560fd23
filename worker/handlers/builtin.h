/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/builtin.h - the handlers that every worker has.
 *
 *     echo    the result is the input, type and all
 *     sleep   waits for the time that the input names ("10s", "1m30s", "0.25", also as a
 *             JSON string or number; nothing: not at all), with an empty result; or for a
 *             time drawn from a law ("exp:20", "lognormal:5,2;0.05x10", "stall:3,0.02,300";
 *             see common/pure/law.h), each copy anew; with "@SEED" behind it the same seed
 *             and attempt draw the same
 *     sha256  the result is what sha256sum(1) prints for the same bytes on its stdin:
 *             64 hexadecimal digits, two spaces, "-" and a newline
 *
 * All are idempotent.  sha256 looks for its cancellation every 64 KiB (about 50 us).
 */
#ifndef WORKER_HANDLERS_BUILTIN_H
#define WORKER_HANDLERS_BUILTIN_H

#include "worker/handlers/registry.h"

err_t builtin_add(struct registry *registry) MUST_USE;

#endif

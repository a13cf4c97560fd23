/* SPDX-License-Identifier: MIT
 *
 * common/pure/timestamp.h - an RFC 3339 time as milliseconds since 1970, and no clock.
 *
 * SOURCE  howardhinnant.github.io/date_algorithms.html, days_from_civil
 */
#ifndef COMMON_PURE_TIMESTAMP_H
#define COMMON_PURE_TIMESTAMP_H

#include "common/pure/err.h"
#include "common/pure/slice.h"

#include <stdint.h>

/* "2026-11-24T10:00:00Z", "2026-11-24T10:00:00.25+01:00"; from 1970 to 9999, a leap second
 * is the next one's first.  Errors: INVALID. */
err_t timestamp_parse(struct slice text, uint64_t *ret_unix_ms) MUST_USE;

#endif

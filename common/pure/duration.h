/* SPDX-License-Identifier: MIT
 *
 * common/pure/duration.h - durations as people write them: 300ms, 2.5s, 1m30s, 2.
 *
 *     text  = number | 1*( number unit )     units from large to small, each once
 *     unit  = "h" | "m" | "s" | "ms" | "us" | "ns"
 *
 * A plain number counts seconds.  The flags, the settings, the query parameters and the
 * headers of the API are all read by this one parser.
 *
 * THREADS  any
 */
#ifndef COMMON_PURE_DURATION_H
#define COMMON_PURE_DURATION_H

#include "common/pure/err.h"
#include "common/pure/units.h"

#define DURATION_TEXT_SIZE 40

/* *ret_why is set on failure only: what is wrong and what would be right, for the person
 * who wrote it; NULL when nobody asks.
 * Errors: INVALID, RANGE (longer than 292 years). */
err_t duration_parse(
    const char *text, size_t size, duration_t *ret_duration, const char **ret_why) MUST_USE;

/* The shortest text that duration_parse reads back as the same duration: "1m30s", "2.5s",
 * "300ms", "0s".  Returns text. */
const char *duration_to_text(duration_t duration, char text[DURATION_TEXT_SIZE]);

#endif

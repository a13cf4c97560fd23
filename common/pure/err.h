/* SPDX-License-Identifier: MIT
 *
 * common/pure/err.h - the one enum of things that can go wrong.
 *
 * Closed: a new way to fail gets a word here and a sentence in err_text().  errno is
 * converted on the line after the call, with err_from_errno().
 */
#ifndef COMMON_PURE_ERR_H
#define COMMON_PURE_ERR_H

#include "common/pure/check.h"

/* X(name, sentence) */
#define ERR_LIST(X)                                     \
    X(OK, "ok")                                         \
    X(NO_MEMORY, "out of memory")                       \
    X(FULL, "a bounded pool or queue is full")          \
    X(NOT_FOUND, "not found")                           \
    X(EXISTS, "exists already")                         \
    X(INVALID, "not a valid value")                     \
    X(RANGE, "outside of the allowed range")            \
    X(TRUNCATED, "ends before it should")               \
    X(TOO_BIG, "larger than its limit")                 \
    X(BAD_VERSION, "a version that is not spoken here") \
    X(BAD_KIND, "an unknown kind")                      \
    X(BAD_SIZE, "a size that does not fit its content") \
    X(BAD_MESSAGE, "not well formed")                   \
    X(AUTH, "not authenticated")                        \
    X(CLOSED, "closed")                                 \
    X(REFUSED, "connection refused")                    \
    X(UNREACHABLE, "cannot be reached")                 \
    X(TIMEOUT, "took too long")                         \
    X(CANCELLED, "cancelled")                           \
    X(AGAIN, "not now, try again")                      \
    X(IO, "input or output failed")                     \
    X(PERMISSION, "permission denied")                  \
    X(IN_USE, "in use already")                         \
    X(UNSUPPORTED, "not supported here")

typedef enum {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
    ERR_COUNT
} err_t;

/* The word of a value, such as "TOO_BIG"; never NULL. */
const char *err_name(err_t err);
/* One sentence without a full stop; never NULL. */
const char *err_text(err_t err);
/* The nearest value for an errno; ERR_IO when there is none. */
err_t err_from_errno(int error_number) MUST_USE;

#endif

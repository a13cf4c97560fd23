/* SPDX-License-Identifier: MIT
 *
 * common/pure/base64.h - bytes as text (RFC 4648, section 4), strictly.
 *
 * THREADS  any
 */
#ifndef COMMON_PURE_BASE64_H
#define COMMON_PURE_BASE64_H

#include "common/pure/err.h"
#include "common/pure/slice.h"

/* Characters for so many bytes, padding included. */
static inline size_t
base64_size(size_t bytes_size)
{
    return (bytes_size + 2) / 3 * 4;
}

/* text has room for base64_size(size) characters; no final zero is written. */
void base64_encode(const uint8_t *bytes, size_t size, char *text);

/* bytes has room for text.size / 4 * 3.  Errors: INVALID: another character, padding that is
 * missing or stands elsewhere, or bits that are set behind the last byte. */
err_t base64_decode(struct slice text, uint8_t *bytes, size_t *ret_size) MUST_USE;

#endif

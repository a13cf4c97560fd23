/* SPDX-License-Identifier: MIT
 *
 * common/pure/json_scan.h - walk over JSON text without building anything.
 *
 * Strict (RFC 8259, UTF-8), iterative, and bounded in depth; so a document can be looked at
 * before a library that recurses gets it, a result can be embedded in another document as
 * it is, and one member's text can be handed on exactly as it was written.
 *
 * THREADS  any      MEMORY  none
 */
#ifndef COMMON_PURE_JSON_SCAN_H
#define COMMON_PURE_JSON_SCAN_H

#include "common/pure/err.h"
#include "common/pure/slice.h"

#define JSON_SCAN_DEPTH_MAX 64

/* depth_max: of nested objects and arrays, at most JSON_SCAN_DEPTH_MAX.  *ret_at, always
 * set, is the offset of the byte at fault, or the size.  Errors: BAD_MESSAGE, TOO_BIG
 * (deeper). */
err_t json_scan(struct slice text, unsigned depth_max, size_t *ret_at) MUST_USE;

/* The text of the root object's member, without the white space around it; name is compared
 * as it is written, without escapes; the first counts.  text must have passed json_scan().
 * false: there is none. */
bool json_scan_member(struct slice text, struct slice name, struct slice *ret_value);

/* The characters of a string (with its quotes, having passed json_scan()) in UTF-8; text has
 * room for string.size bytes.  Errors: BAD_KIND (no string), INVALID (half a surrogate
 * pair). */
err_t json_scan_string(struct slice string, char *text, size_t *ret_size) MUST_USE;

#endif

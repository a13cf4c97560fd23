/* SPDX-License-Identifier: MIT
 *
 * common/pure/id.h - 128-bit identities: UUIDv7 (RFC 9562) as bytes and as text.
 *
 * The random bits and the wall clock are the caller's: nothing here reads either.
 */
#ifndef COMMON_PURE_ID_H
#define COMMON_PURE_ID_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ID_SIZE      16
#define ID_TEXT_SIZE 37 /* 36 characters and the final zero */

typedef struct {
    uint8_t bytes[ID_SIZE];
} id_t128;

typedef id_t128 job_id_t;

/* unix_ms fills the first 48 bits; 74 of the random bits are used. */
id_t128 id_from_parts(uint64_t unix_ms, const uint8_t random[10]);
void id_to_text(id_t128 id, char text[ID_TEXT_SIZE]);
/* Errors: INVALID unless text is 36 characters, 8-4-4-4-12 hexadecimal digits. */
err_t id_from_text(const char *text, size_t size, id_t128 *ret_id) MUST_USE;

static inline bool
id_equal(id_t128 a, id_t128 b)
{
    return memcmp(a.bytes, b.bytes, ID_SIZE) == 0;
}

static inline bool
id_is_none(id_t128 id)
{
    static const uint8_t zero[ID_SIZE];
    return memcmp(id.bytes, zero, ID_SIZE) == 0;
}

#endif

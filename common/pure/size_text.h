/* SPDX-License-Identifier: MIT
 *
 * common/pure/size_text.h - sizes as people write them: "4MiB", "512 KiB", "100000".
 *
 * A number with at most one fraction ("1.5MiB" is fine when it is whole bytes), then a
 * unit: none or B, KiB, MiB, GiB, TiB (powers of 1024; K, M, G, T mean the same), kB, MB,
 * GB, TB (powers of 1000).  Capitals do not matter, but for the i of the binary ones.
 *
 * UNITS   bytes.
 * ERRORS  INVALID (not a size), RANGE (more than 2^63 - 1 bytes).
 */
#ifndef COMMON_PURE_SIZE_TEXT_H
#define COMMON_PURE_SIZE_TEXT_H

#include "common/pure/err.h"

#include <stddef.h>
#include <stdint.h>

#define SIZE_TEXT_SIZE_MAX 32

err_t size_text_parse(const char *text, uint64_t *ret_size) MUST_USE;
/* The shortest exact form, the largest binary unit that divides it: "4MiB", "1000B". */
void size_text_format(uint64_t size, char ret_text[SIZE_TEXT_SIZE_MAX]);

#endif

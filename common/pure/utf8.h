/* SPDX-License-Identifier: MIT
 *
 * common/pure/utf8.h - is it text?
 *
 * THREADS  any      SOURCE  RFC 3629
 */
#ifndef COMMON_PURE_UTF8_H
#define COMMON_PURE_UTF8_H

#include "common/pure/slice.h"

/* Bytes of the well-formed character that text begins with (1 to 4); 0: it begins with none
 * (overlong forms, surrogates and what lies past U+10FFFF are none). */
size_t utf8_char_size(struct slice text);
bool utf8_is_valid(struct slice text);

#endif

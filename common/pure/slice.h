/* SPDX-License-Identifier: MIT
 *
 * common/pure/slice.h - borrowed text with a size: no zero at its end, no owner.
 *
 * THREADS  any
 */
#ifndef COMMON_PURE_SLICE_H
#define COMMON_PURE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *at;
    size_t size;
};

#define SLICE(literal) ((struct slice){ .at = (literal), .size = sizeof(literal) - 1 })

static inline struct slice
slice_of(const char *text)
{
    return (struct slice){ .at = text, .size = strlen(text) };
}

static inline bool
slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static inline uint8_t
slice_lower(char c)
{
    return (uint8_t) (c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* ASCII letters alike; other bytes as they are. */
static inline bool
slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (slice_lower(a.at[i]) != slice_lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

static inline struct slice
slice_trim(struct slice text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Cuts the part before the first separator off *rest; without one, all of it.
 * false: nothing is left. */
static inline bool
slice_next(struct slice *rest, char separator, struct slice *ret_part)
{
    if (rest->at == NULL) {
        return false;
    }
    const char *found = rest->size > 0 ? memchr(rest->at, separator, rest->size) : NULL;
    if (found == NULL) {
        *ret_part = *rest;
        *rest = (struct slice){ 0 };
        return true;
    }
    size_t size = (size_t) (found - rest->at);
    *ret_part = (struct slice){ .at = rest->at, .size = size };
    *rest = (struct slice){ .at = found + 1, .size = rest->size - size - 1 };
    return true;
}

/* Decimal digits only: no sign, no space, no empty text, nothing past UINT64_MAX. */
bool slice_to_u64(struct slice text, uint64_t *ret_number);
/* With a final zero; false when it does not fit in room bytes or holds a zero itself. */
bool slice_to_text(struct slice slice, char *text, size_t room);

#endif

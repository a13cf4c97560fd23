/* SPDX-License-Identifier: MIT */
#include "common/pure/slice.h"

bool
slice_to_u64(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t) (text.at[i] - '0');
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number)) {
            return false;
        }
    }
    *ret_number = number;
    return true;
}

bool
slice_to_text(struct slice slice, char *text, size_t room)
{
    if (slice.size >= room || (slice.size > 0 && memchr(slice.at, 0, slice.size) != NULL)) {
        return false;
    }
    if (slice.size > 0) {
        memcpy(text, slice.at, slice.size);
    }
    text[slice.size] = '\0';
    return true;
}

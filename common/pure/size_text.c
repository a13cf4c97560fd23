/* SPDX-License-Identifier: MIT */
#include "common/pure/size_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint64_t factor;
} units[] = {
    { "", 1 },
    { "B", 1 },
    { "K", UINT64_C(1) << 10 },
    { "KiB", UINT64_C(1) << 10 },
    { "kB", 1000 },
    { "M", UINT64_C(1) << 20 },
    { "MiB", UINT64_C(1) << 20 },
    { "MB", 1000000 },
    { "G", UINT64_C(1) << 30 },
    { "GiB", UINT64_C(1) << 30 },
    { "GB", 1000000000 },
    { "T", UINT64_C(1) << 40 },
    { "TiB", UINT64_C(1) << 40 },
    { "TB", UINT64_C(1000000000000) },
};

/* Digits to a number times 10^-fraction; stops at the first other character. */
struct number {
    uint64_t digits;
    uint64_t divisor;
    uint32_t digits_count;
};

static err_t
read_number(const char **text, struct number *number)
{
    *number = (struct number){ .divisor = 1 };
    bool in_fraction = false;
    for (;; (*text)++) {
        char letter = **text;
        if (letter == '.' && !in_fraction && number->digits_count > 0) {
            in_fraction = true;
            continue;
        }
        if (letter < '0' || letter > '9') {
            return number->digits_count > 0 && (*text)[-1] != '.' ? ERR_OK : ERR_INVALID;
        }
        if (__builtin_mul_overflow(number->digits, 10, &number->digits) ||
            __builtin_add_overflow(
                number->digits, (uint64_t) (letter - '0'), &number->digits) ||
            (in_fraction && __builtin_mul_overflow(number->divisor, 10, &number->divisor))) {
            return ERR_RANGE;
        }
        number->digits_count++;
    }
}

err_t
size_text_parse(const char *text, uint64_t *ret_size)
{
    struct number number;
    err_t err = read_number(&text, &number);
    if (err != ERR_OK) {
        return err;
    }
    while (*text == ' ') {
        text++;
    }
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (strcasecmp(text, units[i].name) != 0) {
            continue;
        }
        unsigned __int128 scaled = (unsigned __int128) number.digits * units[i].factor;
        if (scaled % number.divisor != 0) {
            return ERR_INVALID; /* half a byte */
        }
        scaled /= number.divisor;
        if (scaled > INT64_MAX) {
            return ERR_RANGE;
        }
        *ret_size = (uint64_t) scaled;
        return ERR_OK;
    }
    return ERR_INVALID;
}

void
size_text_format(uint64_t size, char ret_text[SIZE_TEXT_SIZE_MAX])
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;
    while (size != 0 && size % 1024 == 0 && unit + 1 < ARRAY_COUNT(names)) {
        size /= 1024;
        unit++;
    }
    snprintf(ret_text, SIZE_TEXT_SIZE_MAX, "%" PRIu64 "%s", size, names[unit]);
}

/* SPDX-License-Identifier: MIT */
#include "common/pure/utf8.h"

/* A row of table 3-7 of the Unicode standard: first and second byte; the others, if any,
 * are 80..BF. */
static const struct {
    uint8_t first_min;
    uint8_t first_max;
    uint8_t second_min;
    uint8_t second_max;
    uint8_t size;
} rows[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 2 },
    { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
    { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 },
    { 0xee, 0xef, 0x80, 0xbf, 3 },
    { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
    { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

size_t
utf8_char_size(struct slice text)
{
    const uint8_t *bytes = (const uint8_t *) text.at;
    if (text.size == 0) {
        return 0;
    }
    if (bytes[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (bytes[0] < rows[i].first_min || bytes[0] > rows[i].first_max) {
            continue;
        }
        bool is_whole = text.size >= rows[i].size && bytes[1] >= rows[i].second_min &&
                        bytes[1] <= rows[i].second_max;
        for (size_t k = 2; is_whole && k < rows[i].size; k++) {
            is_whole = (bytes[k] & 0xc0) == 0x80;
        }
        return is_whole ? rows[i].size : 0;
    }
    return 0;
}

bool
utf8_is_valid(struct slice text)
{
    while (text.size > 0) {
        size_t size = utf8_char_size(text);
        if (size == 0) {
            return false;
        }
        text.at += size;
        text.size -= size;
    }
    return true;
}

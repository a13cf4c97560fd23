/* SPDX-License-Identifier: MIT */
#include "common/pure/id.h"

id_t128
id_from_parts(uint64_t unix_ms, const uint8_t random[10])
{
    id_t128 id;
    for (unsigned i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t) (unix_ms >> (40 - 8 * i));
    }
    memcpy(id.bytes + 6, random, 10);
    id.bytes[6] = (uint8_t) ((id.bytes[6] & 0x0f) | 0x70); /* version 7 */
    id.bytes[8] = (uint8_t) ((id.bytes[8] & 0x3f) | 0x80); /* variant 10 */
    return id;
}

static bool
is_dash_before(unsigned byte_index)
{
    return byte_index == 4 || byte_index == 6 || byte_index == 8 || byte_index == 10;
}

void
id_to_text(id_t128 id, char text[ID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *next = text;
    for (unsigned i = 0; i < ID_SIZE; i++) {
        if (is_dash_before(i)) {
            *next++ = '-';
        }
        *next++ = digits[id.bytes[i] >> 4];
        *next++ = digits[id.bytes[i] & 15];
    }
    *next = '\0';
}

static int
hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

err_t
id_from_text(const char *text, size_t size, id_t128 *ret_id)
{
    if (size != ID_TEXT_SIZE - 1) {
        return ERR_INVALID;
    }
    id_t128 id;
    const char *next = text;
    for (unsigned i = 0; i < ID_SIZE; i++) {
        if (is_dash_before(i) && *next++ != '-') {
            return ERR_INVALID;
        }
        int high = hex_value(next[0]);
        int low = hex_value(next[1]);
        if (high < 0 || low < 0) {
            return ERR_INVALID;
        }
        id.bytes[i] = (uint8_t) (high * 16 + low);
        next += 2;
    }
    *ret_id = id;
    return ERR_OK;
}

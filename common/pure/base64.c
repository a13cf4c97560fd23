/* SPDX-License-Identifier: MIT */
#include "common/pure/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const uint8_t *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t) bytes[i] << 16;
        group |= left > 1 ? (uint32_t) bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t) bytes[i + 2] : 0;
        *text++ = digits[group >> 18];
        *text++ = digits[(group >> 12) & 63];
        *text++ = left > 1 ? digits[(group >> 6) & 63] : '=';
        *text++ = left > 2 ? digits[group & 63] : '=';
    }
}

static int
value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

/* Four characters, of which the last padding_count are '='; -1: one is no digit. */
static int32_t
group_of(const char *text, unsigned padding_count)
{
    int32_t group = 0;
    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - padding_count ? value_of(text[i]) : 0;
        if (value < 0) {
            return -1;
        }
        group = group << 6 | value;
    }
    return group;
}

err_t
base64_decode(struct slice text, uint8_t *bytes, size_t *ret_size)
{
    if (text.size % 4 != 0) {
        return ERR_INVALID;
    }
    size_t size = 0;
    for (size_t i = 0; i < text.size; i += 4) {
        bool is_last = i + 4 == text.size;
        unsigned padding_count = 0;
        if (is_last && text.at[i + 3] == '=') {
            padding_count = text.at[i + 2] == '=' ? 2 : 1;
        }
        int32_t group = group_of(text.at + i, padding_count);
        int32_t unused_bits = padding_count == 0 ? 0 : padding_count == 1 ? 0xff : 0xffff;
        if (group < 0 || (group & unused_bits) != 0) {
            return ERR_INVALID;
        }
        bytes[size++] = (uint8_t) (group >> 16);
        if (padding_count < 2) {
            bytes[size++] = (uint8_t) (group >> 8);
        }
        if (padding_count < 1) {
            bytes[size++] = (uint8_t) group;
        }
    }
    *ret_size = size;
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT */
#include "proto/text.h"

#include "common/pure/utf8.h"

#include <string.h>

bool
text_is_valid(const char *text, size_t size)
{
    return size == 0 ||
           (memchr(text, '\0', size) == NULL && utf8_is_valid((struct slice){ text, size }));
}

bool
text_is_name(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

void
text_clean(char *text)
{
    struct slice left = { text, strlen(text) };
    while (left.size > 0) {
        size_t step = utf8_char_size(left);
        if (step == 0) {
            text[strlen(text) - left.size] = '?';
            step = 1;
        }
        left.at += step;
        left.size -= step;
    }
}

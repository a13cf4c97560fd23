/* SPDX-License-Identifier: MIT
 *
 * A size that is read can be written, and reads back as the same bytes.
 */
#include "common/pure/size_text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64];
    if (size >= sizeof text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';

    uint64_t bytes = 0;
    if (size_text_parse(text, &bytes) != ERR_OK) {
        return 0;
    }
    CHECK(bytes <= INT64_MAX);
    char again[SIZE_TEXT_SIZE_MAX];
    uint64_t second = 0;
    size_text_format(bytes, again);
    CHECK(size_text_parse(again, &second) == ERR_OK);
    CHECK(bytes == second);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * One frame from a stranger.  What is accepted can be said again, and means the same.
 */
#include "common/pure/check.h"
#include "proto/wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_msg msg;
    static struct wire_msg second;
    static uint8_t again[WIRE_FRAME_SIZE_MAX];
    static uint8_t third[WIRE_FRAME_SIZE_MAX];
    if (wire_decode(data, size, &msg) != ERR_OK) {
        return 0;
    }
    size_t again_size = 0;
    size_t third_size = 0;
    CHECK(wire_encode(&msg, again, sizeof again, &again_size) == ERR_OK);
    CHECK(wire_decode(again, again_size, &second) == ERR_OK);
    CHECK(wire_encode(&second, third, sizeof third, &third_size) == ERR_OK);
    CHECK(third_size == again_size);
    CHECK(memcmp(third, again, again_size) == 0);
    return 0;
}

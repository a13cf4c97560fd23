/* SPDX-License-Identifier: MIT
 *
 * proto/scan.h - look through protobuf bytes before anybody unpacks them.
 *
 * protobuf-c 1.4.1 recurses as deep as the sender likes and allocates up to 80 times what
 * it is sent.  The scan visits every field once, without recursion and without allocating,
 * and refuses what is too deep, too many, twice, cut short, or text that is none.
 *
 * Bulk is taken out here: it is the last field of its message, so it can be borrowed from
 * the frame, and what stands before it is all that is ever unpacked.
 *
 * ERRORS   TRUNCATED, TOO_BIG, BAD_MESSAGE
 * THREADS  any; no state.
 */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include "common/pure/err.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scan_type {
    SCAN_PLAIN,
    SCAN_TEXT,
    SCAN_MESSAGE,
    SCAN_BULK
};

struct scan_field {
    enum scan_type type;
    bool is_repeated;
    unsigned index;     /* < 64, within its message */
    const void *schema; /* of a SCAN_MESSAGE */
};

/* False for a tag that the schema does not know. */
typedef bool (*scan_lookup_t)(const void *schema, uint32_t tag, struct scan_field *ret_field);

struct scan_result {
    size_t plain_size; /* what stands before bulk */
    const uint8_t *bulk;
    uint32_t bulk_size;
};

err_t scan_message(const uint8_t *bytes, size_t size, const void *schema, scan_lookup_t lookup,
    struct scan_result *ret_result) MUST_USE;

#endif

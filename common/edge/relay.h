/* SPDX-License-Identifier: MIT
 *
 * common/edge/relay.h - bytes from a library's thread to one who waits for a descriptor.
 *
 *     empty -- relay_fill --> full (fd readable) -- relay_read ... --> empty
 *       '----- relay_end ---> over (fd readable for good)
 *
 * THREADS   under the owner's mutex, all but relay_bytes: that is the filler's while empty.
 * MEMORY    RELAY_SIZE each.
 */
#ifndef COMMON_EDGE_RELAY_H
#define COMMON_EDGE_RELAY_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_SIZE (16 * 1024)

struct relay {
    int fd; /* readable unless empty */
    size_t size;
    size_t read_size;
    err_t end; /* OK: not over */
    uint8_t bytes[RELAY_SIZE];
};

/* NO_MEMORY, also for want of a descriptor. */
err_t relay_new(struct relay **ret_relay) MUST_USE;
void relay_free(struct relay *relay);
/* The filler has put so much into bytes. */
void relay_fill(struct relay *relay, size_t size);
/* The first why stays. */
void relay_end(struct relay *relay, err_t why);
bool relay_is_empty(const struct relay *relay);
/* Errors: AGAIN (empty), what ended it. */
err_t relay_read(struct relay *relay, uint8_t *bytes, size_t size, size_t *ret_size) MUST_USE;

#endif

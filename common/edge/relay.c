/* SPDX-License-Identifier: MIT */
#include "common/edge/relay.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

err_t
relay_new(struct relay **ret_relay)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (relay == NULL) {
        return ERR_NO_MEMORY;
    }
    relay->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (relay->fd < 0) {
        free(relay);
        return ERR_NO_MEMORY;
    }
    *ret_relay = relay;
    return ERR_OK;
}

void
relay_free(struct relay *relay)
{
    if (relay != NULL) {
        close(relay->fd);
        free(relay);
    }
}

static void
show(struct relay *relay)
{
    uint64_t one = 1;
    CHECK(write(relay->fd, &one, sizeof one) == (ssize_t) sizeof one);
}

void
relay_fill(struct relay *relay, size_t size)
{
    CHECK(relay->read_size == relay->size);
    CHECK(size > 0 && size <= RELAY_SIZE);
    relay->size = size;
    relay->read_size = 0;
    show(relay);
}

void
relay_end(struct relay *relay, err_t why)
{
    CHECK(why != ERR_OK);
    if (relay->end == ERR_OK) {
        relay->end = why;
        show(relay);
    }
}

bool
relay_is_empty(const struct relay *relay)
{
    return relay->end == ERR_OK && relay->read_size == relay->size;
}

err_t
relay_read(struct relay *relay, uint8_t *bytes, size_t size, size_t *ret_size)
{
    size_t left_size = relay->size - relay->read_size;
    if (left_size == 0) {
        return relay->end != ERR_OK ? relay->end : ERR_AGAIN;
    }
    size_t taken_size = left_size < size ? left_size : size;
    memcpy(bytes, relay->bytes + relay->read_size, taken_size);
    relay->read_size += taken_size;
    if (relay_is_empty(relay)) {
        uint64_t count;
        CHECK(read(relay->fd, &count, sizeof count) == (ssize_t) sizeof count);
    }
    *ret_size = taken_size;
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT */
#include "coordinator/client/interrupt.h"

#include "common/sys/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct hedgerow_interrupt {
    int fd;
};

struct hedgerow_interrupt *
hedgerow_interrupt_new(void)
{
    struct hedgerow_interrupt *interrupt = calloc(1, sizeof *interrupt);
    if (interrupt == NULL) {
        return NULL;
    }
    interrupt->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (interrupt->fd < 0) {
        free(interrupt);
        return NULL;
    }
    return interrupt;
}

void
hedgerow_interrupt_free(struct hedgerow_interrupt *interrupt)
{
    if (interrupt != NULL) {
        close(interrupt->fd);
        free(interrupt);
    }
}

void
hedgerow_interrupt_raise(struct hedgerow_interrupt *interrupt)
{
    int saved = errno; /* the code that a signal interrupted may be about to read it */
    uint64_t one = 1;
    ssize_t written = write(interrupt->fd, &one, sizeof one);
    (void) written; /* EAGAIN: it was raised 2^64 times */
    errno = saved;
}

void
hedgerow_interrupt_clear(struct hedgerow_interrupt *interrupt)
{
    uint64_t count;
    ssize_t taken = read(interrupt->fd, &count, sizeof count);
    (void) taken; /* EAGAIN: it was not raised */
}

int
hedgerow_interrupt_wait(struct hedgerow_interrupt *interrupt, int64_t timeout_ms)
{
    instant_t deadline = instant_add(clock_now(), duration_ms(timeout_ms > 0 ? timeout_ms : 0));
    struct pollfd watched = { .fd = interrupt_fd(interrupt), .events = POLLIN };
    for (;;) {
        duration_t left = instant_until(clock_now(), deadline);
        int64_t left_ms = duration_to_ms(left) + (left.ns % 1000000 != 0);
        int ready = poll(&watched, 1, left_ms > INT32_MAX ? INT32_MAX : (int) left_ms);
        if (ready > 0) {
            return 1;
        }
        if (instant_reached(clock_now(), deadline)) {
            return 0;
        }
    }
}

int
interrupt_fd(const struct hedgerow_interrupt *interrupt)
{
    return interrupt != NULL ? interrupt->fd : -1;
}

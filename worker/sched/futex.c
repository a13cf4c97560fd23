/* SPDX-License-Identifier: MIT */
#include "worker/sched/futex.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void
futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / 1000000000,
        .tv_nsec = until_ns % 1000000000 };
    /* The bitset form takes a point in time, not a distance. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
        until_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void
futex_wake(_Atomic uint32_t *word, int threads_count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads_count, NULL, NULL, 0);
}

/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"

#include <time.h>

instant_t
clock_now(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (instant_t){ .ns = (int64_t) now.tv_sec * 1000000000 + now.tv_nsec };
}

uint64_t
clock_unix_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

duration_t
clock_thread_cpu(void)
{
    struct timespec used;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    return duration_ns((int64_t) used.tv_sec * 1000000000 + used.tv_nsec);
}

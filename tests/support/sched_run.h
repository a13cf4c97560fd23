/* SPDX-License-Identifier: MIT
 *
 * tests/support/sched_run.h - run one function on a fiber of a runtime made for it.
 */
#ifndef TESTS_SUPPORT_SCHED_RUN_H
#define TESTS_SUPPORT_SCHED_RUN_H

#include "worker/sched/sched.h"

#include <stdio.h>
#include <stdlib.h>

/* For what cannot fail in a test: on a fiber CUnit's own assertions must not run. */
#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* To its end, and that of all that it started. */
static inline void
sched_run(uint32_t procs_count, hr_fn *fn, void *arg)
{
    struct hr_options options = { .procs_count = procs_count };
    struct hr_fiber *fiber;
    MUST(hr_start(&options) == 0);
    MUST(hr_spawn(fn, arg, "main", &fiber) == 0);
    hr_join(fiber);
    MUST(hr_stop() == 0);
}

#endif

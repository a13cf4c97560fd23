/* SPDX-License-Identifier: MIT
 *
 * tests/bench/sched_bench/bench.h - what a row of the scheduler's benchmark sees.
 *
 * A row runs on a fiber of a fresh runtime, brackets what it measures with bench_begin and
 * bench_end, and may add fields of its own.  Counts are those of BENCHMARKS.md, times scale.
 */
#ifndef TESTS_BENCH_SCHED_BENCH_H
#define TESTS_BENCH_SCHED_BENCH_H

#include "worker/sched/sched.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
    double scale;
    uint32_t procs_count;
    int64_t start_ns;
    int64_t total_ns;
    int64_t cpu_ns; /* of all threads; what others do on the machine hardly moves it */
    uint64_t ops_count;
    char more[256]; /* further JSON fields, each with a comma before it */
};

typedef void row_fn(struct bench *bench);

struct row {
    const char *name;
    row_fn *run;
    bool is_plain; /* runs on the main thread, without a runtime */
};

#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* count, times the scale; at least one. */
uint64_t bench_count(const struct bench *bench, uint64_t count);
void bench_begin(struct bench *bench);
void bench_end(struct bench *bench, uint64_t ops_count);
/* Sorts values; adds NAME_p50_us and NAME_p99_us. */
void bench_percentiles(
    struct bench *bench, const char *name, int64_t *values_ns, size_t values_count);
/* Resident bytes of this process. */
uint64_t bench_resident_size(void);
uint64_t bench_maps_count(void);

/* rows_basic.c */
row_fn row_switch_raw, row_spawn_join, row_spawn_chained, row_yield, row_pingpong, row_spsc,
    row_mpmc, row_select, row_mutex;
/* rows_tree.c */
row_fn row_skynet, row_ring, row_sieve, row_fib, row_ctx_tree;
/* rows_many.c */
row_fn row_sleepers, row_idle, row_close_wakes, row_blocked, row_hog;
/* rows_echo.c */
row_fn row_echo_1, row_echo_256, row_echo_1024, row_epoll_1, row_epoll_256, row_epoll_1024;
int echo_load(int argc, char **argv);

#endif

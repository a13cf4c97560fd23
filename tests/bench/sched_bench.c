/* SPDX-License-Identifier: MIT
 *
 * tests/bench/sched_bench.c - the rows of S in BENCHMARKS.md, one JSON object a line.
 *
 *     sched_bench [--procs N] [--scale F] [--list] [NAME...]
 *     sched_bench echo_load PORT CONNECTIONS SECONDS     (the load of the echo rows)
 *
 * Without --procs each row runs with one proc and with as many as there are cores.  Beside
 * it stands sched_go, the same in Go; tests/bench/sched runs both in turn.
 */
#include "tests/bench/sched_bench/bench.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct row rows[] = {
    { "switch_raw", row_switch_raw, true },
    { "spawn_join", row_spawn_join, false },
    { "spawn_chained", row_spawn_chained, false },
    { "yield", row_yield, false },
    { "chan_unbuffered_pingpong", row_pingpong, false },
    { "chan_buffered128_spsc", row_spsc, false },
    { "chan_buffered128_mpmc8x8", row_mpmc, false },
    { "skynet_1m", row_skynet, false },
    { "ring_503", row_ring, false },
    { "sieve_2262", row_sieve, false },
    { "fork_join_fib25", row_fib, false },
    { "select_4way_recv", row_select, false },
    { "mutex_8", row_mutex, false },
    { "ctx_tree_cancel_100k", row_ctx_tree, false },
    { "sleepers_1m_within_1s", row_sleepers, false },
    { "idle_1m_bytes_per_task", row_idle, false },
    { "idle_1m_spawn_and_park", row_idle, false },
    { "close_wakes_1m", row_close_wakes, false },
    { "echo_1", row_echo_1, false },
    { "echo_256", row_echo_256, false },
    { "echo_1024", row_echo_1024, false },
    { "echo_1_epoll", row_epoll_1, true },
    { "echo_256_epoll", row_epoll_256, true },
    { "echo_1024_epoll", row_epoll_1024, true },
    { "blocked_probe", row_blocked, false },
    { "hog_probe", row_hog, false },
};

enum {
    ROWS_COUNT = sizeof rows / sizeof rows[0]
};

uint64_t
bench_count(const struct bench *bench, uint64_t count)
{
    uint64_t scaled = (uint64_t) ((double) count * bench->scale);
    return scaled > 0 ? scaled : 1;
}

static int64_t
cpu_time(void)
{
    struct rusage usage;
    MUST(getrusage(RUSAGE_SELF, &usage) == 0);
    return (int64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
           (int64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

void
bench_begin(struct bench *bench)
{
    bench->cpu_ns = -cpu_time();
    bench->start_ns = hr_now();
}

void
bench_end(struct bench *bench, uint64_t ops_count)
{
    bench->total_ns = hr_now() - bench->start_ns;
    bench->cpu_ns += cpu_time();
    bench->ops_count = ops_count;
}

static int
compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

void
bench_percentiles(
    struct bench *bench, const char *name, int64_t *values_ns, size_t values_count)
{
    qsort(values_ns, values_count, sizeof values_ns[0], compare_ns);
    size_t used = strlen(bench->more);
    snprintf(bench->more + used, sizeof bench->more - used,
        ",\"%s_p50_us\":%.1f,\"%s_p99_us\":%.1f", name,
        (double) values_ns[values_count / 2] / 1000, name,
        (double) values_ns[values_count * 99 / 100] / 1000);
}

uint64_t
bench_resident_size(void)
{
    uint64_t total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    MUST(file != NULL);
    MUST(fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) == 2);
    fclose(file);
    return resident * (uint64_t) sysconf(_SC_PAGESIZE);
}

uint64_t
bench_maps_count(void)
{
    uint64_t lines = 0;
    int each;
    FILE *file = fopen("/proc/self/maps", "re");
    MUST(file != NULL);
    while ((each = fgetc(file)) != EOF) {
        lines += each == '\n';
    }
    fclose(file);
    return lines;
}

struct job {
    const struct row *row;
    struct bench *bench;
};

static void
run_row(void *arg)
{
    struct job *job = arg;
    job->row->run(job->bench);
}

static void
run(const struct row *row, uint32_t procs_count, double scale)
{
    struct bench bench = { .scale = scale, .procs_count = procs_count };
    struct job job = { row, &bench };
    if (row->is_plain) {
        run_row(&job);
    } else {
        struct hr_options options = { .procs_count = procs_count };
        struct hr_fiber *fiber;
        MUST(hr_start(&options) == 0);
        MUST(hr_spawn(run_row, &job, row->name, &fiber) == 0);
        hr_join(fiber);
        MUST(hr_stop() == 0);
    }
    double ops_count = (double) bench.ops_count;
    printf("{\"name\":\"%s\",\"ns_per_op\":%.2f,\"cpu_ns_per_op\":%.2f,\"ops\":%" PRIu64
           ",\"procs\":%u%s}\n",
        row->name, (double) bench.total_ns / ops_count, (double) bench.cpu_ns / ops_count,
        bench.ops_count, procs_count, bench.more);
    fflush(stdout);
}

static bool
is_wanted(const char *name, int names_count, char **names)
{
    for (int i = 0; i < names_count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return names_count == 0;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "echo_load") == 0) {
        return echo_load(argc, argv);
    }
    uint32_t procs_count = 0;
    double scale = 1;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--procs") == 0 && at + 1 < argc) {
            procs_count = (uint32_t) strtoul(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--scale") == 0 && at + 1 < argc) {
            scale = strtod(argv[++at], NULL);
        } else if (strcmp(argv[at], "--list") == 0) {
            for (int i = 0; i < ROWS_COUNT; i++) {
                puts(rows[i].name);
            }
            return 0;
        } else {
            fprintf(stderr, "usage: sched_bench [--procs N] [--scale F] [--list] [NAME...]\n");
            return 2;
        }
    }
    uint32_t cores = (uint32_t) sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 0; i < ROWS_COUNT; i++) {
        if (!is_wanted(rows[i].name, argc - at, argv + at)) {
            continue;
        }
        run(&rows[i], procs_count > 0 ? procs_count : 1, scale);
        if (procs_count == 0 && cores > 1) {
            run(&rows[i], cores, scale);
        }
    }
    return 0;
}

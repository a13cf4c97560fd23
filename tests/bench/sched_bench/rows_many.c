/* SPDX-License-Identifier: MIT */
#include "tests/bench/sched_bench/bench.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* ---- a million sleepers ---- */

struct sleepers {
    struct hr_wg wg;
    int64_t *late_ns;
};

struct sleeper {
    struct sleepers *all;
    uint32_t index;
};

static void
sleep_once(void *arg)
{
    struct sleeper *sleeper = arg;
    int64_t duration = (int64_t) (sleeper->index % 1000) * 1000000;
    int64_t due = hr_now() + duration;
    hr_sleep(duration);
    sleeper->all->late_ns[sleeper->index] = hr_now() - due;
    hr_wg_done(&sleeper->all->wg);
}

void
row_sleepers(struct bench *bench)
{
    uint32_t count = (uint32_t) bench_count(bench, 1000000);
    struct sleepers all = { .late_ns = calloc(count, sizeof(int64_t)) };
    struct sleeper *each = calloc(count, sizeof *each);
    MUST(all.late_ns != NULL);
    MUST(each != NULL);
    memset(all.late_ns, 1, count * sizeof(int64_t)); /* touched, as Go's are */
    hr_wg_add(&all.wg, count);
    bench_begin(bench);
    for (uint32_t i = 0; i < count; i++) {
        each[i] = (struct sleeper){ &all, i };
        MUST(hr_go(sleep_once, &each[i], "sleeper") == 0);
    }
    MUST(hr_wg_wait(&all.wg) == 0);
    bench_end(bench, count);
    bench_percentiles(bench, "late", all.late_ns, count);
    free(all.late_ns);
    free(each);
}

/* ---- a million idle ones ---- */

struct idle {
    struct hr_chan *gate;
    struct hr_wg parked;
    struct hr_wg exited;
};

static void
wait_at_gate(void *arg)
{
    struct idle *idle = arg;
    hr_wg_done(&idle->parked);
    MUST(hr_chan_recv(idle->gate, NULL) < 0);
    hr_wg_done(&idle->exited);
}

static void
park_many(struct idle *idle, uint32_t count)
{
    idle->gate = hr_chan_new(sizeof(uint64_t), 0);
    hr_wg_add(&idle->parked, count);
    hr_wg_add(&idle->exited, count);
    for (uint32_t i = 0; i < count; i++) {
        MUST(hr_go(wait_at_gate, idle, "idle") == 0);
    }
    MUST(hr_wg_wait(&idle->parked) == 0);
}

static void
release_many(struct idle *idle)
{
    hr_chan_close(idle->gate);
    MUST(hr_wg_wait(&idle->exited) == 0);
}

/* Both idle rows: the time, and what it costs to keep them. */
void
row_idle(struct bench *bench)
{
    uint32_t count = (uint32_t) bench_count(bench, 1000000);
    struct idle idle = { .gate = NULL };
    uint64_t before = bench_resident_size();
    bench_begin(bench);
    park_many(&idle, count);
    bench_end(bench, count);
    snprintf(bench->more, sizeof bench->more,
        ",\"bytes_per_task\":%.1f,\"maps_lines\":%" PRIu64,
        (double) (bench_resident_size() - before) / (double) count, bench_maps_count());
    release_many(&idle);
    hr_chan_free(idle.gate);
}

void
row_close_wakes(struct bench *bench)
{
    uint32_t count = (uint32_t) bench_count(bench, 1000000);
    struct idle idle = { .gate = NULL };
    park_many(&idle, count);
    hr_sleep(5000000);
    bench_begin(bench);
    release_many(&idle);
    bench_end(bench, count);
    hr_chan_free(idle.gate);
}

/* ---- a probe beside fibers that ignore the scheduler ---- */

enum {
    PROBES_COUNT = 1000,
    PROBE_SLEEP_NS = 1000000,
    BLOCK_NS = 5000000,
    HOG_NS = 55000000
};

struct probe {
    struct hr_wg wg;
    volatile bool is_over;
};

static void
block_on(void *arg)
{
    struct probe *probe = arg;
    while (!probe->is_over) {
        struct timespec time = { .tv_nsec = BLOCK_NS };
        nanosleep(&time, NULL); /* not a word to the scheduler */
    }
    hr_wg_done(&probe->wg);
}

static void
hog_on(void *arg)
{
    struct probe *probe = arg;
    while (!probe->is_over) {
        int64_t until = hr_now() + HOG_NS;
        while (hr_now() < until) {
        }
        hr_yield();
    }
    hr_wg_done(&probe->wg);
}

static void
run_probe(struct bench *bench, hr_fn *neighbour, uint32_t neighbours_count)
{
    static int64_t late_ns[PROBES_COUNT];
    struct probe probe = { .is_over = false };
    uint64_t count = bench_count(bench, PROBES_COUNT);
    hr_wg_add(&probe.wg, neighbours_count);
    for (uint32_t i = 0; i < neighbours_count; i++) {
        MUST(hr_go(neighbour, &probe, "neighbour") == 0);
    }
    bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        int64_t due = hr_now() + PROBE_SLEEP_NS;
        hr_sleep(PROBE_SLEEP_NS);
        late_ns[i] = hr_now() - due;
    }
    bench_end(bench, count);
    probe.is_over = true;
    MUST(hr_wg_wait(&probe.wg) == 0);
    bench_percentiles(bench, "late", late_ns, count);
}

void
row_blocked(struct bench *bench)
{
    run_probe(bench, block_on, 4 * bench->procs_count);
}

void
row_hog(struct bench *bench)
{
    run_probe(bench, hog_on, bench->procs_count);
}

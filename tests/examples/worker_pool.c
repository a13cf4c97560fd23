/* SPDX-License-Identifier: MIT
 *
 * tests/examples/worker_pool.c - a fixed number of workers and a queue (Go by Example).
 *
 * The queue is a buffered channel; closing it sends the workers home, and a wait group tells
 * when the last one has gone.
 */
#include "worker/sched/sched.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WORKERS_COUNT = 4,
    JOBS_COUNT = 1000
};

struct shop {
    struct hr_chan *jobs;
    struct hr_chan *results;
    struct hr_wg workers;
};

static void
go(hr_fn *fn, void *arg, const char *name)
{
    if (hr_go(fn, arg, name) != 0) {
        fprintf(stderr, "too many fibers\n");
        exit(1);
    }
}

static void
work(void *arg)
{
    struct shop *shop = arg;
    uint64_t job;
    while (hr_chan_recv(shop->jobs, &job) == 0) {
        uint64_t result = job * 2;
        hr_chan_send(shop->results, &result);
    }
    hr_wg_done(&shop->workers);
}

static void
hand_out(void *arg)
{
    struct shop *shop = arg;
    for (uint64_t i = 1; i <= JOBS_COUNT; i++) {
        hr_chan_send(shop->jobs, &i);
    }
    hr_chan_close(shop->jobs);
    hr_wg_wait(&shop->workers);
    hr_chan_close(shop->results);
}

static void
start(void *arg)
{
    (void) arg;
    struct shop shop = { .jobs = hr_chan_new(sizeof(uint64_t), 16),
        .results = hr_chan_new(sizeof(uint64_t), 16) };
    hr_wg_add(&shop.workers, WORKERS_COUNT);
    for (int i = 0; i < WORKERS_COUNT; i++) {
        go(work, &shop, "worker");
    }
    go(hand_out, &shop, "foreman");
    uint64_t result, sum = 0;
    unsigned count = 0;
    while (hr_chan_recv(shop.results, &result) == 0) {
        sum += result;
        count++;
    }
    printf("%u results, sum %" PRIu64 "\n", count, sum);
    hr_chan_free(shop.jobs);
    hr_chan_free(shop.results);
}

int
main(void)
{
    struct hr_fiber *fiber;
    if (hr_start(NULL) != 0 || hr_spawn(start, NULL, "start", &fiber) != 0) {
        return 1;
    }
    hr_join(fiber);
    return hr_stop() == 0 ? 0 : 1;
}

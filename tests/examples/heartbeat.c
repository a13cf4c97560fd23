/* SPDX-License-Identifier: MIT
 *
 * tests/examples/heartbeat.c - a worker that shows it is alive ("Concurrency in Go").
 *
 * The worker beats on a channel of capacity one without ever waiting for a listener; the
 * watcher sees beats and results, and would time out if the worker fell silent.
 */
#include "worker/sched/sched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RESULTS_COUNT = 5
};

struct worker {
    struct hr_chan *beats;
    struct hr_chan *results;
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
    struct worker *worker = arg;
    for (int i = 0; i < RESULTS_COUNT; i++) {
        hr_chan_try_send(worker->beats, NULL);
        hr_sleep(1000000);
        hr_chan_send(worker->results, &i);
    }
    hr_chan_close(worker->results);
}

static void
start(void *arg)
{
    (void) arg;
    struct worker worker = { hr_chan_new(0, 1), hr_chan_new(sizeof(int), 0) };
    go(work, &worker, "worker");
    int result, beats_count = 0;
    struct hr_case cases[] = { { .chan = worker.beats },
        { .chan = worker.results, .element = &result } };
    for (;;) {
        int which = hr_select(cases, 2, hr_now() + INT64_C(20000000000));
        if (which == -ETIMEDOUT) {
            printf("the worker is dead\n");
            break;
        }
        if (which == 0) {
            beats_count++;
        } else if (cases[1].err != 0) {
            break;
        } else {
            printf("result %d\n", result);
        }
    }
    printf("%s\n", beats_count > 0 ? "it was alive" : "no beat was seen");
    hr_chan_free(worker.beats);
    hr_chan_free(worker.results);
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

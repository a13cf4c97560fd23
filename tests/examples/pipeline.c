/* SPDX-License-Identifier: MIT
 *
 * tests/examples/pipeline.c - stages joined by channels (Go: "Pipelines and cancellation").
 *
 * numbers -> squares -> sum; each stage closes its output when its input ends.
 */
#include "worker/sched/sched.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct stage {
    struct hr_chan *in;
    struct hr_chan *out;
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
numbers(void *arg)
{
    struct stage *stage = arg;
    for (uint64_t i = 1; i <= 10; i++) {
        hr_chan_send(stage->out, &i);
    }
    hr_chan_close(stage->out);
}

static void
squares(void *arg)
{
    struct stage *stage = arg;
    uint64_t value;
    while (hr_chan_recv(stage->in, &value) == 0) {
        value *= value;
        hr_chan_send(stage->out, &value);
    }
    hr_chan_close(stage->out);
}

static void
start(void *arg)
{
    (void) arg;
    struct stage first = { .out = hr_chan_new(sizeof(uint64_t), 0) };
    struct stage second = { .in = first.out, .out = hr_chan_new(sizeof(uint64_t), 4) };
    go(numbers, &first, "numbers");
    go(squares, &second, "squares");
    uint64_t sum = 0, value;
    while (hr_chan_recv(second.out, &value) == 0) {
        printf("%" PRIu64 "\n", value);
        sum += value;
    }
    printf("sum %" PRIu64 "\n", sum);
    hr_chan_free(first.out);
    hr_chan_free(second.out);
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

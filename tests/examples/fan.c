/* SPDX-License-Identifier: MIT
 *
 * tests/examples/fan.c - fan-out and fan-in (of "Go concurrency patterns", the talkers).
 *
 * Several talkers each say their lines on a channel of their own; one fiber merges them by
 * select until all are closed.  Who comes when is chance; what is said is not.
 */
#include "worker/sched/sched.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TALKERS_COUNT = 3,
    LINES_COUNT = 100
};

struct talker {
    struct hr_chan *out;
    int lines_heard;
    int next_line;
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
talk(void *arg)
{
    struct talker *talker = arg;
    for (int i = 0; i < LINES_COUNT; i++) {
        hr_chan_send(talker->out, &i);
    }
    hr_chan_close(talker->out);
}

static void
listen_to(struct talker *talkers)
{
    struct hr_case cases[TALKERS_COUNT];
    int line, open_count = TALKERS_COUNT;
    for (int i = 0; i < TALKERS_COUNT; i++) {
        cases[i] = (struct hr_case){ .chan = talkers[i].out, .element = &line };
    }
    while (open_count > 0) {
        int who = hr_select(cases, TALKERS_COUNT, HR_NEVER);
        if (cases[who].err != 0) {
            cases[who].chan = NULL; /* closed: never ready again, as in Go */
            open_count--;
        } else if (line == talkers[who].next_line) {
            talkers[who].next_line++; /* each is heard in its own order */
            talkers[who].lines_heard++;
        }
    }
}

static void
start(void *arg)
{
    (void) arg;
    struct talker talkers[TALKERS_COUNT] = { 0 };
    for (int i = 0; i < TALKERS_COUNT; i++) {
        talkers[i].out = hr_chan_new(sizeof(int), 0);
        go(talk, &talkers[i], "talker");
    }
    listen_to(talkers);
    for (int i = 0; i < TALKERS_COUNT; i++) {
        printf("talker %d: %d lines\n", i, talkers[i].lines_heard);
        hr_chan_free(talkers[i].out);
    }
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

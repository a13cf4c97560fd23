/* SPDX-License-Identifier: MIT
 *
 * tests/examples/replicated_request.c - ask several, take the first, stop the rest (The Tail at
 * Scale; "Concurrency in Go", replicated requests).  Hedgerow in forty lines.
 *
 * The losers are cancelled through their ctx, and the program waits until each of them has
 * said that it stopped.
 */
#include "worker/sched/sched.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    REPLICAS_COUNT = 5
};

struct request {
    struct hr_chan *replies;
    struct hr_wg stopped;
    _Atomic int cancelled_count;
};

struct replica {
    struct request *request;
    int index;
};

static void
answer(void *arg)
{
    struct replica *replica = arg;
    /* The second one is quick; the others would take a minute. */
    int err = hr_sleep(replica->index == 1 ? 1000000 : INT64_C(60000000000));
    if (err == -ECANCELED) {
        atomic_fetch_add(&replica->request->cancelled_count, 1);
    } else {
        hr_chan_try_send(replica->request->replies, &replica->index);
    }
    hr_wg_done(&replica->request->stopped);
}

static void
start(void *arg)
{
    (void) arg;
    struct request request = { .replies = hr_chan_new(sizeof(int), REPLICAS_COUNT) };
    struct replica replicas[REPLICAS_COUNT];
    struct hr_ctx *ctx = hr_ctx_new(hr_ctx_self(), hr_now() + INT64_C(30000000000));
    hr_wg_add(&request.stopped, REPLICAS_COUNT);
    for (int i = 0; i < REPLICAS_COUNT; i++) {
        replicas[i] = (struct replica){ &request, i };
        if (hr_go_ctx(ctx, answer, &replicas[i], "replica") != 0) {
            exit(1);
        }
    }
    int winner = -1;
    hr_chan_recv(request.replies, &winner);
    hr_ctx_cancel(ctx, HR_CAUSE_USER);
    hr_wg_wait(&request.stopped);
    printf("replica %d won, %d losers stopped\n", winner, request.cancelled_count);
    hr_ctx_rele(ctx);
    hr_chan_free(request.replies);
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

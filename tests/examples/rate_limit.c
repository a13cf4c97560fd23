/* SPDX-License-Identifier: MIT
 *
 * tests/examples/rate_limit.c - no more than one every two milliseconds, bursts of three (Go by
 * Example).
 *
 * A fiber fills a channel of tokens; who wants to go on takes one.
 */
#include "worker/sched/sched.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BURST_COUNT = 3,
    REQUESTS_COUNT = 8
};

static const int64_t every_ns = 2000000;

struct limiter {
    struct hr_chan *tokens;
    struct hr_ctx *ctx;
};

static void
refill(void *arg)
{
    struct limiter *limiter = arg;
    while (hr_sleep(every_ns) == 0) {
        hr_chan_try_send(limiter->tokens, NULL); /* full: the burst is all that is kept */
    }
    hr_chan_close(limiter->tokens);
}

static void
start(void *arg)
{
    (void) arg;
    struct limiter limiter = { hr_chan_new(0, BURST_COUNT), hr_ctx_new(NULL, HR_NEVER) };
    for (int i = 0; i < BURST_COUNT; i++) {
        hr_chan_try_send(limiter.tokens, NULL);
    }
    if (hr_go_ctx(limiter.ctx, refill, &limiter, "refill") != 0) {
        exit(1);
    }
    int64_t began = hr_now();
    for (int i = 0; i < REQUESTS_COUNT; i++) {
        hr_chan_recv(limiter.tokens, NULL);
        int64_t earliest = i < BURST_COUNT ? 0 : (i - BURST_COUNT + 1) * every_ns;
        printf("request %d %s\n", i, hr_now() - began >= earliest ? "in time" : "too early");
    }
    hr_ctx_cancel(limiter.ctx, HR_CAUSE_USER);
    while (hr_chan_recv(limiter.tokens, NULL) == 0) {
    }
    hr_ctx_rele(limiter.ctx);
    hr_chan_free(limiter.tokens);
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

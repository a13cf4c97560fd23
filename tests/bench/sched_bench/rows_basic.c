/* SPDX-License-Identifier: MIT */
#include "tests/bench/sched_bench/bench.h"
#include "worker/sched/switch.h"

#include <stdatomic.h>

/* ---- two stacks, no scheduler ---- */

static void *raw_main_sp;
static void *raw_other_sp;

static _Noreturn void
raw_other(void)
{
    for (;;) {
        switch_stacks(&raw_other_sp, raw_main_sp);
    }
}

void
row_switch_raw(struct bench *bench)
{
    static _Alignas(16) uintptr_t stack[4096];
    uint64_t count = bench_count(bench, 100000000);
    uintptr_t *frame = stack + 4096 - 16 - SWITCH_FRAME_WORDS;
    frame[SWITCH_FRAME_ENTRY] = (uintptr_t) raw_other;
    frame += (uintptr_t) frame % 16 == 0; /* an entry expects the stack as after a call */
    frame[SWITCH_FRAME_ENTRY] = (uintptr_t) raw_other;
    raw_other_sp = frame;
    bench_begin(bench);
    for (uint64_t i = 0; i < count; i += 2) {
        switch_stacks(&raw_main_sp, raw_other_sp);
    }
    bench_end(bench, count);
}

/* ---- starting ---- */

static void
done_at_once(void *arg)
{
    hr_wg_done(arg);
}

void
row_spawn_join(struct bench *bench)
{
    uint64_t count = bench_count(bench, 2000000);
    struct hr_wg wg = { 0 };
    bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        hr_wg_add(&wg, 1);
        MUST(hr_go(done_at_once, &wg, "empty") == 0);
    }
    MUST(hr_wg_wait(&wg) == 0);
    bench_end(bench, count);
}

struct chain {
    struct hr_wg wg;
    uint32_t left;
};

static void
start_next(void *arg)
{
    struct chain *chain = arg;
    if (chain->left == 0) {
        hr_wg_done(&chain->wg);
        return;
    }
    chain->left--;
    MUST(hr_go(start_next, chain, "link") == 0);
}

void
row_spawn_chained(struct bench *bench)
{
    enum {
        DEPTH = 1000
    };
    uint64_t count = bench_count(bench, 1000);
    bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        struct chain chain = { .left = DEPTH - 1 };
        hr_wg_add(&chain.wg, 1);
        MUST(hr_go(start_next, &chain, "link") == 0);
        MUST(hr_wg_wait(&chain.wg) == 0);
    }
    bench_end(bench, count * DEPTH);
}

/* ---- yield ---- */

struct counted {
    struct hr_wg *wg;
    struct hr_chan *chans[2];
    struct hr_mutex *mutex;
    uint64_t *counter;
    uint64_t count;
};

static void
yield_often(void *arg)
{
    struct counted *mine = arg;
    for (uint64_t i = 0; i < mine->count; i++) {
        hr_yield();
    }
    hr_wg_done(mine->wg);
}

void
row_yield(struct bench *bench)
{
    struct hr_wg wg = { 0 };
    struct counted each = { .wg = &wg, .count = bench_count(bench, 5000000) };
    hr_wg_add(&wg, 2);
    bench_begin(bench);
    for (int i = 0; i < 2; i++) {
        MUST(hr_go(yield_often, &each, "yielder") == 0);
    }
    MUST(hr_wg_wait(&wg) == 0);
    bench_end(bench, 2 * each.count);
}

/* ---- channels ---- */

static void
pong(void *arg)
{
    struct counted *mine = arg;
    uint64_t value;
    while (hr_chan_recv(mine->chans[0], &value) == 0) {
        MUST(hr_chan_send(mine->chans[1], &value) == 0);
    }
    hr_wg_done(mine->wg);
}

void
row_pingpong(struct bench *bench)
{
    struct hr_wg wg = { 0 };
    struct counted mine = { .wg = &wg, .count = bench_count(bench, 2000000) };
    mine.chans[0] = hr_chan_new(sizeof(uint64_t), 0);
    mine.chans[1] = hr_chan_new(sizeof(uint64_t), 0);
    hr_wg_add(&wg, 1);
    MUST(hr_go(pong, &mine, "pong") == 0);
    bench_begin(bench);
    for (uint64_t i = 0; i < mine.count; i++) {
        uint64_t value = i;
        MUST(hr_chan_send(mine.chans[0], &value) == 0);
        MUST(hr_chan_recv(mine.chans[1], &value) == 0);
    }
    bench_end(bench, mine.count);
    hr_chan_close(mine.chans[0]);
    MUST(hr_wg_wait(&wg) == 0);
    hr_chan_free(mine.chans[0]);
    hr_chan_free(mine.chans[1]);
}

static void
send_count(void *arg)
{
    struct counted *mine = arg;
    for (uint64_t i = 0; i < mine->count; i++) {
        MUST(hr_chan_send(mine->chans[0], &i) == 0);
    }
    hr_wg_done(mine->wg);
}

static void
recv_count(void *arg)
{
    struct counted *mine = arg;
    for (uint64_t i = 0; i < mine->count; i++) {
        uint64_t value;
        MUST(hr_chan_recv(mine->chans[0], &value) == 0);
    }
    hr_wg_done(mine->wg);
}

static void
run_buffered(struct bench *bench, uint32_t pairs_count, uint64_t total)
{
    struct hr_wg wg = { 0 };
    struct counted mine = { .wg = &wg, .count = bench_count(bench, total) / pairs_count };
    mine.chans[0] = hr_chan_new(sizeof(uint64_t), 128);
    hr_wg_add(&wg, 2 * pairs_count);
    bench_begin(bench);
    for (uint32_t i = 0; i < pairs_count; i++) {
        MUST(hr_go(send_count, &mine, "sender") == 0);
        MUST(hr_go(recv_count, &mine, "receiver") == 0);
    }
    MUST(hr_wg_wait(&wg) == 0);
    bench_end(bench, mine.count * pairs_count);
    hr_chan_free(mine.chans[0]);
}

void
row_spsc(struct bench *bench)
{
    run_buffered(bench, 1, 10000000);
}

void
row_mpmc(struct bench *bench)
{
    run_buffered(bench, 8, 4000000);
}

/* ---- select ---- */

void
row_select(struct bench *bench)
{
    struct hr_wg wg = { 0 };
    struct counted senders[4];
    struct hr_case cases[4];
    uint64_t value;
    hr_wg_add(&wg, 4);
    for (int i = 0; i < 4; i++) {
        senders[i] = (struct counted){ .wg = &wg, .count = bench_count(bench, 2000000) / 4 };
        senders[i].chans[0] = hr_chan_new(sizeof(uint64_t), 0);
        cases[i] = (struct hr_case){ .chan = senders[i].chans[0], .element = &value };
        MUST(hr_go(send_count, &senders[i], "sender") == 0);
    }
    uint64_t count = senders[0].count * 4;
    bench_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        MUST(hr_select(cases, 4, HR_NEVER) >= 0);
    }
    bench_end(bench, count);
    MUST(hr_wg_wait(&wg) == 0);
    for (int i = 0; i < 4; i++) {
        hr_chan_free(senders[i].chans[0]);
    }
}

/* ---- mutex ---- */

static void
count_locked(void *arg)
{
    struct counted *mine = arg;
    for (uint64_t i = 0; i < mine->count; i++) {
        hr_mutex_lock(mine->mutex);
        ++*mine->counter;
        hr_mutex_unlock(mine->mutex);
    }
    hr_wg_done(mine->wg);
}

void
row_mutex(struct bench *bench)
{
    struct hr_wg wg = { 0 };
    struct hr_mutex mutex = { 0 };
    uint64_t counter = 0;
    struct counted each = { .wg = &wg,
        .mutex = &mutex,
        .counter = &counter,
        .count = bench_count(bench, 8000000) / 8 };
    hr_wg_add(&wg, 8);
    bench_begin(bench);
    for (int i = 0; i < 8; i++) {
        MUST(hr_go(count_locked, &each, "locker") == 0);
    }
    MUST(hr_wg_wait(&wg) == 0);
    bench_end(bench, 8 * each.count);
    MUST(counter == 8 * each.count);
}

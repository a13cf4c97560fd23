/* SPDX-License-Identifier: MIT */
#include "tests/bench/sched_bench/bench.h"

#include <stdatomic.h>

/* ---- skynet ---- */

struct sky {
    struct hr_chan *to;
    uint64_t number;
    uint64_t size;
};

static void
sky_main(void *arg)
{
    struct sky sky = *(struct sky *) arg;
    uint64_t sum = 0;
    if (sky.size == 1) {
        sum = sky.number;
    } else {
        struct sky children[10];
        struct hr_chan *from = hr_chan_new(sizeof(uint64_t), 0);
        for (uint64_t i = 0; i < 10; i++) {
            children[i] = (struct sky){
                .to = from, .number = sky.number + i * (sky.size / 10), .size = sky.size / 10
            };
            MUST(hr_go(sky_main, &children[i], "sky") == 0);
        }
        for (int i = 0; i < 10; i++) {
            uint64_t part;
            MUST(hr_chan_recv(from, &part) == 0);
            sum += part;
        }
        hr_chan_free(from);
    }
    MUST(hr_chan_send(sky.to, &sum) == 0);
}

void
row_skynet(struct bench *bench)
{
    enum {
        LEAVES_COUNT = 1000000,
        FIBERS_COUNT = 1111111
    };
    struct hr_chan *chan = hr_chan_new(sizeof(uint64_t), 0);
    uint64_t times = bench_count(bench, 1);
    bench_begin(bench);
    for (uint64_t i = 0; i < times; i++) {
        struct sky root = { .to = chan, .size = LEAVES_COUNT };
        uint64_t sum = 0;
        MUST(hr_go(sky_main, &root, "sky") == 0);
        MUST(hr_chan_recv(chan, &sum) == 0);
        MUST(sum == UINT64_C(499999500000));
    }
    bench_end(bench, FIBERS_COUNT * times);
    hr_chan_free(chan);
}

/* ---- ring ---- */

struct node {
    struct hr_chan *from;
    struct hr_chan *to;
    struct hr_wg *wg;
};

static void
pass_on(void *arg)
{
    struct node *node = arg;
    uint64_t hops;
    while (hr_chan_recv(node->from, &hops) == 0) {
        hops = hops > 0 ? hops - 1 : 0;
        if (hr_chan_send(node->to, &hops) != 0) {
            break;
        }
        if (hops == 0) {
            break;
        }
    }
    hr_wg_done(node->wg);
}

void
row_ring(struct bench *bench)
{
    enum {
        NODES_COUNT = 503
    };
    struct hr_chan *chans[NODES_COUNT];
    static struct node nodes[NODES_COUNT];
    struct hr_wg wg = { 0 };
    uint64_t count = bench_count(bench, 2000000);
    for (int i = 0; i < NODES_COUNT; i++) {
        chans[i] = hr_chan_new(sizeof(uint64_t), 0);
    }
    /* The main fiber is one of the 503. */
    for (int i = 1; i < NODES_COUNT; i++) {
        nodes[i] = (struct node){ chans[i - 1], chans[i], &wg };
        hr_wg_add(&wg, 1);
        MUST(hr_go(pass_on, &nodes[i], "node") == 0);
    }
    uint64_t hops = count;
    bench_begin(bench);
    while (hops > 0) {
        MUST(hr_chan_send(chans[0], &hops) == 0);
        MUST(hr_chan_recv(chans[NODES_COUNT - 1], &hops) == 0);
        hops = hops > 0 ? hops - 1 : 0;
    }
    bench_end(bench, count);
    for (int i = 0; i < NODES_COUNT; i++) {
        hr_chan_close(chans[i]);
    }
    MUST(hr_wg_wait(&wg) == 0);
    for (int i = 0; i < NODES_COUNT; i++) {
        hr_chan_free(chans[i]);
    }
}

/* ---- sieve ---- */

struct filter {
    struct hr_chan *in;
    struct hr_chan *out;
    uint64_t prime;
    struct hr_wg *wg;
};

static void
count_on(void *arg)
{
    struct filter *filter = arg;
    for (uint64_t i = 2; hr_chan_send(filter->out, &i) == 0; i++) {
    }
    hr_wg_done(filter->wg);
}

static void
filter_main(void *arg)
{
    struct filter *filter = arg;
    uint64_t value;
    while (hr_chan_recv(filter->in, &value) == 0) {
        if (value % filter->prime != 0 && hr_chan_send(filter->out, &value) != 0) {
            break;
        }
    }
    hr_wg_done(filter->wg);
}

void
row_sieve(struct bench *bench)
{
    enum {
        PRIMES_COUNT = 2262 /* up to 20,000 */
    };
    static struct filter filters[PRIMES_COUNT + 1];
    struct hr_wg wg = { 0 };
    uint64_t primes_count = bench_count(bench, PRIMES_COUNT);
    uint64_t prime = 0;
    bench_begin(bench);
    filters[0] = (struct filter){ .out = hr_chan_new(sizeof(uint64_t), 0), .wg = &wg };
    hr_wg_add(&wg, 1);
    MUST(hr_go(count_on, &filters[0], "numbers") == 0);
    for (uint64_t i = 1; i <= primes_count; i++) {
        MUST(hr_chan_recv(filters[i - 1].out, &prime) == 0);
        filters[i] = (struct filter){ .in = filters[i - 1].out,
            .out = hr_chan_new(sizeof(uint64_t), 0),
            .prime = prime,
            .wg = &wg };
        hr_wg_add(&wg, 1);
        MUST(hr_go(filter_main, &filters[i], "filter") == 0);
    }
    bench_end(bench, 1);
    MUST(primes_count != PRIMES_COUNT || prime == 19997);
    for (uint64_t i = 0; i <= primes_count; i++) {
        hr_chan_close(filters[i].out);
    }
    MUST(hr_wg_wait(&wg) == 0);
    for (uint64_t i = 0; i <= primes_count; i++) {
        hr_chan_free(filters[i].out);
    }
}

/* ---- fork and join ---- */

struct fib {
    struct hr_chan *to;
    uint64_t n;
};

static void
fib_main(void *arg)
{
    struct fib fib = *(struct fib *) arg;
    uint64_t result = fib.n;
    if (fib.n >= 2) {
        struct fib children[2];
        uint64_t parts[2];
        for (uint64_t i = 0; i < 2; i++) {
            children[i] = (struct fib){ hr_chan_new(sizeof(uint64_t), 1), fib.n - 1 - i };
            MUST(hr_go(fib_main, &children[i], "fib") == 0);
        }
        for (int i = 0; i < 2; i++) {
            MUST(hr_chan_recv(children[i].to, &parts[i]) == 0);
            hr_chan_free(children[i].to);
        }
        result = parts[0] + parts[1];
    }
    MUST(hr_chan_send(fib.to, &result) == 0);
}

void
row_fib(struct bench *bench)
{
    enum {
        CALLS_COUNT = 242785
    };
    struct fib root = { hr_chan_new(sizeof(uint64_t), 1), 25 };
    uint64_t times = bench_count(bench, 1);
    bench_begin(bench);
    for (uint64_t i = 0; i < times; i++) {
        uint64_t result = 0;
        MUST(hr_go(fib_main, &root, "fib") == 0);
        MUST(hr_chan_recv(root.to, &result) == 0);
        MUST(result == 75025);
    }
    bench_end(bench, CALLS_COUNT * times);
    hr_chan_free(root.to);
}

/* ---- cancelling a tree ---- */

struct leaf {
    struct hr_chan *chan;
    struct hr_wg *exited;
    struct hr_wg *parked;
};

static void
leaf_main(void *arg)
{
    struct leaf *leaf = arg;
    hr_wg_done(leaf->parked);
    MUST(hr_chan_recv(leaf->chan, NULL) < 0);
    hr_wg_done(leaf->exited);
}

void
row_ctx_tree(struct bench *bench)
{
    uint32_t count = (uint32_t) bench_count(bench, 100000);
    struct hr_wg exited = { 0 }, parked = { 0 };
    struct leaf leaf = { hr_chan_new(8, 0), &exited, &parked };
    struct hr_ctx *parent = hr_ctx_new(NULL, HR_NEVER);
    int64_t deadline = hr_now() + INT64_C(3600000000000);
    hr_wg_add(&exited, count);
    hr_wg_add(&parked, count);
    for (uint32_t i = 0; i < count; i++) {
        struct hr_ctx *ctx = hr_ctx_new(parent, deadline + i);
        MUST(hr_go_ctx(ctx, leaf_main, &leaf, "leaf") == 0);
        hr_ctx_rele(ctx);
    }
    MUST(hr_wg_wait(&parked) == 0);
    hr_sleep(5000000); /* the last ones on their way into the wait */
    bench_begin(bench);
    hr_ctx_cancel(parent, HR_CAUSE_USER);
    MUST(hr_wg_wait(&exited) == 0);
    bench_end(bench, count);
    hr_ctx_rele(parent);
    hr_chan_free(leaf.chan);
}

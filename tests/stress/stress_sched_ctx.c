/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TESTS_COUNT = 3,
    PROCS_COUNT = 4
};

/* GOAL    whoever waits below a ctx that ends, waits no longer, whatever it waits for; and
 *         the tree may be built, ended and taken down by many at once.
 * METHOD  random trees; at each node fibers that wait for ever in every way there is, and
 *         some that deepen the tree; several cancel random nodes (a plain thread too) while
 *         deadlines pass.  Nobody sets what they wait for: each must come home by its ctx. */
enum {
    NODES_COUNT = 24,
    WAITERS_COUNT = 40,
    WAYS_COUNT = 10,
    CANCELLERS_COUNT = 3
};

struct tree {
    struct hr_ctx *nodes[NODES_COUNT];
    struct hr_chan *silent;
    struct hr_mutex locked;
    struct hr_cond cond;
    struct hr_mutex cond_mutex;
    struct hr_sem empty;
    struct hr_wg open;
    struct hr_event events[WAITERS_COUNT];
    int sockets[WAITERS_COUNT][2];
    _Atomic uint32_t waiters;
    _Atomic uint32_t home;
    _Atomic uint64_t dice;
};

static int
wait_below(struct tree *tree, uint32_t index)
{
    struct hr_case cases[2] = { { .chan = tree->silent }, { .chan = NULL } };
    uint8_t byte;
    int err = 0;
    switch (index % WAYS_COUNT) {
    case 0: return hr_chan_recv(tree->silent, NULL);
    case 1: return hr_sleep(INT64_C(1000000000000));
    case 2: return hr_select(cases, 2, HR_NEVER);
    case 3: return hr_event_wait(&tree->events[index]);
    case 4: return hr_sem_take(&tree->empty, 1 + index);
    case 5: return hr_wg_wait(&tree->open);
    case 6: return hr_mutex_lock_ctx(&tree->locked);
    case 7: return (int) hr_read(tree->sockets[index][0], &byte, 1, HR_NEVER);
    case 8: return hr_chan_send(NULL, NULL);
    default:
        hr_mutex_lock(&tree->cond_mutex);
        while (err == 0) {
            err = hr_cond_wait(&tree->cond, &tree->cond_mutex);
        }
        hr_mutex_unlock(&tree->cond_mutex);
        return err;
    }
}

static void
waiter(void *arg)
{
    struct tree *tree = arg;
    uint32_t index = atomic_fetch_add(&tree->waiters, 1);
    int err = wait_below(tree, index);
    MUST(err == -ECANCELED || err == -ETIMEDOUT);
    MUST(err == hr_ctx_err(hr_ctx_self()));
    MUST(wait_below(tree, index) == err); /* and it stays so */
    atomic_fetch_add(&tree->home, 1);
}

static uint64_t
dice_of(struct tree *tree)
{
    uint64_t dice = atomic_fetch_add(&tree->dice, 0x9e3779b97f4a7c15) | 1;
    for (int i = 0; i < 4; i++) {
        dice_below(&dice, 2);
    }
    return dice;
}

static void
canceller(void *arg)
{
    struct tree *tree = arg;
    uint64_t dice = dice_of(tree);
    for (int i = 0; i < 6; i++) {
        struct hr_ctx *ctx = tree->nodes[dice_below(&dice, NODES_COUNT)];
        hr_ctx_cancel(ctx, HR_CAUSE_USER + (int) dice_below(&dice, 3));
        MUST(hr_ctx_err(ctx) != 0);
        if (hr_on_fiber()) {
            hr_sleep(dice_below(&dice, 100000));
        }
    }
    atomic_fetch_add(&tree->home, 1);
}

static void *
cancel_on_thread(void *arg)
{
    canceller(arg);
    return NULL;
}

static void
tree_grow(struct tree *tree, struct stress *stress)
{
    for (uint32_t i = 0; i < NODES_COUNT; i++) {
        struct hr_ctx *parent = i == 0 ? NULL : tree->nodes[dice_below(&stress->dice, i)];
        int64_t left = 200000 + dice_below(&stress->dice, 3000000);
        bool has_deadline = dice_below(&stress->dice, 3) == 0;
        tree->nodes[i] = hr_ctx_new(parent, has_deadline ? hr_now() + left : HR_NEVER);
        MUST(tree->nodes[i] != NULL);
    }
    for (uint32_t i = 0; i < WAITERS_COUNT; i++) {
        hr_event_init(&tree->events[i]);
        struct hr_ctx *ctx = tree->nodes[dice_below(&stress->dice, NODES_COUNT)];
        MUST(hr_go_ctx(ctx, waiter, tree, "waiter") == 0);
    }
}

static void
tree_round(struct stress *stress, struct tree *tree)
{
    atomic_store(&tree->waiters, 0);
    atomic_store(&tree->home, 0);
    atomic_store(&tree->dice, dice_fork(&stress->dice));
    hr_sem_init(&tree->empty, 0);
    tree_grow(tree, stress);
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, cancel_on_thread, tree) == 0);
    for (int i = 1; i < CANCELLERS_COUNT; i++) {
        MUST(hr_go(canceller, tree, "canceller") == 0);
    }
    hr_sleep(dice_below(&stress->dice, 1000000));
    hr_ctx_cancel(tree->nodes[0], HR_CAUSE_USER);
    while (atomic_load(&tree->home) < WAITERS_COUNT + CANCELLERS_COUNT) {
        hr_sleep(50000);
    }
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < NODES_COUNT; i++) {
        uint32_t j = (i * 7 + 3) % NODES_COUNT; /* in no order */
        while (hr_ctx_err(tree->nodes[j]) == 0) {
            hr_yield(); /* a deadline is still on its way down to it */
        }
        hr_ctx_rele(tree->nodes[j]);
    }
}

static void
tree_rounds(void *arg)
{
    static struct tree tree;
    tree.silent = hr_chan_new(1, 0);
    hr_wg_add(&tree.open, 1);
    hr_mutex_lock(&tree.locked);
    for (uint32_t i = 0; i < WAITERS_COUNT; i++) {
        MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, tree.sockets[i]) == 0);
    }
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        tree_round(stress, &tree);
    }
    for (uint32_t i = 0; i < WAITERS_COUNT; i++) {
        hr_fd_forget(tree.sockets[i][0]);
        close(tree.sockets[i][0]);
        close(tree.sockets[i][1]);
    }
    hr_mutex_unlock(&tree.locked);
    hr_wg_done(&tree.open);
    hr_chan_free(tree.silent);
}

static void
ctx_tree_sends_all_home(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, tree_rounds, &stress);
    CU_PASS("every wait ended with its ctx");
}

/* GOAL    a hook runs once or, after its unhook has returned, never more.
 * METHOD  hooks on ctxs that several end at a time, taken off at a random moment; after that
 *         the hook's memory is filled with a pattern and read again later. */
struct bell {
    struct hr_ctx_hook hook;
    _Atomic uint32_t rings;
    _Atomic bool is_gone;
};

struct tower {
    struct hr_ctx *ctx;
    _Atomic uint32_t home;
    _Atomic uint64_t dice;
};

static void
ring(void *arg)
{
    struct bell *bell = arg;
    MUST(!atomic_load(&bell->is_gone));
    atomic_fetch_add(&bell->rings, 1);
    for (volatile uint32_t i = 0; i < 500; i++) {
    }
    MUST(!atomic_load(&bell->is_gone));
}

static void
ringer(void *arg)
{
    struct tower *tower = arg;
    uint64_t dice = atomic_fetch_add(&tower->dice, 0x9e3779b97f4a7c15) | 1;
    for (int i = 0; i < 8; i++) {
        struct bell bell = { .hook = { .fn = ring, .arg = &bell } };
        bool is_hooked = hr_ctx_hook(tower->ctx, &bell.hook);
        if (dice_below(&dice, 2) == 0) {
            hr_yield();
        }
        hr_ctx_unhook(tower->ctx, &bell.hook);
        atomic_store(&bell.is_gone, true);
        uint32_t rings = atomic_load(&bell.rings);
        MUST(rings <= (is_hooked ? 1 : 0));
        hr_yield();
        MUST(atomic_load(&bell.rings) == rings);
    }
    atomic_fetch_add(&tower->home, 1);
}

static void
tower_canceller(void *arg)
{
    struct tower *tower = arg;
    hr_ctx_cancel(tower->ctx, HR_CAUSE_USER);
    atomic_fetch_add(&tower->home, 1);
}

static void
tower_rounds(void *arg)
{
    enum {
        RINGERS_COUNT = 12
    };
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct tower tower = { .dice = dice_fork(&stress->dice) };
        struct hr_ctx *parent = hr_ctx_new(NULL, HR_NEVER);
        tower.ctx = hr_ctx_new(parent, hr_now() + dice_below(&stress->dice, 300000));
        for (int i = 0; i < RINGERS_COUNT; i++) {
            MUST(hr_go(ringer, &tower, "ringer") == 0);
        }
        hr_sleep(dice_below(&stress->dice, 200000));
        MUST(hr_go(tower_canceller, &tower, "canceller") == 0);
        hr_ctx_cancel(parent, HR_CAUSE_USER);
        while (atomic_load(&tower.home) < RINGERS_COUNT + 1) {
            hr_yield();
        }
        hr_ctx_rele(parent);
        hr_ctx_rele(tower.ctx);
    }
}

static void
ctx_hook_is_over_after_unhook(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, tower_rounds, &stress);
    CU_PASS("no bell rang twice, or after its end");
}

/* GOAL    a ctx may be let go at the very moment when its deadline fires, on any proc, and
 *         its memory be the next one's: that one does not end early.
 * METHOD  fibers and plain threads make, look at and let go of short-lived ones. */
struct mayflies {
    struct stress *stress;
    _Atomic uint32_t home;
    _Atomic uint64_t dice;
};

static void
live_short(struct mayflies *mayflies)
{
    struct stress stress = *mayflies->stress;
    stress.dice = atomic_fetch_add(&mayflies->dice, 0x9e3779b97f4a7c15) | 1;
    while (stress_goes_on(&stress)) {
        int64_t deadline = hr_now() + dice_below(&stress.dice, 60000);
        struct hr_ctx *outer = hr_ctx_new(NULL, deadline);
        struct hr_ctx *inner = hr_ctx_new(outer, deadline + dice_below(&stress.dice, 2) * 1000);
        struct hr_ctx *eternal = hr_ctx_new(NULL, HR_NEVER);
        for (volatile uint32_t i = dice_below(&stress.dice, 20000); i > 0; i--) {
        }
        MUST(hr_ctx_err(outer) == 0 || hr_now() >= deadline);
        MUST(hr_ctx_err(eternal) == 0);
        hr_ctx_rele(outer);
        MUST(hr_ctx_err(inner) == 0 || hr_now() >= deadline);
        hr_ctx_rele(inner);
        hr_ctx_rele(eternal);
        if (hr_on_fiber()) {
            hr_yield();
        }
    }
    atomic_fetch_add(&mayflies->home, 1);
}

static void
mayfly(void *arg)
{
    live_short(arg);
}

static void *
mayfly_on_thread(void *arg)
{
    live_short(arg);
    return NULL;
}

static void
mayflies_all(void *arg)
{
    enum {
        FIBERS_COUNT = 6
    };
    struct mayflies mayflies = { .stress = arg,
        .dice = dice_fork(&((struct stress *) arg)->dice) };
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, mayfly_on_thread, &mayflies) == 0);
    for (int i = 0; i < FIBERS_COUNT; i++) {
        MUST(hr_go(mayfly, &mayflies, "mayfly") == 0);
    }
    while (atomic_load(&mayflies.home) < FIBERS_COUNT + 1) {
        hr_sleep(100000);
    }
    pthread_join(thread, NULL);
}

static void
ctx_deadline_races_its_release(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, mayflies_all, &stress);
    CU_PASS("no ctx ended before its time");
}

static const struct test tests[] = {
    TEST(ctx_tree_sends_all_home),
    TEST(ctx_hook_is_over_after_unhook),
    TEST(ctx_deadline_races_its_release),
};
TEST_MAIN("stress_sched_ctx", tests)

/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <errno.h>
#include <stdatomic.h>

/* GOAL    a million fibers that wait for a channel, a million that sleep, a million that
 *         each spawn: all of them served, and the process has under 200 mappings.
 * METHOD  the full numbers in release in the long form; a twentieth of them in the short
 *         one, and little in the sanitized builds, which cannot hold a million stacks. */
enum {
    MAPS_COUNT_MAX = 200,
    SLEEPERS_SPREAD_MS = 1000
};

static bool
is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

static bool
is_long(void)
{
    const char *text = getenv("HEDGEROW_TEST_LONG");
    return text != NULL && text[0] != '\0';
}

static uint32_t
fibers_count(void)
{
    return is_sanitized() ? 5000 : is_long() ? 1000000 : 50000;
}

static uint32_t
maps_count(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    MUST(maps != NULL);
    uint32_t count = 0;
    int letter;
    while ((letter = fgetc(maps)) != EOF) {
        count += letter == '\n';
    }
    fclose(maps);
    return count;
}

/* Only where guards need no mapping of their own, and no sanitizer maps its own things. */
static void
check_maps(const char *when, uint32_t count)
{
    printf("# %s: %u lines in /proc/self/maps\n", when, count);
    if (!is_sanitized()) {
        CU_ASSERT_TRUE(count < MAPS_COUNT_MAX);
    }
}

struct crowd {
    struct hr_chan *chan;
    uint32_t count;
    uint32_t maps;
    _Atomic uint32_t waiting, woken, early;
};

static void
wait_for_close(void *arg)
{
    struct crowd *crowd = arg;
    atomic_fetch_add(&crowd->waiting, 1);
    MUST(hr_chan_recv(crowd->chan, NULL) == -EPIPE);
    atomic_fetch_add(&crowd->woken, 1);
}

static void
park_all(void *arg)
{
    struct crowd *crowd = arg;
    crowd->chan = hr_chan_new(1, 0);
    for (uint32_t i = 0; i < crowd->count; i++) {
        MUST(hr_go(wait_for_close, crowd, "parked") == 0);
    }
    while (atomic_load(&crowd->waiting) < crowd->count) {
        hr_sleep(1000000);
    }
    crowd->maps = maps_count();
    MUST(hr_chan_close(crowd->chan) == 0);
    while (atomic_load(&crowd->woken) < crowd->count) {
        hr_sleep(1000000);
    }
    hr_chan_free(crowd->chan);
}

static void
scale_parked_fibers_all_wake(void)
{
    struct crowd crowd = { .count = fibers_count() };
    sched_run(2, park_all, &crowd);
    ASSERT_I64_EQ(crowd.woken, crowd.count);
    check_maps("parked", crowd.maps);
}

static void
sleep_a_while(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t index = atomic_fetch_add(&crowd->waiting, 1);
    int64_t ns = (int64_t) (index * UINT64_C(2654435761) % SLEEPERS_SPREAD_MS) * 1000000;
    int64_t start = hr_now();
    MUST(hr_sleep(ns) == 0);
    atomic_fetch_add(&crowd->early, hr_now() - start < ns);
    atomic_fetch_add(&crowd->woken, 1);
}

static void
send_all_to_sleep(void *arg)
{
    struct crowd *crowd = arg;
    for (uint32_t i = 0; i < crowd->count; i++) {
        MUST(hr_go(sleep_a_while, crowd, "sleeper") == 0);
    }
    crowd->maps = maps_count();
    while (atomic_load(&crowd->woken) < crowd->count) {
        hr_sleep(1000000);
    }
}

static void
scale_sleepers_all_wake(void)
{
    struct crowd crowd = { .count = fibers_count() };
    sched_run(2, send_all_to_sleep, &crowd);
    ASSERT_I64_EQ(crowd.woken, crowd.count);
    ASSERT_I64_EQ(crowd.early, 0);
    check_maps("asleep", crowd.maps);
}

/* ---- skynet: each of ten spawns ten, down to the leaves; sums come back by channel ---- */

enum {
    BRANCHES_COUNT = 10
};

struct node {
    struct hr_chan *to;
    uint64_t first;
    uint64_t leaves_count;
};

static void
skynet(void *arg)
{
    struct node *self = arg;
    uint64_t sum = self->first;
    if (self->leaves_count > 1) {
        struct hr_chan *from = hr_chan_new(sizeof(uint64_t), 0);
        struct node children[BRANCHES_COUNT];
        sum = 0;
        for (uint64_t i = 0; i < BRANCHES_COUNT; i++) {
            uint64_t each = self->leaves_count / BRANCHES_COUNT;
            children[i] = (struct node){ from, self->first + i * each, each };
            MUST(hr_go(skynet, &children[i], "skynet") == 0);
        }
        for (int i = 0; i < BRANCHES_COUNT; i++) {
            uint64_t part = 0;
            MUST(hr_chan_recv(from, &part) == 0);
            sum += part;
        }
        hr_chan_free(from);
    }
    MUST(hr_chan_send(self->to, &sum) == 0);
}

struct skynets {
    uint32_t rounds_count;
    uint64_t leaves_count;
    uint32_t wrong_count;
    uint32_t maps;
};

static void
run_skynets(void *arg)
{
    struct skynets *all = arg;
    struct hr_chan *chan = hr_chan_new(sizeof(uint64_t), 1);
    for (uint32_t i = 0; i < all->rounds_count; i++) {
        struct node root = { chan, 0, all->leaves_count };
        uint64_t sum = 0;
        MUST(hr_go(skynet, &root, "skynet") == 0);
        MUST(hr_chan_recv(chan, &sum) == 0);
        all->wrong_count += sum != all->leaves_count * (all->leaves_count - 1) / 2;
    }
    all->maps = maps_count();
    hr_chan_free(chan);
}

static void
scale_skynet_over_and_over(void)
{
    struct skynets all = { .rounds_count = is_long() ? 100 : 10,
        .leaves_count = is_sanitized() ? 1000
                        : is_long()    ? 1000000
                                       : 100000 };
    sched_run(2, run_skynets, &all);
    ASSERT_I64_EQ(all.wrong_count, 0);
    check_maps("after skynet", all.maps);
}

static const struct test tests[] = {
    TEST(scale_parked_fibers_all_wake),
    TEST(scale_sleepers_all_wake),
    TEST(scale_skynet_over_and_over),
};
TEST_MAIN("stress_sched_scale", tests)

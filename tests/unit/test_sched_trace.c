/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS_COUNT = 300,
    EVENTS_COUNT = 256
};

static char path[64];

/* The script's verdict: 0, or 77 where there is no python3. */
static int
check_file(const char *first_name, const char *second_name)
{
    const char *source = getenv("HEDGEROW_SOURCE");
    char script[1024];
    snprintf(script, sizeof script, "%s/tests/support/trace_check.py", source ? source : ".");
    char *const argv[] = { (char[]){ "python3" }, script, path, (char *) (uintptr_t) first_name,
        (char *) (uintptr_t) second_name, NULL };
    pid_t child;
    int status = 0;
    if (posix_spawnp(&child, "python3", NULL, NULL, argv, environ) != 0) {
        printf("skipped: there is no python3 to read the timeline\n");
        return 77;
    }
    MUST(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void
assert_file_is_good(const char *first_name, const char *second_name)
{
    int verdict = check_file(first_name, second_name);
    unlink(path);
    CU_ASSERT_TRUE(verdict == 0 || verdict == 77);
}

/* ---- something to see ---- */

static void
pong(void *arg)
{
    struct hr_chan **chans = arg;
    int value;
    while (hr_chan_recv(chans[0], &value) == 0) {
        MUST(hr_chan_send(chans[1], &value) == 0);
    }
}

static void
sleeper(void *arg)
{
    (void) arg;
    (void) hr_sleep(INT64_C(3600000000000));
}

static void
leaf(void *arg)
{
    hr_yield();
    hr_wg_done(arg);
}

static void
busy_life(void)
{
    struct hr_chan *chans[2] = { hr_chan_new(sizeof(int), 0), hr_chan_new(sizeof(int), 0) };
    struct hr_fiber *other;
    MUST(hr_spawn(pong, chans, "pong \"quoted\"", &other) == 0);
    struct hr_ctx *ctx = hr_ctx_new(NULL, HR_NEVER);
    MUST(hr_go_ctx(ctx, sleeper, NULL, "sleeper") == 0);
    for (int i = 0; i < ROUNDS_COUNT; i++) {
        struct hr_wg wg = { { 0 } };
        hr_wg_add(&wg, 4);
        for (int j = 0; j < 4; j++) {
            MUST(hr_go(leaf, &wg, "leaf") == 0);
        }
        int value = i;
        MUST(hr_chan_send(chans[0], &value) == 0);
        MUST(hr_chan_recv(chans[1], &value) == 0);
        MUST(hr_wg_wait(&wg) == 0);
    }
    MUST(hr_ctx_cancel(ctx, HR_CAUSE_USER));
    hr_ctx_rele(ctx);
    MUST(hr_chan_close(chans[0]) == 0);
    hr_join(other);
    hr_chan_free(chans[0]);
    hr_chan_free(chans[1]);
}

/* ---- the tests ---- */

/* GOAL    the timeline is whole: valid, runs nest, each has its end, arrows point forward. */
static void
record_all(void *arg)
{
    (void) arg;
    snprintf(path, sizeof path, "/tmp/hedgerow-trace-%d", (int) getpid());
    MUST(hr_trace_start(0) == 0);
    MUST(hr_trace_start(0) == -EALREADY);
    busy_life();
    MUST(hr_trace_save(path) == 0);
    hr_trace_stop();
    hr_trace_stop();
}

static void
trace_of_busy_life_is_a_timeline(void)
{
    sched_run(2, record_all, NULL);
    assert_file_is_good("pong \"quoted\"", "leaf");
}

/* GOAL    a full ring keeps the last events, and a reader meets no torn one.
 * METHOD  small rings, and three writers of the file while the fibers run. */
static void
spin(void *arg)
{
    const _Atomic bool *is_over = arg;
    while (!atomic_load(is_over)) {
        busy_life();
    }
}

static void
record_little(void *arg)
{
    (void) arg;
    _Atomic bool is_over = false;
    struct hr_fiber *spinner;
    MUST(hr_trace_start(EVENTS_COUNT) == 0);
    MUST(hr_spawn(spin, (void *) &is_over, "spinner", &spinner) == 0);
    busy_life();
    for (int i = 0; i < 3; i++) {
        MUST(hr_trace_save(path) == 0);
        hr_yield();
    }
    atomic_store(&is_over, true);
    hr_join(spinner);
    MUST(hr_trace_save(path) == 0);
}

static void
trace_of_full_rings_keeps_the_end(void)
{
    sched_run(2, record_little, NULL);
    assert_file_is_good("leaf", NULL);
}

/* GOAL    recording may begin and end at any moment. */
static void
flicker(void *arg)
{
    (void) arg;
    _Atomic bool is_over = false;
    struct hr_fiber *spinner;
    MUST(hr_spawn(spin, (void *) &is_over, "spinner", &spinner) == 0);
    for (int i = 0; i < 50; i++) {
        MUST(hr_trace_start(EVENTS_COUNT) == 0);
        hr_yield();
        hr_trace_stop();
        hr_yield();
    }
    MUST(hr_trace_start(EVENTS_COUNT) == 0);
    atomic_store(&is_over, true);
    hr_join(spinner);
    MUST(hr_trace_save(path) == 0);
}

static void
trace_that_flickers_is_a_timeline(void)
{
    sched_run(2, flicker, NULL);
    assert_file_is_good(NULL, NULL);
}

/* GOAL    without a runtime, or with bad numbers, it says no. */
static void
trace_without_runtime_is_refused(void)
{
    struct hr_stats stats;
    CU_ASSERT_EQUAL(hr_trace_start(0), -EAGAIN);
    CU_ASSERT_EQUAL(hr_trace_start(UINT32_MAX), -EINVAL);
    CU_ASSERT_EQUAL(hr_stats(&stats), -EAGAIN);
    CU_ASSERT_EQUAL(hr_trace_save("/nowhere/at/all"), -ENOENT);
}

/* GOAL    counters add up, and the histograms count what they should. */
static void
count_all(void *arg)
{
    struct hr_stats *stats = arg;
    MUST(hr_trace_start(0) == 0); /* then every fiber's wait is measured */
    busy_life();
    hr_trace_stop();
    while (hr_stats(stats) == 0 && stats->cancel.count == 0) {
        hr_yield();
    }
}

static void
stats_of_busy_life_add_up(void)
{
    struct hr_stats stats;
    sched_run(2, count_all, &stats);
    CU_ASSERT_EQUAL(stats.procs_count, 2);
    CU_ASSERT_EQUAL(stats.started_count, 1 + 1 + 1 + 4 * ROUNDS_COUNT);
    CU_ASSERT_EQUAL(stats.ended_count, stats.started_count - 1);
    CU_ASSERT_EQUAL(stats.cancels_count, 1);
    CU_ASSERT_EQUAL(stats.cancel.count, 1);
    CU_ASSERT_TRUE(stats.cancel.sum_ns > 0);
    CU_ASSERT_TRUE(stats.queue.count >= 4 * ROUNDS_COUNT);
    CU_ASSERT_EQUAL(hr_bucket_ns(0), 1024);
    CU_ASSERT_EQUAL(hr_bucket_ns(HR_BUCKETS_COUNT - 1), HR_NEVER);
}

/* GOAL    who keeps its thread is named, with the place where it was started.
 * METHOD  a loop until the callback was there. */
struct told {
    _Atomic bool is_told;
    struct hr_slow slow;
};

static void
on_slow(const struct hr_slow *slow, void *user)
{
    struct told *told = user;
    if (!atomic_load(&told->is_told)) {
        told->slow = *slow;
        atomic_store(&told->is_told, true);
    }
}

static void
hog(void *arg)
{
    struct told *told = arg;
    while (!atomic_load(&told->is_told)) {
    }
}

static void
slow_hog_is_named(void)
{
    static struct told told;
    struct hr_options options = {
        .procs_count = 2, .slow_slice_ns = 2000000, .on_slow = on_slow, .on_slow_user = &told
    };
    struct hr_stats stats;
    MUST(hr_start(&options) == 0);
    MUST(hr_go(hog, &told, "glutton") == 0);
    while (!atomic_load(&told.is_told)) {
        MUST(hr_stats(&stats) == 0);
    }
    MUST(hr_stats(&stats) == 0);
    MUST(hr_stop() == 0);
    CU_ASSERT_STRING_EQUAL(told.slow.name, "glutton");
    CU_ASSERT_TRUE(told.slow.ran_ns >= options.slow_slice_ns);
    CU_ASSERT_TRUE(told.slow.cpu_ns >= 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(told.slow.born_text, "test_sched_trace+0x"));
    CU_ASSERT_TRUE(stats.slow_slices_count >= 1);
}

static const struct test tests[] = {
    TEST(trace_without_runtime_is_refused),
    TEST(trace_of_busy_life_is_a_timeline),
    TEST(trace_of_full_rings_keeps_the_end),
    TEST(trace_that_flickers_is_a_timeline),
    TEST(stats_of_busy_life_add_up),
    TEST(slow_hog_is_named),
};
TEST_MAIN("sched_trace", tests)

/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run fn on a fiber of a child process that is expected to die; collect its last words. */
static int
last_words(hr_fn *fn, char *ret_text, size_t size)
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    fflush(NULL);
    pid_t child = fork();
    CU_ASSERT_TRUE_FATAL(child >= 0);
    if (child == 0) {
        struct rlimit no_core = { 0, 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        struct hr_options options = { .procs_count = 2, .is_deadlock_fatal = true };
        struct hr_fiber *fiber;
        MUST(hr_start(&options) == 0);
        MUST(hr_spawn(fn, NULL, "main", &fiber) == 0);
        hr_join(fiber);
        MUST(hr_stop() == 0);
        _exit(0);
    }
    close(fds[1]);
    size_t used = 0;
    ssize_t got;
    char rest[4096];
    while ((got = read(fds[0], rest, sizeof rest)) > 0) {
        size_t room = size - 1 - used;
        size_t kept = (size_t) got < room ? (size_t) got : room;
        memcpy(ret_text + used, rest, kept);
        used += kept;
    }
    ret_text[used] = '\0';
    close(fds[0]);
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    return status;
}

/* GOAL    an overflow is a crash that names the fiber, in every build.
 * METHOD  recursion that the compiler cannot turn into a loop. */
static __attribute__((noinline)) int
recurse(volatile int *depth)
{
    volatile char frame[256];
    frame[0] = (char) *depth;
    (*depth)++;
    return *depth < 0 ? 0 : recurse(depth) + frame[0];
}

static void
overflow(void *arg)
{
    (void) arg;
    volatile int depth = 0;
    recurse(&depth);
}

static void
start_overflow(void *arg)
{
    (void) arg;
    struct hr_fiber *fiber;
    MUST(hr_spawn(overflow, NULL, "deep-thinker", &fiber) == 0);
    hr_join(fiber);
}

static void
crash_overflow_names_the_fiber(void)
{
    char text[8192];
    int status = last_words(start_overflow, text, sizeof text);
    CU_ASSERT_TRUE(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "stack overflow in fiber"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "'deep-thinker'"));
}

/* GOAL    what a program does wrong with the primitives is a crash that says what. */
static void
unlock_unlocked(void *arg)
{
    (void) arg;
    struct hr_mutex mutex = { { 0 } };
    hr_mutex_unlock(&mutex);
}

static void
done_too_often(void *arg)
{
    (void) arg;
    struct hr_wg wg = { { 0 } };
    hr_wg_done(&wg);
}

static void
unlock_shared_unlocked(void *arg)
{
    (void) arg;
    struct hr_rwlock lock = { { 0 } };
    hr_rwlock_lock(&lock);
    hr_rwlock_unlock_shared(&lock);
}

static void
crash_misuse_says_what(void)
{
    char text[8192];
    int status = last_words(unlock_unlocked, text, sizeof text);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "unlock of an unlocked mutex"));
    status = last_words(done_too_often, text, sizeof text);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "wait group went below zero"));
    status = last_words(unlock_shared_unlocked, text, sizeof text);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "unlock of an rwlock that is not held so"));
}

/* GOAL    fibers that only wait for each other are reported, each with what it waits for. */
static void
wait_for_nobody(void *arg)
{
    hr_chan_recv(arg, NULL);
}

static void
lock_for_ever(void *arg)
{
    hr_mutex_lock(arg);
    hr_mutex_lock(arg);
}

static void
deadlock_in_stop(void *arg)
{
    (void) arg;
    static struct hr_mutex mutex;
    struct hr_chan *chan = hr_chan_new(1, 0);
    /* A timer that is cleared again, an hour before its time, does not hide the rest. */
    hr_ctx_rele(hr_ctx_new(NULL, hr_now() + INT64_C(3600000000000)));
    MUST(hr_go(wait_for_nobody, chan, "forlorn") == 0);
    MUST(hr_go(lock_for_ever, &mutex, "self-locker") == 0);
}

static void
crash_deadlock_is_reported(void)
{
    char text[16384];
    int status = last_words(deadlock_in_stop, text, sizeof text);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "deadlock"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "WAITING chan recv"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "'forlorn'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "WAITING mutex"));
}

/* GOAL    SIGQUIT writes every fiber's line, and the process lives on. */
static void
ask_for_dump(void *arg)
{
    (void) arg;
    MUST(hr_dump_on_signal(SIGQUIT) == 0);
    struct hr_chan *chan = hr_chan_new(1, 0);
    MUST(hr_go(wait_for_nobody, chan, "parked-one") == 0);
    hr_yield();
    hr_dump(STDERR_FILENO);
#if defined(__SANITIZE_THREAD__)
    hr_dump(STDERR_FILENO); /* TSan keeps a signal back while its thread waits on a futex */
#else
    kill(getpid(), SIGQUIT);
#endif
    hr_sleep(200000000);
    hr_chan_close(chan);
    hr_sleep(1000000);
    hr_chan_free(chan);
}

static void
crash_dump_shows_every_fiber(void)
{
    char text[16384];
    int status = last_words(ask_for_dump, text, sizeof text);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char *first = strstr(text, "'parked-one'");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NOT_NULL(strstr(first + 1, "'parked-one'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "RUNNING  'main'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "    at "));
}

static const struct test tests[] = {
    TEST(crash_misuse_says_what),
    TEST(crash_deadlock_is_reported),
    TEST(crash_dump_shows_every_fiber),
    TEST(crash_overflow_names_the_fiber),
};
TEST_MAIN("sched_crash", tests)

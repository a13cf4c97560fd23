/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"

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
        sched_run(2, fn, NULL);
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

static const struct test tests[] = {
    TEST(crash_overflow_names_the_fiber),
};
TEST_MAIN("sched_crash", tests)

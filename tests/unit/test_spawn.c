/* SPDX-License-Identifier: MIT
 *
 * Real processes.  A tag in the environment marks every descendant of a command, however it
 * forked; the end of a pipe that all of them hold tells when they are gone.
 */
#include "worker/handlers/spawn.h"

#include "tests/support/cunit_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAG_SIZE 64

struct fixture {
    struct spawn_helper *helper;
    char tag[TAG_SIZE];
    int control_fd;
    int stdin_fd; /* our ends */
    int stdout_fd;
};

static void
fixture_tag(struct fixture *fx)
{
    static unsigned fixtures_count;
    *fx = (struct fixture){ .control_fd = -1, .stdin_fd = -1, .stdout_fd = -1 };
    snprintf(fx->tag, sizeof fx->tag, "SPAWN_TEST=%ld-%u", (long) getpid(), ++fixtures_count);
}

static void
fixture_init(struct fixture *fx)
{
    fixture_tag(fx);
    CU_ASSERT_EQUAL_FATAL(spawn_helper_start(&fx->helper), ERR_OK);
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void
fixture_fini(struct fixture *fx)
{
    close_fd(&fx->control_fd);
    close_fd(&fx->stdin_fd);
    close_fd(&fx->stdout_fd);
    spawn_helper_stop(fx->helper);
}

static err_t
fixture_start(struct fixture *fx, const char *script)
{
    int in[2];
    int out[2];
    CU_ASSERT_EQUAL_FATAL(pipe2(in, O_CLOEXEC), 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(out, O_CLOEXEC), 0);
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    const char *const environment[] = { "PATH=/usr/bin:/bin", fx->tag, NULL };
    const struct spawn_command command = {
        .argv = argv,
        .environment = environment,
        .stdin_fd = in[0],
        .stdout_fd = out[1],
        .stderr_fd = STDERR_FILENO,
    };
    err_t err = spawn_start(fx->helper, &command, &fx->control_fd);
    close(in[0]);
    close(out[1]);
    close_fd(&fx->stdin_fd);
    close_fd(&fx->stdout_fd);
    fx->stdin_fd = in[1];
    fx->stdout_fd = out[0];
    return err;
}

/* One line of the command's output: it says when it is ready. */
static void
read_line(struct fixture *fx, char *line, size_t line_size)
{
    size_t size = 0;
    while (size + 1 < line_size && read(fx->stdout_fd, line + size, 1) == 1 &&
           line[size] != '\n') {
        size++;
    }
    line[size] = '\0';
}

static void
wait_for_end_of_output(struct fixture *fx)
{
    char bytes[256];
    while (read(fx->stdout_fd, bytes, sizeof bytes) > 0) {
    }
}

/* false: the channel ended without one. */
static bool
read_report(struct fixture *fx, struct spawn_report *report)
{
    struct pollfd fd = { .fd = fx->control_fd, .events = POLLIN };
    while (poll(&fd, 1, -1) < 0) {
    }
    return read(fx->control_fd, report, sizeof *report) == (ssize_t) sizeof *report;
}

static bool
has_tag(const char *pid_text, const char *tag)
{
    char path[300];
    static char environment[16384];
    snprintf(path, sizeof path, "/proc/%s/environ", pid_text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t size = read(fd, environment, sizeof environment);
    close(fd);
    return size > 0 && memmem(environment, (size_t) size, tag, strlen(tag)) != NULL;
}

/* Processes that came from the command. */
static unsigned
count_alive(const struct fixture *fx)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc");
    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        count += has_tag(entry->d_name, fx->tag) ? 1 : 0;
    }
    closedir(folder);
    return count;
}

/* A child, one in a session of its own, and one that was forked twice and ignores SIGTERM. */
#define FAMILY                          \
    "sleep 1000 & setsid sleep 1000 & " \
    "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & echo ready; wait' &) ; "

/* ---- the usual ----------------------------------------------------------------------- */

/* GOAL    stdin arrives, stdout comes back, the exit code and CPU time are told. */
static void
spawn_command_runs_to_its_end(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, "read word; echo \"$word, $SPAWN_TEST\"; i=0;"
                                             "while [ $i -lt 20000 ]; do i=$((i+1)); done;"
                                             "exit 7"),
        ERR_OK);
    CU_ASSERT_EQUAL(write(fx.stdin_fd, "hello\n", 6), 6);
    read_line(&fx, line, sizeof line);
    char expected[TAG_SIZE + 16];
    snprintf(expected, sizeof expected, "hello, %s", fx.tag + strlen("SPAWN_TEST="));
    ASSERT_STR_EQ(line, expected);
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    ASSERT_I64_EQ(report.start_errno, 0);
    CU_ASSERT_TRUE(WIFEXITED(report.wait_status));
    ASSERT_I64_EQ(WEXITSTATUS(report.wait_status), 7);
    ASSERT_I64_EQ(report.is_stopped, 0);
    ASSERT_I64_EQ(report.killed_count, 0);
    CU_ASSERT_TRUE(report.cpu_ns > 0);
    fixture_fini(&fx);
}

/* GOAL    a command that does not exist says why, and so does one of too many words. */
static void
spawn_bad_command_is_told(void)
{
    struct fixture fx;
    struct spawn_report report;
    fixture_init(&fx);
    const char *const argv[] = { "/nowhere/at-all", NULL };
    const char *const environment[] = { NULL };
    struct spawn_command command = { .argv = argv,
        .environment = environment,
        .stdin_fd = STDIN_FILENO,
        .stdout_fd = STDOUT_FILENO,
        .stderr_fd = STDERR_FILENO };
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    command.stdin_fd = null_fd;
    CU_ASSERT_EQUAL_FATAL(spawn_start(fx.helper, &command, &fx.control_fd), ERR_OK);
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    ASSERT_I64_EQ(report.start_errno, ENOENT);

    static const char *many[SPAWN_STRINGS_MAX + 2];
    for (unsigned i = 0; i <= SPAWN_STRINGS_MAX; i++) {
        many[i] = "/bin/true";
    }
    int control_fd = -1;
    command.argv = many;
    ASSERT_I64_EQ(spawn_start(fx.helper, &command, &control_fd), ERR_TOO_BIG);
    static char long_word[SPAWN_REQUEST_SIZE_MAX + 1];
    memset(long_word, 'x', sizeof long_word - 1);
    const char *const one_long[] = { "/bin/true", long_word, NULL };
    command.argv = one_long;
    ASSERT_I64_EQ(spawn_start(fx.helper, &command, &control_fd), ERR_TOO_BIG);
    CU_ASSERT_EQUAL(control_fd, -1);
    close(null_fd);
    fixture_fini(&fx);
}

/* GOAL    the command gets no descriptor but its three, no blocked and no ignored signal. */
static void
spawn_command_starts_clean(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[256];
    fixture_init(&fx);
    int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, after the helper's fork */
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, "for f in /proc/self/fd/*; do n=${f##*/};"
                                             "[ $n -gt 2 ] && [ -e $f ] && echo fd $n;"
                                             "done; grep -E 'Sig(Blk|Ign)' /proc/self/status"),
        ERR_OK);
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "SigBlk:\t0000000000000000");
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "SigIgn:\t0000000000000000");
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    ASSERT_I64_EQ(report.wait_status, 0);
    close(leak);
    fixture_fini(&fx);
}

/* ---- nothing is left ----------------------------------------------------------------- */

/* GOAL    STOP ends the whole family: what obeys, what ignores SIGTERM after the grace, what
 *         has a session of its own, what was forked twice. */
static void
spawn_stop_leaves_nobody(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(
        fixture_start(&fx, "trap '' TERM; " FAMILY "while :; do sleep 1000; done"), ERR_OK);
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "ready");
    CU_ASSERT_TRUE(count_alive(&fx) >= 5);
    spawn_stop(fx.control_fd, /* grace_ms= */ 50);
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    ASSERT_I64_EQ(count_alive(&fx), 0);
    CU_ASSERT_TRUE(WIFSIGNALED(report.wait_status));
    ASSERT_I64_EQ(WTERMSIG(report.wait_status), SIGKILL);
    ASSERT_I64_EQ(report.is_stopped, 1);
    CU_ASSERT_TRUE(report.killed_count >= 3);
    wait_for_end_of_output(&fx);
    fixture_fini(&fx);
}

/* GOAL    one that obeys SIGTERM is not killed, and may say its last words. */
static void
spawn_stop_asks_first(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, "trap 'echo bye; exit 9' TERM; echo ready;"
                                             "while :; do sleep 0.01; done"),
        ERR_OK);
    read_line(&fx, line, sizeof line);
    spawn_stop(fx.control_fd, /* grace_ms= */ 50000);
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "bye");
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    CU_ASSERT_TRUE(WIFEXITED(report.wait_status));
    ASSERT_I64_EQ(WEXITSTATUS(report.wait_status), 9);
    fixture_fini(&fx);
}

/* GOAL    a stopped process (SIGSTOP) is stopped for good as well. */
static void
spawn_stop_reaches_a_frozen_command(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, "echo $$; kill -STOP $$; exit 3"), ERR_OK);
    read_line(&fx, line, sizeof line);
    spawn_stop(fx.control_fd, /* grace_ms= */ 50000);
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    ASSERT_I64_EQ(count_alive(&fx), 0);
    fixture_fini(&fx);
}

/* GOAL    a command that ends by itself takes with it what it left in the background. */
static void
spawn_end_leaves_nobody(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, FAMILY "read go; exit 0"), ERR_OK);
    read_line(&fx, line, sizeof line);
    CU_ASSERT_EQUAL(write(fx.stdin_fd, "go\n", 3), 3);
    CU_ASSERT_TRUE_FATAL(read_report(&fx, &report));
    ASSERT_I64_EQ(count_alive(&fx), 0);
    ASSERT_I64_EQ(report.wait_status, 0);
    CU_ASSERT_TRUE(report.killed_count >= 3);
    fixture_fini(&fx);
}

/* ---- somebody dies ------------------------------------------------------------------- */

/* GOAL    closing the control channel kills at once, without grace. */
static void
spawn_closed_control_kills(void)
{
    struct fixture fx;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(
        fixture_start(&fx, "trap '' TERM; " FAMILY "while :; do sleep 1000; done"), ERR_OK);
    read_line(&fx, line, sizeof line);
    close_fd(&fx.control_fd);
    wait_for_end_of_output(&fx);
    ASSERT_I64_EQ(count_alive(&fx), 0);
    fixture_fini(&fx);
}

/* GOAL    kill -9 of the worker leaves neither commands nor helper.
 * METHOD  a child of this test is the worker. */
static void
spawn_killed_worker_leaves_nobody(void)
{
    struct fixture fx;
    char line[64];
    int out[2];
    fixture_tag(&fx);
    CU_ASSERT_EQUAL_FATAL(pipe2(out, O_CLOEXEC), 0);
    pid_t worker = fork();
    if (worker == 0) {
        const char *const argv[] = { "/bin/sh", "-c", FAMILY "sleep 1000", NULL };
        const char *const environment[] = { "PATH=/usr/bin:/bin", fx.tag, NULL };
        const struct spawn_command command = { .argv = argv,
            .environment = environment,
            .stdin_fd = STDIN_FILENO,
            .stdout_fd = out[1],
            .stderr_fd = STDERR_FILENO };
        if (spawn_helper_start(&fx.helper) != ERR_OK ||
            spawn_start(fx.helper, &command, &fx.control_fd) != ERR_OK) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(out[1]);
    fx.stdout_fd = out[0];
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "ready");
    CU_ASSERT_TRUE(count_alive(&fx) >= 4);
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    /* The helper holds the pipe, too: its end is part of the silence. */
    wait_for_end_of_output(&fx);
    ASSERT_I64_EQ(count_alive(&fx), 0);
    fixture_fini(&fx);
}

/* GOAL    kill -9 of a nanny: no report, and its orphans are still found. */
static void
spawn_killed_nanny_leaves_nobody(void)
{
    struct fixture fx;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, "echo $PPID; " FAMILY "sleep 1000"), ERR_OK);
    read_line(&fx, line, sizeof line);
    pid_t nanny = (pid_t) strtol(line, NULL, 10);
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "ready");
    kill(nanny, SIGKILL);
    CU_ASSERT_FALSE(read_report(&fx, &report));
    wait_for_end_of_output(&fx);
    ASSERT_I64_EQ(count_alive(&fx), 0);
    /* The helper goes on. */
    close_fd(&fx.control_fd);
    CU_ASSERT_EQUAL(fixture_start(&fx, "exit 0"), ERR_OK);
    CU_ASSERT_TRUE(read_report(&fx, &report));
    ASSERT_I64_EQ(report.wait_status, 0);
    fixture_fini(&fx);
}

/* GOAL    kill -9 of the helper: what runs goes on and reports, the next command runs, and
 *         nobody is left when one of the orphaned nannies is killed, too. */
static void
spawn_killed_helper_is_replaced(void)
{
    struct fixture fx, next;
    struct spawn_report report;
    char line[64];
    fixture_init(&fx);
    /* $PPID is the nanny; its parent is the helper. */
    CU_ASSERT_EQUAL_FATAL(
        fixture_start(&fx, "echo $PPID; sed 's/.*) . \\([0-9]*\\).*/\\1/' /proc/$PPID/stat; "
                           "read word; " FAMILY "read word; exit 3"),
        ERR_OK);
    read_line(&fx, line, sizeof line);
    pid_t nanny = (pid_t) strtol(line, NULL, 10);
    read_line(&fx, line, sizeof line);
    pid_t helper = (pid_t) strtol(line, NULL, 10);
    CU_ASSERT_TRUE_FATAL(helper > 1 && nanny > 1);
    kill(helper, SIGKILL);

    fixture_tag(&next);
    next.helper = fx.helper;
    CU_ASSERT_EQUAL_FATAL(fixture_start(&next, "exit 5"), ERR_OK);
    CU_ASSERT_TRUE_FATAL(read_report(&next, &report));
    ASSERT_I64_EQ(WEXITSTATUS(report.wait_status), 5);
    close_fd(&next.control_fd);
    close_fd(&next.stdin_fd);
    close_fd(&next.stdout_fd);

    CU_ASSERT_EQUAL(write(fx.stdin_fd, "go\n", 3), 3);
    read_line(&fx, line, sizeof line);
    ASSERT_STR_EQ(line, "ready");
    kill(nanny, SIGKILL);
    CU_ASSERT_FALSE(read_report(&fx, &report));
    wait_for_end_of_output(&fx);
    ASSERT_I64_EQ(count_alive(&fx), 0);
    fixture_fini(&fx);
}

/* GOAL    stopping the helper stops what runs, and waits for it. */
static void
spawn_helper_stop_leaves_nobody(void)
{
    struct fixture fx;
    char line[64];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(fixture_start(&fx, FAMILY "sleep 1000"), ERR_OK);
    read_line(&fx, line, sizeof line);
    close_fd(&fx.control_fd);
    spawn_helper_stop(fx.helper);
    fx.helper = NULL;
    ASSERT_I64_EQ(count_alive(&fx), 0);
    fixture_fini(&fx);
}

/* GOAL    many at once: each has its own report. */
static void
spawn_many_at_once(void)
{
    struct fixture fx;
    struct spawn_report report;
    enum {
        COMMANDS_COUNT = 64
    };
    int controls[COMMANDS_COUNT];
    fixture_init(&fx);
    for (int i = 0; i < COMMANDS_COUNT; i++) {
        char script[32];
        snprintf(script, sizeof script, "exit %d", i);
        while (fixture_start(&fx, script) == ERR_AGAIN) {
        }
        controls[i] = fx.control_fd;
    }
    for (int i = 0; i < COMMANDS_COUNT; i++) {
        fx.control_fd = controls[i];
        CU_ASSERT_TRUE(read_report(&fx, &report));
        ASSERT_I64_EQ(WEXITSTATUS(report.wait_status), i);
        close_fd(&fx.control_fd);
    }
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(spawn_command_runs_to_its_end),
    TEST(spawn_bad_command_is_told),
    TEST(spawn_command_starts_clean),
    TEST(spawn_stop_leaves_nobody),
    TEST(spawn_stop_asks_first),
    TEST(spawn_stop_reaches_a_frozen_command),
    TEST(spawn_end_leaves_nobody),
    TEST(spawn_closed_control_kills),
    TEST(spawn_killed_worker_leaves_nobody),
    TEST(spawn_killed_nanny_leaves_nobody),
    TEST(spawn_killed_helper_is_replaced),
    TEST(spawn_helper_stop_leaves_nobody),
    TEST(spawn_many_at_once),
};
TEST_MAIN("spawn", tests)

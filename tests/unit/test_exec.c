/* SPDX-License-Identifier: MIT
 *
 * Handlers on a fiber: the built-in ones, and commands as real processes.
 */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "worker/handlers/builtin.h"
#include "worker/handlers/exec.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define RESULT_SIZE_MAX (256 * 1024)
#define LONG_NS         (INT64_C(60) * 1000000000)

/* One run of a handler, and when it is to be stopped. */
struct trial {
    const struct handler *handler;
    const char *input;
    size_t input_size;
    int64_t budget_ns;
    int64_t stop_after_ns; /* 0: never */
    struct hr_ctx *ctx;
    struct run run;
};

struct fixture {
    struct spawn_helper *helper;
    struct registry *registry;
};

static void
fixture_init(struct fixture *fx)
{
    signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(spawn_helper_start(&fx->helper), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(registry_new(&fx->registry), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(builtin_add(fx->registry), ERR_OK);
}

static void
fixture_fini(struct fixture *fx)
{
    registry_free(fx->registry);
    spawn_helper_stop(fx->helper);
}

static void
stop_later(void *arg)
{
    struct trial *trial = arg;
    MUST(hr_sleep(trial->stop_after_ns) == 0);
    hr_ctx_cancel(trial->ctx, HR_CAUSE_USER);
    hr_ctx_rele(trial->ctx);
}

static void
handler_fiber(void *arg)
{
    struct trial *trial = arg;
    trial->handler->run(&trial->run, trial->handler->user);
    hr_ctx_rele(trial->ctx);
}

/* As the agent does it: under the ctx, or under the background for one that stops itself. */
static void
trial_fiber(void *arg)
{
    struct trial *trial = arg;
    bool stops_itself = (trial->handler->flags & HANDLER_STOPS_ITSELF) != 0;
    trial->ctx = hr_ctx_new(NULL, hr_now() + trial->budget_ns);
    MUST(trial->ctx != NULL);
    trial->run.ctx = trial->ctx;
    if (trial->stop_after_ns > 0) {
        hr_ctx_hold(trial->ctx);
        MUST(hr_go(stop_later, trial, "stopper") == 0);
    }
    MUST(hr_go_ctx(stops_itself ? NULL : trial->ctx, handler_fiber, trial, "handler") == 0);
}

static void
trial_run(struct fixture *fx, struct trial *trial, const char *name)
{
    static const job_id_t job = { { 0x01, 0x9a } };
    trial->handler = registry_find(fx->registry, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(trial->handler);
    if (trial->budget_ns == 0) {
        trial->budget_ns = LONG_NS;
    }
    trial->run = (struct run){
        .handler = trial->handler->name,
        .job = job,
        .attempt = 2,
        .input = (const uint8_t *) trial->input,
        .input_size = trial->input_size > 0 ? trial->input_size
                                            : strlen(trial->input != NULL ? trial->input : ""),
        .content_type = "text/x-test",
        .traceparent = "",
        .cancel_grace = duration_ms(50),
        .result_size_max = RESULT_SIZE_MAX,
    };
    sched_run(/* procs_count= */ 2, trial_fiber, trial);
}

/* The result as text. */
static const char *
text_of(const struct run *run)
{
    static char text[1024];
    snprintf(text, sizeof text, "%.*s", (int) run->result_size, (const char *) run->result);
    return text;
}

static struct run
run_input_text(struct fixture *fx, const char *name, const char *input)
{
    struct trial trial = { .input = input };
    trial_run(fx, &trial, name);
    return trial.run;
}

static struct run
run_command(struct fixture *fx, const char *command, const char *input)
{
    static unsigned commands_count;
    char name[32];
    snprintf(name, sizeof name, "command-%u", ++commands_count);
    CU_ASSERT_EQUAL_FATAL(exec_add(fx->registry, fx->helper, name, command), ERR_OK);
    return run_input_text(fx, name, input);
}

/* Processes that carry HEDGEROW_JOB_ID of these tests. */
static unsigned
count_alive(void)
{
    static char environment[16384];
    static const char tag[] = "HEDGEROW_JOB_ID=019a0000";
    unsigned count = 0;
    DIR *folder = opendir("/proc");
    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char path[300];
        snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd >= 0 ? read(fd, environment, sizeof environment) : 0;
        bool is_ours = size > 0 && memmem(environment, (size_t) size, tag, strlen(tag)) != NULL;
        count += is_ours ? 1 : 0;
        if (fd >= 0) {
            close(fd);
        }
    }
    closedir(folder);
    return count;
}

/* ---- built-in ------------------------------------------------------------------------ */

static void
builtin_echo_gives_back(void)
{
    struct fixture fx;
    fixture_init(&fx);
    struct run run = run_input_text(&fx, "echo", "hello");
    ASSERT_I64_EQ(run.outcome, RUN_REPLIED);
    ASSERT_STR_EQ(text_of(&run), "hello");
    ASSERT_STR_EQ(run.result_type, "text/x-test");
    run_fini(&run);
    fixture_fini(&fx);
}

/* GOAL    the output of sha256sum(1) for its stdin, over one chunk and many.
 * METHOD  FIPS 180-4's examples: "abc", and a million times "a". */
static void
builtin_sha256_is_sha256sum(void)
{
    struct fixture fx;
    fixture_init(&fx);
    struct run run = run_input_text(&fx, "sha256", "abc");
    ASSERT_STR_EQ(
        text_of(&run), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n");
    run_fini(&run);
    run = run_input_text(&fx, "sha256", "");
    ASSERT_STR_EQ(
        text_of(&run), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -\n");
    run_fini(&run);

    static char many[1000000];
    memset(many, 'a', sizeof many);
    struct trial trial = { .input = many, .input_size = sizeof many };
    trial_run(&fx, &trial, "sha256");
    ASSERT_STR_EQ(text_of(&trial.run),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0  -\n");
    CU_ASSERT_TRUE(trial.run.cpu_ns > 0);
    run_fini(&trial.run);
    fixture_fini(&fx);
}

/* GOAL    one that burns CPU notices that it is stopped. */
static void
builtin_sha256_stops(void)
{
    struct fixture fx;
    static char huge[64 << 20];
    fixture_init(&fx);
    struct trial trial = { .input = huge, .input_size = sizeof huge, .budget_ns = 1000000 };
    trial_run(&fx, &trial, "sha256");
    ASSERT_I64_EQ(trial.run.outcome, RUN_SILENT);
    fixture_fini(&fx);
}

static void
builtin_sleep_reads_durations(void)
{
    struct fixture fx;
    fixture_init(&fx);
    static const char *const good[] = { "", "0", "1ms", "0.001", "\"1ms\"", " 1ms\n" };
    for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
        struct run run = run_input_text(&fx, "sleep", good[i]);
        ASSERT_I64_EQ(run.outcome, RUN_REPLIED);
        ASSERT_I64_EQ(run.result_size, 0);
        run_fini(&run);
    }
    static const char *const bad[] = { "soon", "-1s", "1 fortnight", "\"1ms", "exp:0", "exp:1@",
        "exp:1@x", "exp:1@99999999999999999999" };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        struct run run = run_input_text(&fx, "sleep", bad[i]);
        ASSERT_I64_EQ(run.outcome, RUN_FAILED_FINAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(run.message, "is not a duration"));
    }
    static const char *const laws[] = { "const:1", "exp:0.1@7", "lognormal:1,0.5;0.1x2@7" };
    for (unsigned i = 0; i < ARRAY_COUNT(laws); i++) {
        struct run run = run_input_text(&fx, "sleep", laws[i]);
        ASSERT_I64_EQ(run.outcome, RUN_REPLIED);
        run_fini(&run);
    }
    struct trial trial = { .input = "const:10000", .stop_after_ns = 1000000 };
    trial_run(&fx, &trial, "sleep");
    ASSERT_I64_EQ(trial.run.outcome, RUN_SILENT);
    trial = (struct trial){ .input = "10s", .stop_after_ns = 1000000 };
    trial_run(&fx, &trial, "sleep");
    ASSERT_I64_EQ(trial.run.outcome, RUN_SILENT);
    fixture_fini(&fx);
}

/* ---- commands ------------------------------------------------------------------------ */

static void
exec_names_and_words_are_checked(void)
{
    struct fixture fx;
    fixture_init(&fx);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "a b", "cat"), ERR_INVALID);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "", "cat"), ERR_INVALID);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "x", " "), ERR_INVALID);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "x", "@idempotent"), ERR_INVALID);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "x", "@idem cat"), ERR_INVALID);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "echo", "cat"), ERR_EXISTS);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "plain", "cat"), ERR_OK);
    ASSERT_I64_EQ(exec_add(fx.registry, fx.helper, "both", "@cpu  @idempotent cat"), ERR_OK);
    ASSERT_I64_EQ(registry_find(fx.registry, "plain")->flags & HANDLER_WIRE_FLAGS, 0);
    ASSERT_I64_EQ(registry_find(fx.registry, "both")->flags & HANDLER_WIRE_FLAGS,
        HANDLER_IDEMPOTENT | HANDLER_CPU);
    fixture_fini(&fx);
}

static void
exec_stdin_becomes_stdout(void)
{
    struct fixture fx;
    fixture_init(&fx);
    struct run run = run_command(&fx, "tr a-z A-Z; echo \"$HEDGEROW_ATTEMPT\"", "hello ");
    ASSERT_I64_EQ(run.outcome, RUN_REPLIED);
    ASSERT_STR_EQ(text_of(&run), "HELLO 2\n");
    CU_ASSERT_TRUE(run.cpu_ns > 0);
    run_fini(&run);

    run = run_command(&fx, "[ $HEDGEROW_REMAINING_MS -gt 50000 ] && echo $HEDGEROW_JOB_ID", "");
    ASSERT_STR_EQ(text_of(&run), "019a0000-0000-0000-0000-000000000000\n");
    run_fini(&run);
    fixture_fini(&fx);
}

/* GOAL    more than a pipe holds goes both ways at once, up to the very bound. */
static void
exec_large_input_and_output(void)
{
    struct fixture fx;
    static char bytes[RESULT_SIZE_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(exec_add(fx.registry, fx.helper, "cat", "cat"), ERR_OK);
    struct trial trial = { .input = bytes, .input_size = RESULT_SIZE_MAX };
    trial_run(&fx, &trial, "cat");
    ASSERT_I64_EQ(trial.run.outcome, RUN_REPLIED);
    ASSERT_I64_EQ(trial.run.result_size, RESULT_SIZE_MAX);
    CU_ASSERT_EQUAL(memcmp(trial.run.result, bytes, RESULT_SIZE_MAX), 0);
    run_fini(&trial.run);

    trial = (struct trial){ .input = bytes, .input_size = RESULT_SIZE_MAX + 1 };
    trial_run(&fx, &trial, "cat");
    ASSERT_I64_EQ(trial.run.outcome, RUN_FAILED_FINAL);
    ASSERT_STR_EQ(trial.run.message, "output is larger than 262144 bytes");
    fixture_fini(&fx);
}

/* GOAL    a command that writes for ever is stopped at the bound, and so is its child. */
static void
exec_endless_output_is_stopped(void)
{
    struct fixture fx;
    fixture_init(&fx);
    struct run run = run_command(&fx, "trap '' TERM PIPE; (setsid yes) & yes", "");
    ASSERT_I64_EQ(run.outcome, RUN_FAILED_FINAL);
    ASSERT_STR_EQ(run.message, "output is larger than 262144 bytes");
    ASSERT_I64_EQ(count_alive(), 0);
    fixture_fini(&fx);
}

static void
exec_exit_codes_are_told(void)
{
    static const struct {
        const char *command;
        enum run_outcome outcome;
        const char *message;
    } cases[] = {
        { "echo out; echo first >&2; echo last >&2; exit 3", RUN_FAILED_FINAL,
            "exit code 3: last" },
        { "exit 75", RUN_FAILED_RETRYABLE, "exit code 75" },
        { "exec nowhere-to-be-found", RUN_FAILED_FINAL, "exit code 127 (command not found)" },
        { "kill -SEGV $$", RUN_FAILED_FINAL, "killed by signal 11 (SIGSEGV)" },
        { "kill -KILL $$", RUN_FAILED_RETRYABLE, "killed by signal 9 (SIGKILL)" },
    };
    struct fixture fx;
    fixture_init(&fx);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct run run = run_command(&fx, cases[i].command, "");
        ASSERT_I64_EQ(run.outcome, cases[i].outcome);
        char start[64]; /* the shell may add words of its own */
        snprintf(start, sizeof start, "%.*s", (int) strlen(cases[i].message), run.message);
        ASSERT_STR_EQ(start, cases[i].message);
    }
    fixture_fini(&fx);
}

/* GOAL    a command that does not read its input, or closes all three, is not a problem. */
static void
exec_closed_stdio_is_fine(void)
{
    struct fixture fx;
    static char bytes[RESULT_SIZE_MAX];
    fixture_init(&fx);
    CU_ASSERT_EQUAL_FATAL(
        exec_add(fx.registry, fx.helper, "deaf", "exec <&-; echo ok"), ERR_OK);
    struct trial trial = { .input = bytes, .input_size = sizeof bytes };
    trial_run(&fx, &trial, "deaf");
    ASSERT_I64_EQ(trial.run.outcome, RUN_REPLIED);
    ASSERT_STR_EQ(text_of(&trial.run), "ok\n");
    run_fini(&trial.run);

    CU_ASSERT_EQUAL_FATAL(exec_add(fx.registry, fx.helper, "mute",
                              "exec <&- >&- 2>&-; i=0; while [ $i -lt 9999 ];"
                              "do i=$((i+1)); done; exit 4"),
        ERR_OK);
    trial = (struct trial){ .input = bytes, .input_size = sizeof bytes };
    trial_run(&fx, &trial, "mute");
    ASSERT_I64_EQ(trial.run.outcome, RUN_FAILED_FINAL);
    ASSERT_STR_EQ(trial.run.message, "exit code 4");
    fixture_fini(&fx);
}

/* GOAL    a stop ends the command and all its descendants before the run ends: those that
 *         ignore SIGTERM, those in other sessions, those that were forked twice. */
static void
exec_stop_leaves_no_process(void)
{
    static const char *const commands[] = {
        "sleep 1000",
        "trap '' TERM; while :; do sleep 1000; done",
        "sleep 1000 & (setsid sh -c 'trap \"\" TERM; sleep 1000 & wait' &); exec 1>&-; wait",
    };
    struct fixture fx;
    fixture_init(&fx);
    for (unsigned i = 0; i < ARRAY_COUNT(commands); i++) {
        char name[16];
        snprintf(name, sizeof name, "long-%u", i);
        CU_ASSERT_EQUAL_FATAL(exec_add(fx.registry, fx.helper, name, commands[i]), ERR_OK);
        struct trial trial = { .input = "", .stop_after_ns = 30000000 };
        trial_run(&fx, &trial, name);
        ASSERT_I64_EQ(trial.run.outcome, RUN_SILENT);
        ASSERT_I64_EQ(count_alive(), 0);
    }
    /* The deadline is a stop, too. */
    struct trial trial = { .input = "", .budget_ns = 20000000 };
    trial_run(&fx, &trial, "long-1");
    ASSERT_I64_EQ(trial.run.outcome, RUN_SILENT);
    ASSERT_I64_EQ(count_alive(), 0);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(builtin_echo_gives_back),
    TEST(builtin_sha256_is_sha256sum),
    TEST(builtin_sha256_stops),
    TEST(builtin_sleep_reads_durations),
    TEST(exec_names_and_words_are_checked),
    TEST(exec_stdin_becomes_stdout),
    TEST(exec_large_input_and_output),
    TEST(exec_endless_output_is_stopped),
    TEST(exec_exit_codes_are_told),
    TEST(exec_closed_stdio_is_fine),
    TEST(exec_stop_leaves_no_process),
};
TEST_MAIN("exec", tests)

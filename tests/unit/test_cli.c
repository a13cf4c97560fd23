/* SPDX-License-Identifier: MIT
 *
 * The real binary against a service that does as it is told: what stands on stdout, what on
 * stderr, and with which code it ends.  (Against the real service: tests/e2e/cli_*.sh.)
 */
#include "coordinator/cli/cli.h"

#include "tests/support/cunit_main.h"
#include "tests/support/fake_http.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define COUNT(array) ((unsigned) (sizeof(array) / sizeof((array)[0])))
#define ID           "01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44"
#define TEXT_MAX     (64 * 1024)

#define JOB(state, ended)                                                                     \
    "200\nContent-Type: application/json\n\n{\"id\":\"" ID "\",\"handler\":\"echo\","         \
    "\"state\":\"" state "\",\"mode\":\"hedge\",\"timing_ms\":{\"queue\":0.1,\"total\":9.5}," \
    "\"attempts\":[{\"number\":1,\"kind\":\"primary\",\"worker\":\"w1\",\"state\":"           \
    "\"STOPPED\","                                                                            \
    "\"sent_ms\":0.1,\"ended_ms\":" ended "}]}"
#define PROBLEM(status, code, detail)                                       \
#status "\nContent-Type: application/problem+json\n\n{\"code\":\"" code \
            "\",\"title\":\"T\",\"detail\":\"" detail "\",\"job_id\":\"" ID "\"}"

struct ran {
    int exit_code; /* -1: killed by a signal */
    char out[TEXT_MAX];
    char err[TEXT_MAX];
};

struct running {
    pid_t pid;
    int input;
    int out;
    int err;
};

static char home[] = "/tmp/hedgerow-test-cli-XXXXXX";

static void
start(struct running *running, const char *server, char *const *words)
{
    int ends[3][2];
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_FATAL(pipe2(ends[i], O_CLOEXEC) == 0);
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/hedgerow", getenv("HEDGEROW_BIN"));
    running->pid = fork();
    CU_ASSERT_FATAL(running->pid >= 0);
    if (running->pid == 0) {
        dup2(ends[0][0], STDIN_FILENO);
        dup2(ends[1][1], STDOUT_FILENO);
        dup2(ends[2][1], STDERR_FILENO);
        setenv("HEDGEROW_SERVER", server, 1);
        setenv("XDG_STATE_HOME", home, 1);
        setenv("LC_ALL", "C", 1);
        execv(path, words);
        _exit(99);
    }
    close(ends[0][0]);
    close(ends[1][1]);
    close(ends[2][1]);
    running->input = ends[0][1];
    running->out = ends[1][0];
    running->err = ends[2][0];
}

static void
read_all(int fd, char text[TEXT_MAX])
{
    size_t size = 0;
    ssize_t got;
    while ((got = read(fd, text + size, TEXT_MAX - 1 - size)) > 0) {
        size += (size_t) got;
    }
    text[size] = '\0';
    close(fd);
}

static void
finish(struct running *running, struct ran *ran)
{
    int status;
    close(running->input);
    read_all(running->out, ran->out);
    read_all(running->err, ran->err);
    waitpid(running->pid, &status, 0);
    ran->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(ran_, server_, ...) \
    run(ran_, server_, NULL, (char *const[]){ "hedgerow", __VA_ARGS__, NULL })

static void
run(struct ran *ran, const char *server, const char *input, char *const *words)
{
    struct running running;
    start(&running, server, words);
    if (input != NULL) {
        CU_ASSERT_TRUE(write(running.input, input, strlen(input)) == (ssize_t) strlen(input));
    }
    finish(&running, ran);
}

static void
assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        ASSERT_STR_EQ(text, part);
    }
}

/* GOAL    the result, byte for byte, and nothing else, is stdout; nothing is on stderr. */
static void
cli_run_prints_the_result_alone(void)
{
    static const struct fake_rule rules[] = { { "POST /v1/handlers/echo:invoke ",
        "200\nX-Job-Id: " ID "\nX-Job-Attempts: 1\nX-Job-Winner: primary/w1\n\nno newline",
        0 } };
    struct fake fake;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    RUN(&ran, fake.url, "run", "echo", "hello");
    ASSERT_I64_EQ(ran.exit_code, CLI_DONE);
    ASSERT_STR_EQ(ran.out, "no newline");
    ASSERT_STR_EQ(ran.err, "");
    CU_ASSERT_TRUE(fake_last_has(&fake, "\r\n\r\nhello"));

    run(&ran, fake.url, "from stdin", (char *const[]){ "hedgerow", "run", "echo", "-", NULL });
    ASSERT_I64_EQ(ran.exit_code, CLI_DONE);
    CU_ASSERT_TRUE(fake_last_has(&fake, "\r\n\r\nfrom stdin"));

    RUN(&ran, fake.url, "run", "echo", "@@at", "-v", "-o", "id");
    CU_ASSERT_TRUE(fake_last_has(&fake, "\r\n\r\n@at"));
    ASSERT_STR_EQ(ran.out, ID "\n");
    assert_has(ran.err, "job " ID ": 1 copy, won by primary/w1");

    RUN(&ran, fake.url, "run", "echo", "@/no/such/file");
    ASSERT_I64_EQ(ran.exit_code, CLI_USAGE);
    assert_has(ran.err, "cannot open '/no/such/file': No such file or directory");
    fake_fini(&fake);
}

/* GOAL    each way to fail has its number, its sentence, and a next step. */
static void
cli_run_says_how_it_failed(void)
{
    static const struct {
        const char *answer;
        int exit_code;
        const char *words;
    } cases[] = {
        { PROBLEM(502, "handler-failed", "bad pixel"), CLI_FAILED, "hedgerow explain " ID },
        { PROBLEM(413, "too-big", "larger than 4194304 bytes"), CLI_USAGE, "4194304" },
        { PROBLEM(404, "unknown-handler", "nobody has ecko"), CLI_NOT_FOUND,
            "Did you mean 'echo'?" },
        { PROBLEM(499, "cancelled", "by a user"), CLI_CANCELLED, "by a user" },
        { PROBLEM(503, "no-worker", "none is live"), CLI_UNAVAILABLE, "hedgerow-worker" },
        { PROBLEM(429, "overloaded", "full"), CLI_OVERLOADED, "Try again later" },
        { PROBLEM(504, "deadline-exceeded", "after 1 s"), CLI_DEADLINE, "after 1 s" },
        { "200\n\n", CLI_DONE, "" },
    };
    for (unsigned i = 0; i < COUNT(cases); i++) {
        const struct fake_rule rules[] = { { "POST", cases[i].answer, 0 },
            { "GET /v1/handlers", "200\n\n{\"handlers\":[{\"name\":\"echo\"}]}", 0 } };
        struct fake fake;
        static struct ran ran;
        fake_init(&fake, rules, COUNT(rules));
        RUN(&ran, fake.url, "run", "ecko");
        ASSERT_I64_EQ(ran.exit_code, cases[i].exit_code);
        ASSERT_STR_EQ(ran.out, "");
        assert_has(ran.err, cases[i].words);
        RUN(&ran, fake.url, "run", "ecko", "--json");
        if (cases[i].exit_code != CLI_DONE) {
            assert_has(ran.out, "\"code\": ");
        }
        fake_fini(&fake);
    }
}

/* GOAL    the first Ctrl-C leaves the job, cancels it by its id, and waits for its end. */
static void
cli_interrupt_cancels_and_waits(void)
{
    static const struct fake_rule rules[] = { { "POST /v1/handlers", FAKE_HANG, 0 },
        { "POST /v1/jobs/", JOB("CANCELLED", "null"), 0 },
        { "GET /v1/jobs/", JOB("CANCELLED", "null"), 2 },
        { "GET /v1/jobs/", JOB("CANCELLED", "9.9"), 0 } };
    struct fake fake;
    struct running running;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    start(&running, fake.url, (char *const[]){ "hedgerow", "run", "echo", "x", NULL });
    fake_wait_requests(&fake, 1);
    kill(running.pid, SIGINT);
    finish(&running, &ran);
    ASSERT_I64_EQ(ran.exit_code, CLI_INTERRUPTED);
    ASSERT_STR_EQ(ran.out, "");
    assert_has(ran.err, "Ctrl-C again to leave it");
    assert_has(ran.err, "has stopped");
    ASSERT_I64_EQ(fake_requests(&fake), 5);
    fake_fini(&fake);
}

/* GOAL    a second Ctrl-C does not wait for a coordinator that is silent. */
static void
cli_second_interrupt_leaves_at_once(void)
{
    static const struct fake_rule rules[] = { { "POST", FAKE_HANG, 0 } };
    struct fake fake;
    struct running running;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    start(&running, fake.url, (char *const[]){ "hedgerow", "run", "echo", "x", NULL });
    fake_wait_requests(&fake, 1);
    kill(running.pid, SIGINT);
    fake_wait_requests(&fake, 2);
    kill(running.pid, SIGINT);
    finish(&running, &ran);
    ASSERT_I64_EQ(ran.exit_code, CLI_INTERRUPTED);
    CU_ASSERT_PTR_NULL(strstr(ran.err, "does not say"));
    fake_fini(&fake);
}

/* GOAL    many inputs: sha256sum's form, a summary on stderr, the code of what failed. */
static void
cli_each_runs_every_file(void)
{
    static const struct fake_rule rules[] = {
        { "POST", "200\nX-Job-Attempts: 2\nX-Job-Winner: hedge/w2\n\nabc  -\n", 0 },
    };
    struct fake fake;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    RUN(&ran, fake.url, "run", "sha256", "--each", "/dev/null", "/etc/passwd", "-c", "2",
        "--summary");
    ASSERT_I64_EQ(ran.exit_code, CLI_DONE);
    assert_has(ran.out, "abc  /dev/null\n");
    assert_has(ran.out, "abc  /etc/passwd\n");
    assert_has(ran.err, "count=2 ok=2 failed=0 p50_ms=");
    assert_has(ran.err, " hedged=2 hedge_wins=2 ");

    RUN(&ran, fake.url, "run", "sha256", "--each", "/dev/null", "/no/such", "--summary", "-o",
        "jsonl");
    ASSERT_I64_EQ(ran.exit_code, CLI_USAGE);
    assert_has(ran.out, "{\"input\":\"/dev/null\",\"job_id\":\"\",\"outcome\":\"ok\"");
    assert_has(ran.err, "cannot open '/no/such'");
    assert_has(ran.err, "count=2 ok=1 failed=1");

    RUN(&ran, fake.url, "run", "sha256", "x", "--repeat", "20", "-c", "3", "-o", "none",
        "--summary");
    ASSERT_STR_EQ(ran.out, "");
    assert_has(ran.err, "count=20 ok=20");
    fake_fini(&fake);
}

static void
cli_explain_last_explains_the_job_before(void)
{
    static const struct fake_rule rules[] = {
        { "POST", "200\nX-Job-Id: " ID "\n\nx", 0 },
        { "GET /v1/jobs/" ID, JOB("SUCCEEDED", "9.4"), 0 },
    };
    struct fake fake;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    RUN(&ran, fake.url, "run", "echo", "x");
    RUN(&ran, fake.url, "explain", "--last");
    ASSERT_I64_EQ(ran.exit_code, CLI_DONE);
    assert_has(ran.out, "job " ID "  echo  SUCCEEDED in 9.5 ms\n");
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
    RUN(&ran, fake.url, "explain", ID, "-o", "json");
    assert_has(ran.out, "{\n  \"id\": \"" ID "\"");
    RUN(&ran, fake.url, "explain", "nonsense");
    ASSERT_I64_EQ(ran.exit_code, CLI_USAGE);
    fake_fini(&fake);
}

static void
cli_lists_are_tables_ids_or_json(void)
{
    static const struct fake_rule rules[] = {
        { "GET /v1/workers ",
            "200\n\n{\"workers\":[{\"name\":\"w1\",\"zone\":\"\",\"state\":\"live\",\"slots\":"
            "2,"
            "\"running\":1,\"queued\":0,\"rtt_ms\":0.11,\"up_ms\":93211.0,\"done\":117,"
            "\"handlers\":[\"echo\",\"sha256\"]}]}",
            0 },
        { "GET /v1/handlers ", "200\n\n{\"handlers\":[]}", 0 },
        { "GET /v1/jobs?page_size=20&state=FAILED ",
            "200\n\n{\"jobs\":[{\"id\":\"" ID "\",\"state\":\"FAILED\"}],"
            "\"next_page_token\":null}",
            0 },
    };
    struct fake fake;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    RUN(&ran, fake.url, "workers");
    ASSERT_STR_EQ(ran.out,
        "NAME  ZONE  STATE  SLOTS  RUNNING  QUEUED  DONE      RTT     UP  HANDLERS\n"
        "w1          live       2        1       0   117  0.11 ms  1m33s  echo sha256\n");
    RUN(&ran, fake.url, "workers", "-o", "id");
    ASSERT_STR_EQ(ran.out, "w1\n");
    RUN(&ran, fake.url, "handlers");
    assert_has(ran.err, "no handler is known");
    RUN(&ran, fake.url, "list", "--state", "FAILED", "-o", "id");
    ASSERT_STR_EQ(ran.out, ID "\n");
    fake_fini(&fake);
}

/* GOAL    wait ends when a job ends badly, too, with the code of that end. */
static void
cli_wait_and_cancel_end_with_the_job(void)
{
    static const struct fake_rule rules[] = {
        { "GET /v1/jobs/" ID "?wait=", JOB("DEADLINE_EXCEEDED", "9.4"), 0 },
        { "POST /v1/jobs/" ID ":cancel", JOB("CANCELLED", "9.4"), 1 },
        { "POST /v1/jobs/" ID ":cancel", JOB("SUCCEEDED", "9.4"), 1 },
        { "GET /v1/jobs/" ID "/result", "202\n\n{}", 0 },
        { "", PROBLEM(404, "unknown-job", "never heard of it"), 0 },
    };
    struct fake fake;
    static struct ran ran;
    fake_init(&fake, rules, COUNT(rules));
    RUN(&ran, fake.url, "wait", ID);
    ASSERT_I64_EQ(ran.exit_code, CLI_DEADLINE);
    ASSERT_STR_EQ(ran.out, ID "  DEADLINE_EXCEEDED\n");
    RUN(&ran, fake.url, "cancel", ID);
    ASSERT_I64_EQ(ran.exit_code, CLI_DONE);
    ASSERT_STR_EQ(ran.out, ID "  CANCELLED\n");
    RUN(&ran, fake.url, "cancel", ID);
    ASSERT_STR_EQ(ran.out, ID "  SUCCEEDED\n");
    assert_has(ran.err, "was over already");
    RUN(&ran, fake.url, "cancel", ID);
    ASSERT_I64_EQ(ran.exit_code, CLI_NOT_FOUND);
    assert_has(ran.err, "never heard of it");
    RUN(&ran, fake.url, "result", ID);
    ASSERT_I64_EQ(ran.exit_code, CLI_FAILED);
    assert_has(ran.err, "hedgerow wait " ID);
    fake_fini(&fake);
}

static const struct test tests[] = {
    TEST(cli_run_prints_the_result_alone),
    TEST(cli_run_says_how_it_failed),
    TEST(cli_interrupt_cancels_and_waits),
    TEST(cli_second_interrupt_leaves_at_once),
    TEST(cli_each_runs_every_file),
    TEST(cli_explain_last_explains_the_job_before),
    TEST(cli_lists_are_tables_ids_or_json),
    TEST(cli_wait_and_cancel_end_with_the_job),
};

int
main(int argc, char **argv)
{
    char path[4096];
    const char *folder = getenv("HEDGEROW_BIN");
    snprintf(path, sizeof path, "%s/hedgerow", folder != NULL ? folder : ".");
    if (access(path, X_OK) != 0) {
        fprintf(stderr, "%s is not there: HEDGEROW_BIN names the folder of binaries\n", path);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(home) == NULL) {
        perror("mkdtemp");
        return 1;
    }
    int code = cunit_main("cli", tests, COUNT(tests), argc, argv);
    snprintf(path, sizeof path, "%s/hedgerow/last-job", home);
    unlink(path);
    snprintf(path, sizeof path, "%s/hedgerow", home);
    rmdir(path);
    rmdir(home);
    return code;
}

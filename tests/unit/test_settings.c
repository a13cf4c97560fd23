/* SPDX-License-Identifier: MIT */
#include "common/sys/settings.h"

#include "common/edge/yaml.h"
#include "tests/support/cunit_main.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct settings settings;
static char file_path[] = "/tmp/test_settings_XXXXXX";

static void
write_config(const char *text)
{
    int fd = open(file_path, O_WRONLY | O_TRUNC);
    CU_ASSERT_FATAL(fd >= 0);
    ASSERT_I64_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Load as one program would, from a NULL-terminated list of flags and of variables. */
static err_t
load_as(unsigned program, char **flags, char **environment)
{
    char *argv[32] = { (char *) "program" };
    int argc = 1;
    for (; flags != NULL && flags[argc - 1] != NULL; argc++) {
        argv[argc] = flags[argc - 1];
    }
    struct settings_source source = { .program = program,
        .name = "program",
        .about = "Tests.",
        .argc = argc,
        .argv = argv,
        .environment = environment,
        .read_file = yaml_read };
    return settings_load(&settings, &source);
}

#define LIST(...) ((char *[]){ __VA_ARGS__, NULL })

/* Exactly one problem, and it contains text. */
static void
assert_problem(const char *text)
{
    ASSERT_I64_EQ(settings.problems_count, 1);
    if (strstr(settings.problems[0], text) == NULL) {
        ASSERT_STR_EQ(settings.problems[0], text);
    }
}

static void
settings_without_input_are_the_defaults(void)
{
    ASSERT_I64_EQ(load_as(SETTINGS_CW, NULL, NULL), ERR_OK);
    ASSERT_STR_EQ(settings.http_listen, "127.0.0.1:8080");
    ASSERT_STR_EQ(settings.link_listen, "tcp://127.0.0.1:7400");
    ASSERT_STR_EQ(settings.worker_dial, "tcp://127.0.0.1:7400");
    ASSERT_STR_EQ(settings.link_token_file, "");
    ASSERT_I64_EQ(settings.jobs_input_max, 4 * 1024 * 1024);
    ASSERT_I64_EQ(settings.jobs_timeout.ns, duration_s(30).ns);
    ASSERT_I64_EQ(settings.jobs_timeout_max.ns, duration_s(3600).ns);
    ASSERT_I64_EQ(settings.jobs_finished_kept.ns, duration_s(900).ns);
    ASSERT_I64_EQ(settings.worker_slots, 0); /* auto */
    ASSERT_I64_EQ(settings.hedge_delay.ns, SETTINGS_DELAY_AUTO);
    ASSERT_I64_EQ(settings.hedge_max_attempts, 2);
    CU_ASSERT_DOUBLE_EQUAL(settings.hedge_ratio, 0.05, 1e-12);
    CU_ASSERT_TRUE(settings.hedge_enabled);
    ASSERT_I64_EQ(settings.heartbeat.ns, duration_s(1).ns);
    ASSERT_I64_EQ(settings.cancel_ack_max.ns, duration_ms(250).ns);
    ASSERT_I64_EQ(settings.log_format, SETTINGS_LOG_AUTO);
    ASSERT_I64_EQ(settings.execs_count, 0);
    CU_ASSERT(strlen(settings.worker_name) > 0);
    CU_ASSERT_DOUBLE_EQUAL(settings.worker_stall.share, 0, 0);
}

/* GOAL    flag > environment > file > default, each by itself and all at once. */
static void
settings_stronger_origin_holds(void)
{
    write_config("jobs:\n  timeout: 1s\n  max: 7\nhedge: {ratio: 20%, delay: 'off'}\n");
    char config[64];
    snprintf(config, sizeof config, "--config=%s", file_path);

    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST(config), NULL), ERR_OK);
    ASSERT_I64_EQ(settings.jobs_timeout.ns, duration_s(1).ns);
    ASSERT_I64_EQ(settings.jobs_max, 7);
    CU_ASSERT_DOUBLE_EQUAL(settings.hedge_ratio, 0.2, 1e-12);
    ASSERT_I64_EQ(settings.hedge_delay.ns, SETTINGS_DELAY_OFF);
    ASSERT_I64_EQ(settings.origins[SETTINGS_ID_jobs_max].from, SETTINGS_FROM_FILE);
    ASSERT_I64_EQ(settings.origins[SETTINGS_ID_jobs_max].line, 3);

    ASSERT_I64_EQ(
        load_as(SETTINGS_C, LIST(config), LIST("HEDGEROW_JOBS_TIMEOUT=2s", "PATH=/")), ERR_OK);
    ASSERT_I64_EQ(settings.jobs_timeout.ns, duration_s(2).ns);

    ASSERT_I64_EQ(
        load_as(SETTINGS_C, LIST("--jobs-timeout", "3s", "--hedge-enabled=no", config),
            LIST("HEDGEROW_JOBS_TIMEOUT=2s")),
        ERR_OK);
    ASSERT_I64_EQ(settings.jobs_timeout.ns, duration_s(3).ns);
    ASSERT_I64_EQ(settings.jobs_max, 7);
    CU_ASSERT_FALSE(settings.hedge_enabled);

    char variable[80];
    snprintf(variable, sizeof variable, "HEDGEROW_CONFIG=%s", file_path);
    ASSERT_I64_EQ(load_as(SETTINGS_C, NULL, LIST(variable)), ERR_OK);
    ASSERT_I64_EQ(settings.jobs_max, 7);
}

static void
settings_unknown_name_is_refused_with_the_nearest(void)
{
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--jobs-timout", "3s"), NULL), ERR_INVALID);
    assert_problem("--jobs-timout: no such setting; did you mean --jobs-timeout?");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--timeout=3s"), NULL), ERR_INVALID);
    assert_problem("did you mean --jobs-timeout?");
    /* A flag of the other program is none of ours. */
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--worker-slots=3"), NULL), ERR_INVALID);
    assert_problem("--worker-slots: no such setting");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("start"), NULL), ERR_INVALID);
    assert_problem("start: not a flag");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--jobs-timeout"), NULL), ERR_INVALID);
    assert_problem("--jobs-timeout: needs a value");

    ASSERT_I64_EQ(load_as(SETTINGS_W, NULL, LIST("HEDGEROW_JOBS_TIMOUT=3s")), ERR_INVALID);
    assert_problem(
        "HEDGEROW_JOBS_TIMOUT: no such setting; did you mean HEDGEROW_JOBS_TIMEOUT?");

    write_config("# a comment\njobs:\n  timeuot: 3s\n");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--config", file_path), NULL), ERR_INVALID);
    assert_problem(":3: jobs.timeuot: no such setting; did you mean jobs.timeout?");
    CU_ASSERT_EQUAL(strncmp(settings.problems[0], file_path, strlen(file_path)), 0);
}

static void
settings_shared_environment_is_accepted(void)
{
    ASSERT_I64_EQ(load_as(SETTINGS_C, NULL,
                      LIST("HEDGEROW_WORKER_SLOTS=3", "HEDGEROW_JOB_ID=x",
                          "HEDGEROW_PORT=tcp://10.0.0.1:8080", "HEDGEROW_SERVICE_HOST=10.0.0.1",
                          "HEDGEROW_PORT_8080_TCP_ADDR=10.0.0.1", "HEDGEROW_TEST_X=1",
                          "HEDGEROW_TOKEN_FILE=/run/secrets/token")),
        ERR_OK);
    ASSERT_STR_EQ(settings.link_token_file, "/run/secrets/token");
}

/* GOAL    a value that cannot be is named with its range, unit and origin, all at once. */
static void
settings_bad_values_are_all_named(void)
{
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--hedge-max-attempts=6"), NULL), ERR_INVALID);
    assert_problem("--hedge-max-attempts: '6' is out of range: 1..5 copies");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--jobs-input-max=5MiB"), NULL), ERR_INVALID);
    assert_problem("'5MiB' is out of range: 1KiB..4MiB bytes");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--jobs-max=-1"), NULL), ERR_INVALID);
    assert_problem("'-1' is not a whole number");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--jobs-max=4294967297"), NULL), ERR_INVALID);
    assert_problem("out of range");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--hedge-ratio=1.5"), NULL), ERR_INVALID);
    assert_problem("out of range: 0..1 copies for each primary");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--hedge-delay=soon"), NULL), ERR_INVALID);
    assert_problem("is not a duration (such as 250ms, 30s or 1h), allowed: auto|off|0s..1h");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--log-level=loud"), NULL), ERR_INVALID);
    assert_problem("'loud' is not one of debug|info|warn|error");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--hedge-enabled=maybe"), NULL), ERR_INVALID);
    assert_problem("neither true nor false");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--http-listen=a\nb"), NULL), ERR_INVALID);
    assert_problem("control character");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--jobs-timeout=2h"), NULL), ERR_INVALID);
    assert_problem("jobs.timeout: '2h' is longer than jobs.timeout_max, '1h'");

    write_config("jobs:\n  timeout: forever\n  max: 0\n");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--config", file_path, "--x=1"), NULL), ERR_INVALID);
    ASSERT_I64_EQ(settings.problems_count, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(settings.problems[0], ":2: jobs.timeout: 'forever'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(settings.problems[1], ":3: jobs.max: '0'"));
    /* What was wrong left a value that is right. */
    ASSERT_I64_EQ(settings.jobs_max, 10000);
}

static void
settings_secret_is_never_a_value(void)
{
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--link-token=hunter2"), NULL), ERR_INVALID);
    assert_problem("a secret is never a value: name its file, link.token_file");
    CU_ASSERT_PTR_NULL(strstr(settings.problems[0], "hunter2"));
    ASSERT_I64_EQ(load_as(SETTINGS_C, NULL, LIST("HEDGEROW_TOKEN=hunter2")), ERR_INVALID);
    assert_problem("a secret is never a value");
    CU_ASSERT_PTR_NULL(strstr(settings.problems[0], "hunter2"));
}

static void
settings_worker_has_its_own_forms(void)
{
    ASSERT_I64_EQ(
        load_as(SETTINGS_W, LIST("--worker-slots=4", "--worker-stall=5%:300ms"), NULL), ERR_OK);
    ASSERT_I64_EQ(settings.worker_slots, 4);
    CU_ASSERT_DOUBLE_EQUAL(settings.worker_stall.share, 0.05, 1e-12);
    ASSERT_I64_EQ(settings.worker_stall.pause.ns, duration_ms(300).ns);
    const char *bad[] = { "5%", "5%:", ":300ms", "101%:1s", "x:1s", "5%:-1s" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "--worker-stall=%s", bad[i]);
        ASSERT_I64_EQ(load_as(SETTINGS_W, LIST(flag), NULL), ERR_INVALID);
        assert_problem("is not SHARE:DURATION");
    }
    char name[100];
    memset(name, 'n', sizeof name);
    snprintf(name + 80, sizeof name - 80, "-");
    memcpy(name, "--worker-name=", strlen("--worker-name="));
    ASSERT_I64_EQ(load_as(SETTINGS_W, LIST(name), NULL), ERR_INVALID);
    assert_problem("longer than 63 bytes");
}

static void
settings_execs_come_from_everywhere(void)
{
    write_config("handlers:\n  exec:\n    wc: wc -w\n    up: tr a-z A-Z\n");
    ASSERT_I64_EQ(load_as(SETTINGS_W, LIST("--config", file_path, "--exec", "wc=wc -l"),
                      LIST("HEDGEROW_HANDLERS_EXEC=sort=sort -u\n\n  rev=rev\n")),
        ERR_OK);
    ASSERT_I64_EQ(settings.execs_count, 4);
    ASSERT_STR_EQ(settings.execs[0].name, "wc");
    ASSERT_STR_EQ(settings.execs[0].command, "wc -l");
    ASSERT_STR_EQ(settings.execs[1].command, "tr a-z A-Z");
    ASSERT_STR_EQ(settings.execs[2].command, "sort -u");
    ASSERT_STR_EQ(settings.execs[3].name, "rev");

    ASSERT_I64_EQ(load_as(SETTINGS_W, LIST("--exec=wc"), NULL), ERR_INVALID);
    assert_problem("'wc' is not NAME=COMMAND");
    ASSERT_I64_EQ(load_as(SETTINGS_W, LIST("--exec=a b=wc"), NULL), ERR_INVALID);
    assert_problem("is not a handler's name");
    ASSERT_I64_EQ(load_as(SETTINGS_W, LIST("--exec=wc= "), NULL), ERR_INVALID);
    assert_problem("no command for 'wc'");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--exec=wc=wc"), NULL), ERR_INVALID);
    assert_problem("--exec: no such setting");
}

/* GOAL    one more than fits is refused, and what fits is kept. */
static void
settings_execs_are_bounded(void)
{
    static char text[64 * (SETTINGS_EXECS_MAX + 2)];
    size_t size = 0;
    size += (size_t) snprintf(text, sizeof text, "handlers:\n  exec:\n");
    for (int i = 0; i <= SETTINGS_EXECS_MAX; i++) {
        size += (size_t) snprintf(text + size, sizeof text - size, "    h%d: cat\n", i);
    }
    write_config(text);
    ASSERT_I64_EQ(load_as(SETTINGS_W, LIST("--config", file_path), NULL), ERR_INVALID);
    assert_problem("more than 32 commands");
    ASSERT_I64_EQ(settings.execs_count, SETTINGS_EXECS_MAX);
}

static void
settings_file_that_is_not_a_table_is_refused(void)
{
    static const struct {
        const char *text;
        const char *problem;
    } cases[] = {
        { "jobs:\n  - a\n", ":2: a list means nothing here" },
        { "just text\n", ":1: not a mapping" },
        { "jobs: {max: 1, max: 2}\n", ":1: jobs.max: given before, in line 1" },
        { "jobs:\n  max: 1\njobs:\n  max: 2\n", ":4: jobs.max: given before, in line 2" },
        { "jobs: &a\n  max: 1\n", "anchors" },
        { "jobs:\n  max: !!int 1\n", ":2: anchors and tags" },
        { "jobs:\n max: 1\n---\njobs: {}\n", ":3: a second document" },
        { "jobs:\n  max: 1\n timeout: 2\n", ":3: " },
        { "jobs:\n\tmax: 1\n", ":2: " },
        { "a: {b: {c: {d: {e: f}}}}\n", ":1: nested too deeply" },
        { "jobs: 5\n", ":1: jobs: no such setting" },
        { "jobs: {max: }\n", ":1: jobs.max: '' is not a whole number" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        write_config(cases[i].text);
        ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--config", file_path), NULL), ERR_INVALID);
        assert_problem(cases[i].problem);
    }
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--config", "/nowhere/x.yaml"), NULL), ERR_INVALID);
    assert_problem("/nowhere/x.yaml: not found");
    write_config("");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--config", file_path), NULL), ERR_OK);
    write_config("# nothing\n---\n");
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--config", file_path), NULL), ERR_OK);
}

/* GOAL    what is printed is a configuration file that means the same. */
static void
settings_printed_file_reads_back(void)
{
    ASSERT_I64_EQ(load_as(SETTINGS_CW,
                      LIST("--jobs-timeout=1500ms", "--worker-zone=a \"b\\ c",
                          "--hedge-delay=off", "--exec=q=printf '%s: #'", "--worker-name=-x"),
                      LIST("HEDGEROW_JOBS_MAX=12")),
        ERR_OK);
    FILE *out = fopen(file_path, "w");
    CU_ASSERT_FATAL(out != NULL);
    settings_print(&settings, SETTINGS_CW, /* with_origin= */ true, out);
    fclose(out);
    ASSERT_I64_EQ(load_as(SETTINGS_CW, LIST("--config", file_path), NULL), ERR_OK);
    ASSERT_I64_EQ(settings.jobs_timeout.ns, duration_ms(1500).ns);
    ASSERT_STR_EQ(settings.worker_zone, "a \"b\\ c");
    ASSERT_STR_EQ(settings.worker_name, "-x");
    ASSERT_I64_EQ(settings.hedge_delay.ns, SETTINGS_DELAY_OFF);
    ASSERT_I64_EQ(settings.jobs_max, 12);
    ASSERT_STR_EQ(settings.execs[0].command, "printf '%s: #'");
    for (size_t i = 0; i < SETTINGS_ID_COUNT; i++) {
        ASSERT_I64_EQ(settings.origins[i].from, SETTINGS_FROM_FILE);
    }
}

static void
settings_help_names_every_setting_of_the_program(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CU_ASSERT_FATAL(out != NULL);
    struct settings_source source = { .program = SETTINGS_C, .name = "program", .about = "X." };
    settings_help(&source, out);
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--jobs-timeout-max=1ms..24h"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--hedge-delay=auto|off|0s..1h"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "(default 0.05 copies for each primary)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--log-level=debug|info|warn|error"));
    CU_ASSERT_PTR_NULL(strstr(text, "--worker-slots"));
    CU_ASSERT_PTR_NULL(strstr(text, "--exec"));
    free(text);
}

static void
settings_values_are_bounded_together(void)
{
    static char value[SETTINGS_TEXT_SIZE_MAX];
    memset(value, 'a', sizeof value - 1);
    ASSERT_I64_EQ(load_as(SETTINGS_C, LIST("--http-listen", value), NULL), ERR_INVALID);
    CU_ASSERT(settings.problems_count > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(settings.problems[0], "all values together"));
}

static void
settings_file_is_made(void)
{
    int fd = mkstemp(file_path);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
}

static void
settings_file_is_removed(void)
{
    ASSERT_I64_EQ(unlink(file_path), 0);
}

static const struct test tests[] = {
    TEST(settings_file_is_made),
    TEST(settings_without_input_are_the_defaults),
    TEST(settings_stronger_origin_holds),
    TEST(settings_unknown_name_is_refused_with_the_nearest),
    TEST(settings_shared_environment_is_accepted),
    TEST(settings_bad_values_are_all_named),
    TEST(settings_secret_is_never_a_value),
    TEST(settings_worker_has_its_own_forms),
    TEST(settings_execs_come_from_everywhere),
    TEST(settings_execs_are_bounded),
    TEST(settings_file_that_is_not_a_table_is_refused),
    TEST(settings_printed_file_reads_back),
    TEST(settings_help_names_every_setting_of_the_program),
    TEST(settings_values_are_bounded_together),
    TEST(settings_file_is_removed),
};
TEST_MAIN("settings", tests)

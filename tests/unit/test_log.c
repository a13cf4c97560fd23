/* SPDX-License-Identifier: MIT */
#include "common/sys/log.h"

#include "tests/support/cunit_main.h"

#include <unistd.h>

/* What log_info writes to stderr, read back through a pipe. */
static void
logged(enum log_format format, const char *message, const char *value, char line[4096])
{
    int ends[2];
    CU_ASSERT_FATAL(pipe(ends) == 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_init("test", LOG_INFO, format);
    log_info(message, LOG_STR("value", value), LOG_I64("number", -7));
    log_debug("not written");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t size = read(ends[0], line, 4095);
    close(ends[0]);
    line[size > 0 ? size : 0] = '\0';
}

/* GOAL    a line is one object or one logfmt line, and no value can forge another.
 * METHOD  values with quotes, newlines and control bytes; the time stamp is cut off. */
static void
log_line_cannot_be_forged(void)
{
    char line[4096];
    logged(LOG_JSON, "hello", "a \"b\"\n{\"level\":\"error\"}\x01", line);
    CU_ASSERT_EQUAL_FATAL(strncmp(line, "{\"ts\":\"20", 9), 0);
    const char *rest = strstr(line, ",\"level\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(rest);
    ASSERT_STR_EQ(rest,
        ",\"level\":\"info\",\"component\":\"test\",\"msg\":\"hello\","
        "\"value\":\"a "
        "\\\"b\\\"\\u000a{\\\"level\\\":\\\"error\\\"}\\u0001\",\"number\":-7}\n");

    logged(LOG_LOGFMT, "hello you", "x level=error\n", line);
    rest = strstr(line, " level=");
    CU_ASSERT_PTR_NOT_NULL_FATAL(rest);
    ASSERT_STR_EQ(rest,
        " level=info component=test msg=\"hello you\" value=\"x level=error\\u000a\" "
        "number=-7\n");
}

/* GOAL    a line that is too long is cut and still ends as it must. */
static void
log_long_line_is_cut(void)
{
    char line[4096];
    char value[3 * LOG_LINE_SIZE_MAX / 2];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    logged(LOG_JSON, "long", value, line);
    ASSERT_I64_EQ(strlen(line), LOG_LINE_SIZE_MAX);
    ASSERT_STR_EQ(line + LOG_LINE_SIZE_MAX - 2, "}\n");
}

static const struct test tests[] = {
    TEST(log_line_cannot_be_forged),
    TEST(log_long_line_is_cut),
};
TEST_MAIN("log", tests)

/* SPDX-License-Identifier: MIT */
#include "coordinator/http/access.h"

#include "tests/support/cunit_main.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* SHA-256 of "foo" and of "bar", by sha256sum. */
#define FOO "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define BAR "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"

static err_t
load(const char *text, struct access **ret_access, char *why)
{
    char path[] = "/tmp/hedgerow-access.XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
    close(fd);
    err_t err = access_load(path, ret_access, why);
    unlink(path);
    return err;
}

static enum access_verdict
look(const struct access *access, const char *authorization, enum access_scope scope)
{
    const char *name = NULL;
    return access_look(access, slice_of(authorization), scope, &name);
}

static void
access_token_is_good_for_what_its_line_says(void)
{
    struct access *access = NULL;
    char why[ACCESS_WHY_SIZE_MAX];
    const char *name = NULL;
    CU_ASSERT_EQUAL_FATAL(
        load("# who may\n\n ci\tsubmit,read  " FOO "\r\nops all " BAR, &access, why), ERR_OK);
    ASSERT_I64_EQ(access_count(access), 2);
    CU_ASSERT_EQUAL(look(access, "Bearer foo", ACCESS_SUBMIT), ACCESS_GRANTED);
    CU_ASSERT_EQUAL(look(access, "bearer  foo", ACCESS_READ), ACCESS_GRANTED);
    CU_ASSERT_EQUAL(look(access, "Bearer foo", ACCESS_CANCEL), ACCESS_FORBIDDEN);
    CU_ASSERT_EQUAL(look(access, "Bearer foo", ACCESS_ADMIN), ACCESS_FORBIDDEN);
    CU_ASSERT_EQUAL(look(access, "Bearer bar", ACCESS_ADMIN), ACCESS_GRANTED);
    CU_ASSERT_EQUAL(
        access_look(access, SLICE("Bearer bar"), ACCESS_CANCEL, &name), ACCESS_GRANTED);
    ASSERT_STR_EQ(name, "ops");
    static const char *const bad[] = { "", "Bearer", "Bearer ", "Bearer fo", "Bearer foo bar",
        "Bearer FOO", "Basic foo", "foo", "Bearer" FOO, "Bearer " FOO };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_EQUAL(look(access, bad[i], ACCESS_READ), ACCESS_UNKNOWN);
    }
    access_free(access);
    for (unsigned scope = ACCESS_SUBMIT; scope <= ACCESS_ADMIN; scope *= 2) {
        CU_ASSERT_TRUE(strlen(access_scope_text((enum access_scope) scope)) > 0);
    }
}

/* GOAL    a file with anything wrong in it lets nobody in by mistake: it is refused as a
 *         whole, with its line. */
static void
access_bad_file_is_refused(void)
{
    static const struct {
        const char *text;
        const char *why;
    } files[] = {
        { "", "no token" },
        { "# nothing\n", "no token" },
        { "ci\n", "line 1: after the name" },
        { "ci submit\n", "line 1: the third word" },
        { "ci submit,fly " FOO "\n", "line 1: after the name" },
        { "ci submit, " FOO "\n", "line 1: after the name" },
        { "ok read " FOO "\nci submit " FOO "0\n", "line 2: the third word" },
        { "ci submit foo\n", "line 1: the third word" },
        { "ci submit " FOO " more\n", "line 1: there is a fourth word" },
        { "a-name-that-is-longer-than-31-bytes read " FOO "\n", "line 1: the name" },
    };
    struct access *access = NULL;
    char why[ACCESS_WHY_SIZE_MAX];
    for (unsigned i = 0; i < ARRAY_COUNT(files); i++) {
        CU_ASSERT_EQUAL(load(files[i].text, &access, why), ERR_INVALID);
        if (strstr(why, files[i].why) == NULL) {
            printf("# %s: %s\n", files[i].why, why);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(why, files[i].why));
    }
    char long_line[1024];
    memset(long_line, 'x', sizeof long_line);
    long_line[sizeof long_line - 1] = '\0';
    CU_ASSERT_EQUAL(load(long_line, &access, why), ERR_INVALID);
    CU_ASSERT_EQUAL(access_load("/nothing/here", &access, why), ERR_NOT_FOUND);
}

static void
access_tokens_are_bounded(void)
{
    struct access *access = NULL;
    char why[ACCESS_WHY_SIZE_MAX];
    size_t line_size = strlen("n read " FOO "\n");
    for (unsigned extra = 0; extra < 2; extra++) {
        char *text = calloc(ACCESS_TOKENS_MAX + 1, line_size + 1);
        CHECK(text != NULL);
        for (size_t i = 0; i < ACCESS_TOKENS_MAX + extra; i++) {
            memcpy(text + i * line_size, "n read " FOO "\n", line_size);
        }
        ASSERT_I64_EQ(load(text, &access, why), extra == 0 ? ERR_OK : ERR_INVALID);
        free(text);
    }
    access_free(access);
}

/* Whoever may write the file may let anybody in. */
static void
access_file_that_others_write_is_refused(void)
{
    char path[] = "/tmp/hedgerow-access.XXXXXX";
    char why[ACCESS_WHY_SIZE_MAX];
    struct access *access = NULL;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(dprintf(fd, "ci read " FOO "\n") > 0);
    CHECK(fchmod(fd, 0666) == 0);
    close(fd);
    CU_ASSERT_EQUAL(access_load(path, &access, why), ERR_PERMISSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "others may write"));
    unlink(path);
}

static const struct test tests[] = {
    TEST(access_token_is_good_for_what_its_line_says),
    TEST(access_bad_file_is_refused),
    TEST(access_tokens_are_bounded),
    TEST(access_file_that_others_write_is_refused),
};
TEST_MAIN("access", tests)

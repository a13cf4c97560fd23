/* SPDX-License-Identifier: MIT */
#include "common/sys/token.h"

#include "tests/support/cunit_main.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_token_XXXXXX";

static void
write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    ASSERT_I64_EQ(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, mode);
    close(fd);
}

/* GOAL    a token is read without its newline; what is no secret is refused.
 * METHOD  files of every kind in a folder of our own. */
static void
token_file_is_read_strictly(void)
{
    char path[TOKEN_PATH_SIZE_MAX];
    snprintf(path, sizeof path, "%s/token", folder);
    static struct token token;

    write_file(path, "0123456789abcdef\n", 0600);
    ASSERT_I64_EQ(token_load(path, &token), ERR_OK);
    ASSERT_I64_EQ(token.size, 16);
    CU_ASSERT_EQUAL(memcmp(token.bytes, "0123456789abcdef", 16), 0);

    write_file(path, "0123456789abcdef\n", 0666);
    ASSERT_I64_EQ(token_load(path, &token), ERR_PERMISSION);
    write_file(path, "too short\n", 0600);
    ASSERT_I64_EQ(token_load(path, &token), ERR_TRUNCATED);

    char longer[TOKEN_SIZE_MAX + 2];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    write_file(path, longer, 0600);
    ASSERT_I64_EQ(token_load(path, &token), ERR_TOO_BIG);
    unlink(path);
    ASSERT_I64_EQ(token_load(path, &token), ERR_NOT_FOUND);
    ASSERT_STR_EQ(token.path, path);
}

static void
token_default_places_may_be_empty(void)
{
    static struct token token;
    setenv("XDG_RUNTIME_DIR", folder, 1);
    setenv("HOME", folder, 1);
    unsetenv("HEDGEROW_TOKEN_FILE");
    ASSERT_I64_EQ(token_load("", &token), ERR_OK);
    ASSERT_I64_EQ(token.size, 0);

    char path[TOKEN_PATH_SIZE_MAX];
    ASSERT_I64_EQ(token_default_path(path), ERR_OK);
    char parent[TOKEN_PATH_SIZE_MAX];
    snprintf(parent, sizeof parent, "%s/hedgerow", folder);
    mkdir(parent, 0700);
    write_file(path, "a secret of twenty bytes", 0600);
    ASSERT_I64_EQ(token_load(NULL, &token), ERR_OK);
    ASSERT_I64_EQ(token.size, 24);
    ASSERT_STR_EQ(token.path, path);
    unlink(path);
    rmdir(parent);

    setenv("HEDGEROW_TOKEN_FILE", "/nowhere/token", 1);
    ASSERT_I64_EQ(token_load(NULL, &token), ERR_NOT_FOUND);
}

static void
folder_is_removed(void)
{
    ASSERT_I64_EQ(rmdir(folder), 0);
}

static void
folder_is_made(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static const struct test tests[] = {
    TEST(folder_is_made),
    TEST(token_file_is_read_strictly),
    TEST(token_default_places_may_be_empty),
    TEST(folder_is_removed),
};
TEST_MAIN("token", tests)

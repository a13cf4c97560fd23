/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/dev_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM_SIZE 32

/* Every folder above the file; those that exist stay as they are. */
static void
folders_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void) mkdir(path, 0700);
        *slash = '/';
    }
}

static err_t
token_write(int fd)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[RANDOM_SIZE];
    char text[2 * RANDOM_SIZE + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t) sizeof random) {
        return ERR_IO;
    }
    for (unsigned i = 0; i < RANDOM_SIZE; i++) {
        text[2 * i] = digits[random[i] >> 4];
        text[2 * i + 1] = digits[random[i] & 15];
    }
    text[2 * RANDOM_SIZE] = '\n';
    return write(fd, text, sizeof text) == (ssize_t) sizeof text ? ERR_OK : ERR_IO;
}

static err_t
token_make(char path[TOKEN_PATH_SIZE_MAX])
{
    char fresh[TOKEN_PATH_SIZE_MAX + 24];
    folders_make(path);
    snprintf(fresh, sizeof fresh, "%s.%ld", path, (long) getpid());
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    err_t err = token_write(fd);
    close(fd);
    if (err == ERR_OK && link(fresh, path) != 0) {
        err = err_from_errno(errno);
    }
    (void) unlink(fresh);
    return err == ERR_EXISTS ? ERR_OK : err; /* another was faster: theirs is as good */
}

err_t
dev_token_ensure(char path[TOKEN_PATH_SIZE_MAX])
{
    struct token token;
    err_t err = token_load(NULL, &token);
    snprintf(path, TOKEN_PATH_SIZE_MAX, "%s", token.path);
    if (err != ERR_OK || token.size > 0) {
        memset(&token, 0, sizeof token);
        return err;
    }
    err = token_default_path(path);
    return err == ERR_OK ? token_make(path) : err;
}

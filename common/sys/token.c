/* SPDX-License-Identifier: MIT */
#include "common/sys/token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static err_t
join(char path[TOKEN_PATH_SIZE_MAX], const char *folder, const char *rest)
{
    int size = snprintf(path, TOKEN_PATH_SIZE_MAX, "%s%s", folder, rest);
    return size > 0 && size < TOKEN_PATH_SIZE_MAX ? ERR_OK : ERR_TOO_BIG;
}

static err_t
runtime_path(char path[TOKEN_PATH_SIZE_MAX])
{
    const char *folder = getenv("XDG_RUNTIME_DIR");
    return is_set(folder) ? join(path, folder, "/hedgerow/link-token") : ERR_NOT_FOUND;
}

static err_t
home_path(char path[TOKEN_PATH_SIZE_MAX])
{
    const char *folder = getenv("HOME");
    return is_set(folder) ? join(path, folder, "/.local/state/hedgerow/link-token")
                          : ERR_NOT_FOUND;
}

err_t
token_default_path(char path[TOKEN_PATH_SIZE_MAX])
{
    err_t err = runtime_path(path);
    return err == ERR_NOT_FOUND ? home_path(path) : err;
}

static err_t
read_open_file(int fd, struct token *token)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return err_from_errno(errno);
    }
    if ((facts.st_mode & S_IWOTH) != 0) {
        return ERR_PERMISSION;
    }
    char bytes[TOKEN_SIZE_MAX + 2]; /* a newline, and one more to see that it is too long */
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got < 0) {
        return err_from_errno(errno);
    }
    size_t size = (size_t) got;
    while (size > 0 && isspace((unsigned char) bytes[size - 1])) {
        size--;
    }
    if (size < TOKEN_SIZE_MIN) {
        return ERR_TRUNCATED;
    }
    if (size > TOKEN_SIZE_MAX) {
        return ERR_TOO_BIG;
    }
    memcpy(token->bytes, bytes, size);
    token->size = size;
    return ERR_OK;
}

static err_t
load_file(struct token *token)
{
    int fd = open(token->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    err_t err = read_open_file(fd, token);
    close(fd);
    return err;
}

err_t
token_load(const char *path, struct token *ret_token)
{
    memset(ret_token, 0, sizeof *ret_token);
    const char *named = is_set(path) ? path : getenv("HEDGEROW_TOKEN_FILE");
    if (is_set(named)) {
        err_t err = join(ret_token->path, named, "");
        return err == ERR_OK ? load_file(ret_token) : err;
    }
    err_t (*const places[])(char *) = { runtime_path, home_path };
    for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
        if (places[i](ret_token->path) != ERR_OK) {
            continue;
        }
        err_t err = load_file(ret_token);
        if (err != ERR_NOT_FOUND) {
            return err;
        }
    }
    ret_token->path[0] = '\0';
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * common/sys/token.h - the shared secret of coordinator and workers, from its file.
 *
 * Looked for in this order: the path that is given; $HEDGEROW_TOKEN_FILE; `link-token` in
 * $XDG_RUNTIME_DIR/hedgerow, then in ~/.local/state/hedgerow.  A path that is named must
 * be readable; the default places may be empty: then there is no token, and links stay on
 * this machine.
 *
 * The token is the file's content without white space at its end, 16 to 256 bytes.  A file
 * that others may write is refused: they would choose who is let in.  (One that others may
 * read is not: a compose secret is a bind mount with the mode of the host's file.)
 */
#ifndef COMMON_SYS_TOKEN_H
#define COMMON_SYS_TOKEN_H

#include "common/pure/err.h"

#include <stddef.h>
#include <stdint.h>

#define TOKEN_SIZE_MIN      16
#define TOKEN_SIZE_MAX      256
#define TOKEN_PATH_SIZE_MAX 4096

struct token {
    uint8_t bytes[TOKEN_SIZE_MAX];
    size_t size;                    /* 0: there is none */
    char path[TOKEN_PATH_SIZE_MAX]; /* where it came from; of the file at fault on an error */
};

/* path: as configured; "" or NULL to look in the default places.
 * Errors: NOT_FOUND, PERMISSION (unreadable, or others may write it), TRUNCATED (shorter
 * than 16 bytes), TOO_BIG, IO. */
err_t token_load(const char *path, struct token *ret_token) MUST_USE;
/* The default place for a token that is to be made: the first of the two that applies. */
err_t token_default_path(char path[TOKEN_PATH_SIZE_MAX]) MUST_USE;

#endif

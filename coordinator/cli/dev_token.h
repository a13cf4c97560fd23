/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/dev_token.h - the link token of this machine: found, or made.
 *
 * 32 random bytes as hexadecimal, in a file that only its owner reads (0600, its folder
 * 0700).  Made under another name and linked into place, so that two `hedgerow dev` at once
 * end up with the same one, and nobody ever reads half a token.
 */
#ifndef COORDINATOR_CLI_DEV_TOKEN_H
#define COORDINATOR_CLI_DEV_TOKEN_H

#include "common/pure/err.h"
#include "common/sys/token.h"

/* The file's path.  Errors: those of token_load(), of which path names the file, or of
 * making it; NOT_FOUND without a home. */
err_t dev_token_ensure(char path[TOKEN_PATH_SIZE_MAX]) MUST_USE;

#endif

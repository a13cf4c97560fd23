/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/access.h - who may do what: bearer tokens, from a file of their hashes.
 *
 *     # name may           SHA-256 of the token, in hexadecimal
 *     ci     submit,read   2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
 *     ci     submit,read   fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
 *     ops    all           ...
 *
 * Two lines of one name are two tokens of one client: that is how one is replaced.  The file
 * tells no token; whoever reads it can do nothing with it.
 *
 * INVARIANTS  X1  how long a look takes tells nothing about the tokens there are: the digest
 *                 of what was shown is compared with each of them, in constant time
 * THREADS     loop      MEMORY  ACCESS_TOKENS_MAX entries, 25 KiB
 */
#ifndef COORDINATOR_HTTP_ACCESS_H
#define COORDINATOR_HTTP_ACCESS_H

#include "common/pure/err.h"
#include "common/pure/slice.h"

#define ACCESS_TOKENS_MAX    256
#define ACCESS_NAME_SIZE_MAX 32
#define ACCESS_WHY_SIZE_MAX  160
/* Of the tokens that are made for people; shown ones may be anything. */
#define ACCESS_TOKEN_BYTES 32

enum access_scope {
    ACCESS_SUBMIT = 1, /* 0, as of a route that forgot to say, is what no token is good for */
    ACCESS_READ = 2,
    ACCESS_CANCEL = 4,
    ACCESS_ADMIN = 8,
    ACCESS_OPEN = 16 /* for everybody */
};

/* "submit", "read", "cancel", "admin". */
const char *access_scope_text(enum access_scope scope);

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_UNKNOWN,  /* no token, or none of ours */
    ACCESS_FORBIDDEN /* the token is good, but not for this */
};

struct access;

/* why: what is wrong, and in which line; the rest are errors of open and read.
 * Errors: INVALID (a line), FULL, NOT_FOUND, PERMISSION (also: others may write it), IO. */
err_t access_load(
    const char *path, struct access **ret_access, char why[ACCESS_WHY_SIZE_MAX]) MUST_USE;
void access_free(struct access *access);
uint32_t access_count(const struct access *access);
/* authorization: the header's value.  *ret_name, where granted, is the access's. */
enum access_verdict access_look(const struct access *access, struct slice authorization,
    enum access_scope scope, const char **ret_name);

#endif

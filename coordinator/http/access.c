/* SPDX-License-Identifier: MIT */
#include "coordinator/http/access.h"

#include "common/edge/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LINE_SIZE_MAX 512

struct token {
    char name[ACCESS_NAME_SIZE_MAX];
    unsigned scopes;
    uint8_t digest[CRYPTO_SHA256_SIZE];
};

struct access {
    struct token tokens[ACCESS_TOKENS_MAX];
    uint32_t count;
};

static const struct {
    const char *word;
    unsigned scopes;
} words[] = {
    { "submit", ACCESS_SUBMIT },
    { "read", ACCESS_READ },
    { "cancel", ACCESS_CANCEL },
    { "admin", ACCESS_ADMIN },
    { "all", ACCESS_SUBMIT | ACCESS_READ | ACCESS_CANCEL | ACCESS_ADMIN },
};

const char *
access_scope_text(enum access_scope scope)
{
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        if (words[i].scopes == (unsigned) scope) {
            return words[i].word;
        }
    }
    return "";
}

/* ---- the file ------------------------------------------------------------------------- */

static bool
next_word(struct slice *line, struct slice *ret_word)
{
    *line = slice_trim(*line);
    size_t size = 0;
    while (size < line->size && line->at[size] != ' ' && line->at[size] != '\t') {
        size++;
    }
    *ret_word = (struct slice){ line->at, size };
    *line = (struct slice){ line->at + size, line->size - size };
    return size > 0;
}

static bool
read_scopes(struct slice list, unsigned *ret_scopes)
{
    struct slice word;
    *ret_scopes = 0;
    while (slice_next(&list, ',', &word)) {
        unsigned i = 0;
        while (i < ARRAY_COUNT(words) && !slice_equal(word, slice_of(words[i].word))) {
            i++;
        }
        if (i == ARRAY_COUNT(words)) {
            return false;
        }
        *ret_scopes |= words[i].scopes;
    }
    return *ret_scopes != 0;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    uint8_t lower = slice_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool
read_digest(struct slice hex, uint8_t digest[CRYPTO_SHA256_SIZE])
{
    bool is_good = hex.size == 2 * CRYPTO_SHA256_SIZE;
    for (size_t i = 0; is_good && i < CRYPTO_SHA256_SIZE; i++) {
        int high = hex_value(hex.at[2 * i]);
        int low = hex_value(hex.at[2 * i + 1]);
        is_good = high >= 0 && low >= 0;
        digest[i] = (uint8_t) (high * 16 + low);
    }
    return is_good;
}

/* NULL: it is good, or has nothing to say. */
static const char *
read_line(struct access *access, struct slice line)
{
    struct slice name;
    struct slice scopes;
    struct slice digest;
    struct slice more;
    if (!next_word(&line, &name) || name.at[0] == '#') {
        return NULL;
    }
    if (access->count == ACCESS_TOKENS_MAX) {
        return "there are more tokens than are looked at";
    }
    struct token *token = &access->tokens[access->count];
    if (!slice_to_text(name, token->name, sizeof token->name)) {
        return "the name is longer than 31 bytes";
    }
    if (!next_word(&line, &scopes) || !read_scopes(scopes, &token->scopes)) {
        return "after the name come submit, read, cancel, admin or all, with commas between";
    }
    if (!next_word(&line, &digest) || !read_digest(digest, token->digest)) {
        return "the third word is the token's SHA-256: 64 hexadecimal digits";
    }
    if (next_word(&line, &more)) {
        return "there is a fourth word";
    }
    access->count++;
    return NULL;
}

static err_t
read_file(FILE *file, struct access *access, char why[ACCESS_WHY_SIZE_MAX])
{
    struct stat facts;
    char text[LINE_SIZE_MAX];
    if (fstat(fileno(file), &facts) != 0) {
        return err_from_errno(errno);
    }
    if ((facts.st_mode & S_IWOTH) != 0) {
        snprintf(why, ACCESS_WHY_SIZE_MAX, "others may write it: they could let anybody in");
        return ERR_PERMISSION;
    }
    for (unsigned number = 1; fgets(text, sizeof text, file) != NULL; number++) {
        size_t size = strcspn(text, "\r\n");
        bool is_whole = text[size] != '\0' || feof(file);
        const char *wrong =
            is_whole ? read_line(access, (struct slice){ text, size }) : "the line is too long";
        if (wrong != NULL) {
            snprintf(why, ACCESS_WHY_SIZE_MAX, "line %u: %s", number, wrong);
            return ERR_INVALID;
        }
    }
    if (ferror(file)) {
        return ERR_IO;
    }
    if (access->count == 0) {
        snprintf(why, ACCESS_WHY_SIZE_MAX, "there is no token in it");
        return ERR_INVALID;
    }
    return ERR_OK;
}

err_t
access_load(const char *path, struct access **ret_access, char why[ACCESS_WHY_SIZE_MAX])
{
    snprintf(why, ACCESS_WHY_SIZE_MAX, "it cannot be read");
    struct access *access = calloc(1, sizeof *access);
    if (access == NULL) {
        return ERR_NO_MEMORY;
    }
    FILE *file = fopen(path, "re");
    err_t err = file != NULL ? read_file(file, access, why) : err_from_errno(errno);
    if (file != NULL) {
        fclose(file);
    }
    if (err != ERR_OK) {
        access_free(access);
        return err;
    }
    *ret_access = access;
    return ERR_OK;
}

void
access_free(struct access *access)
{
    free(access);
}

uint32_t
access_count(const struct access *access)
{
    return access->count;
}

/* ---- looking -------------------------------------------------------------------------- */

enum access_verdict
access_look(const struct access *access, struct slice authorization, enum access_scope scope,
    const char **ret_name)
{
    static const struct slice scheme = { "Bearer ", 7 };
    bool is_bearer =
        authorization.size > scheme.size &&
        slice_equal_nocase((struct slice){ authorization.at, scheme.size }, scheme);
    if (!is_bearer) {
        return ACCESS_UNKNOWN;
    }
    struct slice shown = slice_trim(
        (struct slice){ authorization.at + scheme.size, authorization.size - scheme.size });
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(shown.at, shown.size, digest);
    const struct token *found = NULL;
    for (uint32_t i = 0; i < access->count; i++) { /* X1: all of them */
        if (crypto_equal(access->tokens[i].digest, digest, sizeof digest)) {
            found = &access->tokens[i];
        }
    }
    if (found == NULL) {
        return ACCESS_UNKNOWN;
    }
    *ret_name = found->name;
    return (found->scopes & (unsigned) scope) != 0 ? ACCESS_GRANTED : ACCESS_FORBIDDEN;
}

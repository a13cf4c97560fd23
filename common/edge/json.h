/* SPDX-License-Identifier: MIT
 *
 * common/edge/json.h - read JSON from strangers, and print it for people.
 *
 * The only file that knows jansson.h is json.c.  Strict: one value and nothing after it,
 * UTF-8, no duplicate keys, no NUL in a string, at most JSON_DEPTH_MAX deep.
 *
 *     struct json *job;
 *     char why[JSON_WHY_SIZE_MAX];
 *     if (json_parse(bytes, size, &job, why) == ERR_OK) {
 *         const char *state = json_text(json_get(job, "state"));      NULL: not a string
 *         json_free(job);
 *     }
 *
 * Getters take NULL and answer "not there", so that they nest; null counts as not there.
 *
 * OWNERSHIP  what a getter returns lives as long as the value that was parsed.
 * THREADS    any, one at a time for one value.
 * MEMORY     a value of n bytes takes a small multiple of n; the caller bounds n.
 */
#ifndef COMMON_EDGE_JSON_H
#define COMMON_EDGE_JSON_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX    16
#define JSON_WHY_SIZE_MAX 192

struct json;

/* why (or NULL) is filled on failure: what is wrong, and at which byte.
 * Errors: BAD_MESSAGE, NO_MEMORY. */
err_t
json_parse(const void *bytes, size_t size, struct json **ret_json, char *ret_why) MUST_USE;
void json_free(struct json *json);

enum json_kind {
    JSON_KIND_NONE, /* not there, or null */
    JSON_KIND_BOOL,
    JSON_KIND_NUMBER,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};
enum json_kind json_kind(const struct json *json);
/* NULL: no object, no such key, or null. */
const struct json *json_get(const struct json *object, const char *key);
/* Of an array, else 0. */
size_t json_count(const struct json *array);
const struct json *json_at(const struct json *array, size_t index);
/* The index-th key of an object in the order of the text; NULL behind the last.  O(index). */
const char *json_key_at(const struct json *object, size_t index);

/* NULL: no string. */
const char *json_text(const struct json *json);
/* false: no number (no integer, out of range; no boolean), and *ret is untouched. */
bool json_f64(const struct json *json, double *ret_number);
bool json_i64(const struct json *json, int64_t *ret_number);
bool json_bool(const struct json *json, bool *ret_bool);

/* malloc'd text; indent: spaces for each level, 0: on one line.  NULL without memory. */
char *json_dump(const struct json *json, unsigned indent);

#endif

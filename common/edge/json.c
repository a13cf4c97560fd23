/* SPDX-License-Identifier: MIT
 *
 * A struct json is jansson's json_t under another name: no value is copied.  jansson's own
 * depth limit (2048) is for deep stacks; ours is checked before it sees the bytes.
 */
#include "common/edge/json.h"

#include "common/pure/json_scan.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *
inner(const struct json *json)
{
    return (json_t *) (uintptr_t) json;
}

static const struct json *
outer(json_t *value)
{
    return value == NULL || json_is_null(value) ? NULL : (const struct json *) value;
}

err_t
json_parse(const void *bytes, size_t size, struct json **ret_json, char *ret_why)
{
    size_t at = 0;
    err_t scanned = json_scan((struct slice){ bytes, size }, JSON_DEPTH_MAX, &at);
    if (scanned == ERR_TOO_BIG) {
        if (ret_why != NULL) {
            snprintf(ret_why, JSON_WHY_SIZE_MAX, "nested deeper than %d", JSON_DEPTH_MAX);
        }
        return ERR_BAD_MESSAGE;
    }
    json_error_t error;
    json_t *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        if (ret_why != NULL) {
            snprintf(
                ret_why, JSON_WHY_SIZE_MAX, "%.150s, at byte %d", error.text, error.position);
        }
        return json_error_code(&error) == json_error_out_of_memory ? ERR_NO_MEMORY
                                                                   : ERR_BAD_MESSAGE;
    }
    if (scanned != ERR_OK) {
        /* jansson takes a zero byte for the end of the text. */
        json_decref(value);
        if (ret_why != NULL) {
            snprintf(ret_why, JSON_WHY_SIZE_MAX, "this is not JSON, at byte %zu", at);
        }
        return ERR_BAD_MESSAGE;
    }
    *ret_json = (struct json *) value;
    return ERR_OK;
}

void
json_free(struct json *json)
{
    json_decref(inner(json));
}

enum json_kind
json_kind(const struct json *json)
{
    if (json == NULL) {
        return JSON_KIND_NONE;
    }
    switch (json_typeof(inner(json))) {
    case JSON_OBJECT: return JSON_KIND_OBJECT;
    case JSON_ARRAY: return JSON_KIND_ARRAY;
    case JSON_STRING: return JSON_KIND_TEXT;
    case JSON_INTEGER: return JSON_KIND_NUMBER;
    case JSON_REAL: return JSON_KIND_NUMBER;
    case JSON_TRUE: return JSON_KIND_BOOL;
    case JSON_FALSE: return JSON_KIND_BOOL;
    case JSON_NULL: return JSON_KIND_NONE;
    }
    CHECK_UNREACHABLE();
}

const struct json *
json_get(const struct json *object, const char *key)
{
    return object != NULL ? outer(json_object_get(inner(object), key)) : NULL;
}

size_t
json_count(const struct json *array)
{
    return array != NULL ? json_array_size(inner(array)) : 0;
}

const struct json *
json_at(const struct json *array, size_t index)
{
    return array != NULL ? outer(json_array_get(inner(array), index)) : NULL;
}

const char *
json_key_at(const struct json *object, size_t index)
{
    if (object == NULL) {
        return NULL;
    }
    void *each = json_object_iter(inner(object));
    for (size_t i = 0; each != NULL && i < index; i++) {
        each = json_object_iter_next(inner(object), each);
    }
    return each != NULL ? json_object_iter_key(each) : NULL;
}

const char *
json_text(const struct json *json)
{
    return json != NULL ? json_string_value(inner(json)) : NULL;
}

bool
json_f64(const struct json *json, double *ret_number)
{
    if (json_kind(json) != JSON_KIND_NUMBER) {
        return false;
    }
    *ret_number = json_number_value(inner(json));
    return true;
}

bool
json_i64(const struct json *json, int64_t *ret_number)
{
    if (json == NULL || !json_is_integer(inner(json))) {
        return false;
    }
    *ret_number = json_integer_value(inner(json));
    return true;
}

bool
json_bool(const struct json *json, bool *ret_bool)
{
    if (json_kind(json) != JSON_KIND_BOOL) {
        return false;
    }
    *ret_bool = json_boolean_value(inner(json));
    return true;
}

char *
json_dump(const struct json *json, unsigned indent)
{
    if (json == NULL) {
        return NULL;
    }
    size_t flags = indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT;
    return json_dumps(inner(json), flags | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

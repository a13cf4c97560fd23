/* SPDX-License-Identifier: MIT
 *
 * The JSON scanner beside jansson: what the scanner accepts jansson accepts too (but for a
 * key twice, a zero byte in a string, and numbers it cannot hold), and the reverse.
 */
#include "common/edge/json.h"
#include "common/pure/json_scan.h"

#include <stdlib.h>
#include <string.h>

static bool
jansson_may_refuse(const char *why)
{
    return strstr(why, "duplicate") != NULL || strstr(why, "\\u0000") != NULL ||
           strstr(why, "too big") != NULL || strstr(why, "overflow") != NULL ||
           strstr(why, "NUL byte") != NULL || strstr(why, "surrogate") != NULL ||
           strstr(why, "Unicode") != NULL;
}

static void
check_strings(struct slice text)
{
    struct slice value;
    if (!json_scan_member(text, SLICE("input"), &value)) {
        return;
    }
    CHECK(value.at >= text.at);
    CHECK(value.at + value.size <= text.at + text.size);
    char *string = malloc(value.size);
    CHECK(string != NULL);
    size_t string_size = 0;
    if (json_scan_string(value, string, &string_size) == ERR_OK) {
        CHECK(string_size + 2 <= value.size);
    }
    free(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *) data, size };
    size_t at = 0;
    err_t err = json_scan(text, JSON_DEPTH_MAX, &at);
    CHECK(at <= size);
    struct json *json = NULL;
    char why[JSON_WHY_SIZE_MAX] = "";
    err_t other = json_parse(data, size, &json, why);
    CHECK(other != ERR_OK || err == ERR_OK);
    CHECK(err != ERR_OK || other == ERR_OK || jansson_may_refuse(why));
    if (err == ERR_OK) {
        check_strings(text);
    }
    json_free(json);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "common/sys/settings_value.h"

#include "common/pure/duration.h"
#include "common/pure/size_text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct settings_row settings_rows[SETTINGS_ID_COUNT] = {
#define SETTINGS_ROW(                                                              \
    type_, field, key_, programs_, fallback_, least_, most_, words_, unit_, help_) \
    [SETTINGS_ID_##field] = { .type = SETTINGS_##type_,                            \
        .key = (key_),                                                             \
        .offset = offsetof(struct settings, field),                                \
        .programs = (programs_),                                                   \
        .fallback = (fallback_),                                                   \
        .least = (least_),                                                         \
        .most = (most_),                                                           \
        .words = (words_),                                                         \
        .unit = (unit_),                                                           \
        .help = (help_) },
    SETTINGS_LIST(SETTINGS_ROW)
#undef SETTINGS_ROW
};

/* Every number of a type as one that can be compared: bytes, ns, a count. */
union number {
    int64_t whole;
    double real;
};

static err_t
parse_u32(const char *text, int64_t *ret_number)
{
    if (!isdigit((unsigned char) text[0])) {
        return ERR_INVALID;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end != '\0') {
        return ERR_INVALID;
    }
    if (errno == ERANGE || number > UINT32_MAX) {
        return ERR_RANGE;
    }
    *ret_number = (int64_t) number;
    return ERR_OK;
}

static err_t
parse_double(const char *text, double *ret_number)
{
    if (!isdigit((unsigned char) text[0]) && text[0] != '.') {
        return ERR_INVALID;
    }
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number)) {
        return ERR_INVALID;
    }
    if (strcmp(end, "%") == 0) {
        number /= 100;
    } else if (*end != '\0') {
        return ERR_INVALID;
    }
    *ret_number = number;
    return ERR_OK;
}

static err_t
parse_size(const char *text, int64_t *ret_number)
{
    uint64_t size = 0;
    err_t err = size_text_parse(text, &size);
    *ret_number = (int64_t) size;
    return err;
}

static err_t
parse_number(enum settings_type type, const char *text, union number *ret_number)
{
    duration_t duration = DURATION_ZERO;
    err_t err = ERR_INVALID;
    switch (type) {
    case SETTINGS_U32: return parse_u32(text, &ret_number->whole);
    case SETTINGS_SIZE: return parse_size(text, &ret_number->whole);
    case SETTINGS_DOUBLE: return parse_double(text, &ret_number->real);
    case SETTINGS_DURATION:
        err = duration_parse(text, strlen(text), &duration, NULL);
        ret_number->whole = duration.ns;
        return err;
    case SETTINGS_STRING:
    case SETTINGS_FILE:
    case SETTINGS_BOOL:
    case SETTINGS_ENUM:
    case SETTINGS_STALL: break;
    }
    return err;
}

static bool
is_less(enum settings_type type, union number a, union number b)
{
    return type == SETTINGS_DOUBLE ? a.real < b.real : a.whole < b.whole;
}

static const char *
type_example(enum settings_type type)
{
    switch (type) {
    case SETTINGS_U32: return "a whole number";
    case SETTINGS_SIZE: return "a size (such as 512KiB or 4MiB)";
    case SETTINGS_DURATION: return "a duration (such as 250ms, 30s or 1h)";
    case SETTINGS_DOUBLE: return "a number (such as 0.05 or 5%)";
    case SETTINGS_BOOL: return "true or false";
    case SETTINGS_STALL: return "SHARE:DURATION (such as 5%:300ms)";
    case SETTINGS_STRING:
    case SETTINGS_FILE:
    case SETTINGS_ENUM: break;
    }
    return "a text";
}

/* The place of text in a comma-separated list; -1 when it is not there. */
static int
word_index(const char *words, const char *text)
{
    size_t text_size = strlen(text);
    int index = 0;
    while (*words != '\0') {
        size_t size = strcspn(words, ",");
        if (size == text_size && strncasecmp(words, text, size) == 0) {
            return index;
        }
        words += size + (words[size] == ',' ? 1 : 0);
        index++;
    }
    return -1;
}

static void
store_number(const struct settings_row *row, union number number, void *field)
{
    if (row->type == SETTINGS_DURATION) {
        *(duration_t *) field = duration_ns(number.whole);
    } else if (row->type == SETTINGS_DOUBLE) {
        *(double *) field = number.real;
    } else if (row->type == SETTINGS_SIZE) {
        *(uint64_t *) field = (uint64_t) number.whole;
    } else {
        *(uint32_t *) field = (uint32_t) number.whole;
    }
}

static bool
set_number(const struct settings_row *row, const char *text, void *field, char *problem)
{
    int word = word_index(row->words, text);
    if (word >= 0) {
        store_number(row,
            (union number){ .whole = row->type == SETTINGS_DURATION ? -1 - word : 0 }, field);
        return true;
    }
    union number number = { 0 };
    union number least = { 0 };
    union number most = { 0 };
    err_t err = parse_number(row->type, text, &number);
    if (err == ERR_OK) {
        CHECK(parse_number(row->type, row->least, &least) == ERR_OK);
        CHECK(parse_number(row->type, row->most, &most) == ERR_OK);
        if (!is_less(row->type, number, least) && !is_less(row->type, most, number)) {
            store_number(row, number, field);
            return true;
        }
        err = ERR_RANGE;
    }
    char range[128];
    settings_value_range(row, range, sizeof range);
    if (err == ERR_RANGE) {
        snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "'%.60s' is out of range: %s%s%s", text,
            range, row->unit[0] != '\0' ? " " : "", row->unit);
    } else {
        snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "'%.60s' is not %s, allowed: %s%s%s", text,
            type_example(row->type), range, row->unit[0] != '\0' ? " " : "", row->unit);
    }
    return false;
}

static bool
set_string(const struct settings_row *row, const char *text, void *field, char *problem)
{
    for (const char *letter = text; *letter != '\0'; letter++) {
        if ((unsigned char) *letter < 0x20 || *letter == 0x7f) {
            snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "has a control character (0x%02x)",
                (unsigned char) *letter);
            return false;
        }
    }
    int64_t size_max = SETTINGS_VALUE_SIZE_MAX;
    if (row->most[0] != '\0') {
        CHECK(parse_u32(row->most, &size_max) == ERR_OK);
    }
    if (strlen(text) > (size_t) size_max) {
        snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "is longer than %lld bytes",
            (long long) size_max);
        return false;
    }
    *(const char **) field = text;
    return true;
}

static bool
set_bool(const char *text, void *field, char *problem)
{
    int word = word_index("false,true,no,yes,off,on,0,1", text);
    if (word < 0) {
        snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "'%.60s' is neither true nor false", text);
        return false;
    }
    *(bool *) field = word % 2 == 1;
    return true;
}

static bool
set_enum(const struct settings_row *row, const char *text, void *field, char *problem)
{
    int word = word_index(row->words, text);
    if (word < 0) {
        char range[128];
        settings_value_range(row, range, sizeof range);
        snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "'%.60s' is not one of %s", text, range);
        return false;
    }
    *(uint32_t *) field = (uint32_t) word;
    return true;
}

static bool
set_stall(const char *text, void *field, char *problem)
{
    struct settings_stall stall = { .share = 0 };
    char share[32] = "";
    const char *colon = strchr(text, ':');
    bool ok = text[0] == '\0';
    if (colon != NULL && (size_t) (colon - text) < sizeof share) {
        memcpy(share, text, (size_t) (colon - text));
        ok = parse_double(share, &stall.share) == ERR_OK && stall.share <= 1 &&
             duration_parse(colon + 1, strlen(colon + 1), &stall.pause, NULL) == ERR_OK;
    }
    if (!ok) {
        snprintf(problem, SETTINGS_PROBLEM_SIZE_MAX, "'%.60s' is not %s", text,
            type_example(SETTINGS_STALL));
        return false;
    }
    *(struct settings_stall *) field = stall;
    return true;
}

bool
settings_value_set(const struct settings_row *row, const char *text, struct settings *settings,
    char problem[SETTINGS_PROBLEM_SIZE_MAX])
{
    void *field = (char *) settings + row->offset;
    switch (row->type) {
    case SETTINGS_STRING:
    case SETTINGS_FILE: return set_string(row, text, field, problem);
    case SETTINGS_U32:
    case SETTINGS_SIZE:
    case SETTINGS_DURATION:
    case SETTINGS_DOUBLE: return set_number(row, text, field, problem);
    case SETTINGS_BOOL: return set_bool(text, field, problem);
    case SETTINGS_ENUM: return set_enum(row, text, field, problem);
    case SETTINGS_STALL: return set_stall(text, field, problem);
    }
    CHECK_UNREACHABLE();
}

void
settings_value_range(const struct settings_row *row, char *text, size_t text_size)
{
    char words[64];
    snprintf(words, sizeof words, "%s", row->words);
    for (char *letter = words; *letter != '\0'; letter++) {
        *letter = *letter == ',' ? '|' : *letter;
    }
    const char *bar = words[0] != '\0' && row->least[0] != '\0' ? "|" : "";
    const char *dots = row->least[0] != '\0' ? ".." : "";
    switch (row->type) {
    case SETTINGS_BOOL: snprintf(text, text_size, "true|false"); break;
    case SETTINGS_STALL: snprintf(text, text_size, "SHARE:DURATION"); break;
    case SETTINGS_FILE: snprintf(text, text_size, "FILE"); break;
    case SETTINGS_STRING: snprintf(text, text_size, "TEXT"); break;
    case SETTINGS_U32:
    case SETTINGS_SIZE:
    case SETTINGS_DURATION:
    case SETTINGS_DOUBLE:
    case SETTINGS_ENUM:
        snprintf(text, text_size, "%s%s%s%s%s", words, bar, row->least, dots,
            row->least[0] != '\0' ? row->most : "");
        break;
    }
}

void
settings_value_flag(const char *key, char *text, size_t text_size)
{
    snprintf(text, text_size, "%s", key);
    for (char *letter = text; *letter != '\0'; letter++) {
        *letter = *letter == '.' || *letter == '_' ? '-' : *letter;
    }
}

void
settings_value_variable(const char *key, char *text, size_t text_size)
{
    snprintf(text, text_size, "HEDGEROW_%s", key);
    for (char *letter = text; *letter != '\0'; letter++) {
        *letter = *letter == '.' ? '_' : (char) toupper((unsigned char) *letter);
    }
}

/* SPDX-License-Identifier: MIT */
#include "common/pure/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNITS_COUNT 6

/* Index 2 is what a plain number counts. */
static const struct unit {
    const char *name;
    int64_t ns;
} units[UNITS_COUNT] = {
    { "h", 3600 * INT64_C(1000000000) },
    { "m", 60 * INT64_C(1000000000) },
    { "s", INT64_C(1000000000) },
    { "ms", 1000000 },
    { "us", 1000 },
    { "ns", 1 },
};
#define UNIT_SECONDS 2

struct cursor {
    const char *next;
    const char *end;
};

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal as whole and billionths; false when it has no digit, or too many. */
static bool
take_number(struct cursor *cursor, int64_t *ret_whole, int64_t *ret_billionths)
{
    int64_t whole = 0;
    int64_t billionths = 0;
    int digits_count = 0;
    for (; cursor->next < cursor->end && is_digit(*cursor->next); cursor->next++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *cursor->next - '0', &whole)) {
            return false;
        }
        digits_count++;
    }
    if (cursor->next < cursor->end && *cursor->next == '.') {
        cursor->next++;
        int64_t place = 100000000;
        for (; cursor->next < cursor->end && is_digit(*cursor->next); cursor->next++) {
            if (place == 0) {
                return false;
            }
            billionths += (*cursor->next - '0') * place;
            place /= 10;
            digits_count++;
        }
    }
    *ret_whole = whole;
    *ret_billionths = billionths;
    return digits_count > 0;
}

/* The index of the unit that stands next; UNITS_COUNT when it is none. */
static int
take_unit(struct cursor *cursor)
{
    const char *start = cursor->next;
    while (cursor->next < cursor->end && *cursor->next >= 'a' && *cursor->next <= 'z') {
        cursor->next++;
    }
    size_t size = (size_t) (cursor->next - start);
    for (int i = 0; i < UNITS_COUNT; i++) {
        if (strlen(units[i].name) == size && memcmp(units[i].name, start, size) == 0) {
            return i;
        }
    }
    return UNITS_COUNT;
}

/* sum += (whole + billionths / 10^9) × unit; parts of a nanosecond are cut. */
static bool
add_scaled(int64_t *sum, int64_t whole, int64_t billionths, int64_t unit_ns)
{
    __int128 ns = (__int128) whole * unit_ns + (__int128) billionths * unit_ns / 1000000000;
    ns += *sum;
    if (ns >= INT64_MAX) {
        return false; /* INT64_MAX itself is "forever" */
    }
    *sum = (int64_t) ns;
    return true;
}

static err_t
fail(const char **ret_why, err_t err, const char *why)
{
    if (ret_why != NULL) {
        *ret_why = why;
    }
    return err;
}

err_t
duration_parse(const char *text, size_t size, duration_t *ret_duration, const char **ret_why)
{
    struct cursor cursor = { .next = text, .end = text + size };
    if (size == 0) {
        return fail(ret_why, ERR_INVALID, "is empty; write 300ms, 2.5s or 1m30s");
    }
    if (*text == '-') {
        return fail(ret_why, ERR_INVALID, "is negative; write 300ms, 2.5s or 1m30s");
    }
    int64_t sum = 0;
    int last_unit = -1;
    while (cursor.next < cursor.end) {
        int64_t whole;
        int64_t billionths;
        if (!take_number(&cursor, &whole, &billionths)) {
            return fail(ret_why, ERR_INVALID, "is no duration; write 300ms, 2.5s or 1m30s");
        }
        bool is_plain = cursor.next == cursor.end && last_unit < 0;
        int unit = is_plain ? UNIT_SECONDS : take_unit(&cursor);
        if (unit == UNITS_COUNT) {
            return fail(ret_why, ERR_INVALID, "has no known unit; use h, m, s, ms, us or ns");
        }
        if (unit <= last_unit) {
            return fail(ret_why, ERR_INVALID, "must go from large units to small: 1m30s");
        }
        last_unit = unit;
        if (!add_scaled(&sum, whole, billionths, units[unit].ns)) {
            return fail(ret_why, ERR_RANGE, "is too long");
        }
    }
    *ret_duration = duration_ns(sum);
    return ERR_OK;
}

/* Of two spellings that mean the same, 1.5s is easier on the eye than 1s500ms. */
static const char *
seconds_to_text(int64_t ns, char text[DURATION_TEXT_SIZE], int at)
{
    int unit = UNIT_SECONDS;
    while (unit < UNITS_COUNT - 1 && ns < units[unit].ns) {
        unit++;
    }
    int64_t fraction = ns % units[unit].ns;
    int digits_count = 9 - 3 * (unit - UNIT_SECONDS);
    while (digits_count > 0 && fraction % 10 == 0) {
        fraction /= 10;
        digits_count--;
    }
    size_t room = (size_t) (DURATION_TEXT_SIZE - at);
    if (fraction > 0) {
        snprintf(text + at, room, "%" PRId64 ".%0*" PRId64 "%s", ns / units[unit].ns,
            digits_count, fraction, units[unit].name);
    } else {
        snprintf(text + at, room, "%" PRId64 "%s", ns / units[unit].ns, units[unit].name);
    }
    return text;
}

const char *
duration_to_text(duration_t duration, char text[DURATION_TEXT_SIZE])
{
    CHECK(duration.ns >= 0);

    int at = 0;
    int64_t ns = duration.ns;
    for (int unit = 0; unit < UNIT_SECONDS; unit++) {
        if (ns >= units[unit].ns) {
            at += snprintf(text + at, (size_t) (DURATION_TEXT_SIZE - at), "%" PRId64 "%s",
                ns / units[unit].ns, units[unit].name);
            ns %= units[unit].ns;
        }
    }
    if (ns == 0) {
        return at > 0 ? text : memcpy(text, "0s", sizeof "0s");
    }
    return seconds_to_text(ns, text, at);
}

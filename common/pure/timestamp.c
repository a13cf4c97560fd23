/* SPDX-License-Identifier: MIT */
#include "common/pure/timestamp.h"

#include <stdbool.h>

struct scanner {
    struct slice rest;
    bool is_bad;
};

static char
peek(const struct scanner *scanner)
{
    return scanner->rest.size > 0 ? scanner->rest.at[0] : '\0';
}

static char
next(struct scanner *scanner)
{
    char c = peek(scanner);
    if (scanner->rest.size == 0) {
        scanner->is_bad = true;
        return '\0';
    }
    scanner->rest.at++;
    scanner->rest.size--;
    return c;
}

static void
want(struct scanner *scanner, char upper)
{
    char c = next(scanner);
    scanner->is_bad = scanner->is_bad || (c != upper && slice_lower(upper) != c);
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static unsigned
number(struct scanner *scanner, unsigned digits_count, unsigned least, unsigned most)
{
    unsigned value = 0;
    for (unsigned i = 0; i < digits_count; i++) {
        char c = next(scanner);
        scanner->is_bad = scanner->is_bad || !is_digit(c);
        value = value * 10 + (unsigned) (c - '0');
    }
    scanner->is_bad = scanner->is_bad || value < least || value > most;
    return scanner->is_bad ? least : value;
}

static unsigned
days_of(unsigned year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap ? 1u : 0u);
}

/* Days from 1970-01-01; years begin in March, so that the leap day is the last. */
static int64_t
days_from_civil(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t) year - (month <= 2);
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t) month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t
fraction_ms(struct scanner *scanner)
{
    if (peek(scanner) != '.') {
        return 0;
    }
    (void) next(scanner);
    int64_t ms = 0;
    int64_t worth = 100;
    scanner->is_bad = scanner->is_bad || !is_digit(peek(scanner));
    while (is_digit(peek(scanner))) {
        ms += (next(scanner) - '0') * worth;
        worth /= 10;
    }
    return ms;
}

/* Minutes that local time is before UTC. */
static int64_t
offset_minutes(struct scanner *scanner)
{
    char sign = next(scanner);
    if (sign == 'Z' || sign == 'z') {
        return 0;
    }
    scanner->is_bad = scanner->is_bad || (sign != '+' && sign != '-');
    int64_t hours = number(scanner, 2, 0, 23);
    want(scanner, ':');
    int64_t minutes = hours * 60 + number(scanner, 2, 0, 59);
    return sign == '+' ? -minutes : minutes;
}

err_t
timestamp_parse(struct slice text, uint64_t *ret_unix_ms)
{
    struct scanner scanner = { .rest = text };
    unsigned year = number(&scanner, 4, 1970, 9999);
    want(&scanner, '-');
    unsigned month = number(&scanner, 2, 1, 12);
    want(&scanner, '-');
    unsigned day = number(&scanner, 2, 1, days_of(year, month));
    want(&scanner, 'T');
    int64_t minutes = number(&scanner, 2, 0, 23) * 60;
    want(&scanner, ':');
    minutes += number(&scanner, 2, 0, 59);
    want(&scanner, ':');
    int64_t seconds = number(&scanner, 2, 0, 60);
    int64_t ms = fraction_ms(&scanner);
    minutes += offset_minutes(&scanner) + days_from_civil(year, month, day) * 1440;
    ms += (minutes * 60 + seconds) * 1000;
    if (scanner.is_bad || scanner.rest.size > 0 || ms < 0) {
        return ERR_INVALID;
    }
    *ret_unix_ms = (uint64_t) ms;
    return ERR_OK;
}

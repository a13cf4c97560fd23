/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/record.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLES_MIN 50

static void take_line(struct record *record, const char *line);
static bool find_number(const char *line, const char *key, double *ret_number);
static bool find_text(const char *line, const char *key, const char *word);
static err_t finish(struct record *record);

err_t
record_read(struct record *record, FILE *stream)
{
    char line[RECORD_LINE_SIZE_MAX];
    *record = (struct record){ 0 };
    record->first = calloc(RECORD_SAMPLES_MAX, sizeof *record->first);
    record->later = calloc(RECORD_SAMPLES_MAX, sizeof *record->later);
    record->arrivals_ms = calloc(RECORD_SAMPLES_MAX, sizeof *record->arrivals_ms);
    record->gaps_ms = calloc(RECORD_SAMPLES_MAX, sizeof *record->gaps_ms);
    if (record->first == NULL || record->later == NULL || record->arrivals_ms == NULL ||
        record->gaps_ms == NULL) {
        record_fini(record);
        return ERR_NO_MEMORY;
    }
    while (fgets(line, sizeof line, stream) != NULL) {
        take_line(record, line);
    }
    err_t err = finish(record);
    if (err != ERR_OK) {
        record_fini(record);
    }
    return err;
}

void
record_fini(struct record *record)
{
    free(record->first);
    free(record->later);
    free(record->arrivals_ms);
    free(record->gaps_ms);
    *record = (struct record){ 0 };
}

double
record_rate(const struct record *record)
{
    double sum_ms = 0;
    for (uint32_t i = 0; i < record->played.gaps_count; i++) {
        sum_ms += record->gaps_ms[i];
    }
    return sum_ms > 0 ? 1e3 * record->played.gaps_count / sum_ms : 0;
}

/* ---- lines ---- */

/* What follows "key": in a flat line of our own; NULL: not there. */
static const char *
find_value(const char *line, const char *key)
{
    size_t key_size = strlen(key);
    for (const char *at = line; (at = strstr(at, key)) != NULL; at += key_size) {
        if (at > line && at[-1] == '"' && at[key_size] == '"' && at[key_size + 1] == ':') {
            return at + key_size + 2;
        }
    }
    return NULL;
}

static bool
find_number(const char *line, const char *key, double *ret_number)
{
    const char *text = find_value(line, key);
    char *end = NULL;
    if (text == NULL) {
        return false;
    }
    *ret_number = strtod(text, &end);
    return end != text && *ret_number >= 0 && *ret_number < 1e12;
}

static bool
find_text(const char *line, const char *key, const char *word)
{
    const char *text = find_value(line, key);
    size_t size = strlen(word);
    return text != NULL && text[0] == '"' && strncmp(text + 1, word, size) == 0 &&
           text[size + 1] == '"';
}

static void
take_line(struct record *record, const char *line)
{
    double arrived_ms;
    double took_ms;
    double queued_ms;
    double attempt;
    if (!find_number(line, "arrived_ms", &arrived_ms) ||
        !find_number(line, "took_ms", &took_ms) ||
        !find_number(line, "queued_ms", &queued_ms) ||
        !find_number(line, "attempt", &attempt)) {
        record->bad_lines_count++;
        return;
    }
    if (attempt == 1 && record->arrivals_count < RECORD_SAMPLES_MAX) {
        record->arrivals_ms[record->arrivals_count++] = arrived_ms;
    }
    if (find_text(line, "state", "BUSY") || find_text(line, "state", "EXPIRED")) {
        return; /* it never ran */
    }
    bool is_later = find_text(line, "kind", "hedge") || find_text(line, "kind", "race");
    const char *censored = find_value(line, "censored");
    bool is_censored = censored != NULL && strncmp(censored, "true", 4) == 0;
    struct record_span span = { .ms = took_ms > queued_ms ? took_ms - queued_ms : 0,
        .is_done = !is_censored };
    record->censored_count += is_censored;
    if (is_later && record->later_count < RECORD_SAMPLES_MAX) {
        record->later[record->later_count++] = span;
    } else if (!is_later && record->first_count < RECORD_SAMPLES_MAX) {
        record->first[record->first_count++] = span;
    }
}

/* ---- laws ---- */

static int
compare_spans(const void *a, const void *b)
{
    const struct record_span *left = a;
    const struct record_span *right = b;
    return left->ms < right->ms ? -1 : left->ms > right->ms;
}

static int
compare_times(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;
    return left < right ? -1 : left > right;
}

void
record_fit(struct record_span *spans, uint32_t count, double ret_quantiles_ms[RECORD_QUANTILES])
{
    qsort(spans, count, sizeof *spans, compare_spans);
    double survival = 1;
    uint32_t filled = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!spans[i].is_done) {
            continue;
        }
        survival *= 1 - 1.0 / (count - i);
        /* The middle of each quantile's share. */
        while (filled < RECORD_QUANTILES &&
               (filled + 0.5) / RECORD_QUANTILES <= 1 - survival + 1e-12) {
            ret_quantiles_ms[filled++] = spans[i].ms;
        }
    }
    double longest_ms = count > 0 ? spans[count - 1].ms : 0;
    while (filled < RECORD_QUANTILES) {
        ret_quantiles_ms[filled++] = longest_ms;
    }
}

static uint32_t
done_count(const struct record_span *spans, uint32_t count)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < count; i++) {
        done += spans[i].is_done;
    }
    return done;
}

static err_t
finish(struct record *record)
{
    if (done_count(record->first, record->first_count) < SAMPLES_MIN ||
        record->arrivals_count < SAMPLES_MIN) {
        return ERR_INVALID;
    }
    record_fit(record->first, record->first_count, record->first_ms);
    bool has_later = done_count(record->later, record->later_count) >= RECORD_COPIES_MIN;
    if (has_later) {
        record_fit(record->later, record->later_count, record->later_ms);
    }
    /* They were recorded as they ended; the first and last that arrived are not all there. */
    qsort(record->arrivals_ms, record->arrivals_count, sizeof(double), compare_times);
    uint32_t edge = record->arrivals_count / 50;
    uint32_t gaps_count = 0;
    for (uint32_t i = edge; i + 1 < record->arrivals_count - edge; i++) {
        record->gaps_ms[gaps_count++] = record->arrivals_ms[i + 1] - record->arrivals_ms[i];
    }
    double sum_ms = 0;
    for (uint32_t i = 0; i < RECORD_QUANTILES; i++) {
        sum_ms += record->first_ms[i];
    }
    record->played = (struct tail_record){ .gaps_ms = record->gaps_ms,
        .gaps_count = gaps_count,
        .first_ms = record->first_ms,
        .later_ms = has_later ? record->later_ms : record->first_ms,
        .quantiles_count = RECORD_QUANTILES,
        .mean_ms = sum_ms / RECORD_QUANTILES };
    return ERR_OK;
}

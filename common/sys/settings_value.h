/* SPDX-License-Identifier: MIT
 *
 * common/sys/settings_value.h - one value of a known type: its text, its range, its field.
 *
 * Private to common/sys/settings*.c.
 */
#ifndef COMMON_SYS_SETTINGS_VALUE_H
#define COMMON_SYS_SETTINGS_VALUE_H

#include "common/sys/settings.h"

enum settings_type {
    SETTINGS_STRING,
    SETTINGS_FILE,
    SETTINGS_U32,
    SETTINGS_SIZE,
    SETTINGS_DURATION,
    SETTINGS_DOUBLE,
    SETTINGS_BOOL,
    SETTINGS_ENUM,
    SETTINGS_STALL
};

struct settings_row {
    enum settings_type type;
    const char *key;
    size_t offset; /* of the field in struct settings */
    unsigned programs;
    const char *fallback;
    const char *least;
    const char *most;
    const char *words;
    const char *unit;
    const char *help;
};

extern const struct settings_row settings_rows[SETTINGS_ID_COUNT];

/* Check text against the row and store it.  A string's text must outlive the settings.
 * false: problem says what is wrong, as the end of a sentence about the origin. */
bool settings_value_set(const struct settings_row *row, const char *text,
    struct settings *settings, char problem[SETTINGS_PROBLEM_SIZE_MAX]);
/* What may stand there, for --help: "1ms..24h", "auto|off|0s..1h", "debug|info|warn|error". */
void settings_value_range(const struct settings_row *row, char *text, size_t text_size);
/* "jobs.timeout" to "jobs-timeout" (flag) and "HEDGEROW_JOBS_TIMEOUT" (environment). */
void settings_value_flag(const char *key, char *text, size_t text_size);
void settings_value_variable(const char *key, char *text, size_t text_size);

#endif

/* SPDX-License-Identifier: MIT */
#include "common/sys/log.h"

#include "common/sys/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *component;
    enum log_level level;
    enum log_format format;
} log_state = { .component = "hedgerow", .level = LOG_INFO, .format = LOG_LOGFMT };

struct line {
    char bytes[LOG_LINE_SIZE_MAX];
    size_t size;
};

void
log_init(const char *component, enum log_level level, enum log_format format)
{
    log_state.component = component;
    log_state.level = level;
    log_state.format = format;
}

static void
line_char(struct line *line, char byte)
{
    if (line->size < sizeof line->bytes - 2) { /* room for the closing brace and newline */
        line->bytes[line->size++] = byte;
    }
}

static void
line_raw(struct line *line, const char *text)
{
    for (; *text != '\0'; text++) {
        line_char(line, *text);
    }
}

/* JSON's escapes serve logfmt too. */
static void
line_quoted(struct line *line, const char *text)
{
    line_char(line, '"');
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char) *text;
        if (byte == '"' || byte == '\\') {
            line_char(line, '\\');
            line_char(line, (char) byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            line_raw(line, escape);
        } else {
            line_char(line, (char) byte);
        }
    }
    line_char(line, '"');
}

static bool
is_plain(const char *text)
{
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char) *text;
        if (byte <= 0x20 || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7f) {
            return false;
        }
    }
    return true;
}

static void
line_field(struct line *line, const struct log_field *field)
{
    if (log_state.format == LOG_JSON) {
        if (line->size > 1) {
            line_char(line, ',');
        }
        line_quoted(line, field->key);
        line_char(line, ':');
    } else {
        if (line->size > 0) {
            line_char(line, ' ');
        }
        line_raw(line, field->key);
        line_char(line, '=');
    }
    if (field->text == NULL) {
        char number[24];
        snprintf(number, sizeof number, "%" PRId64, field->number);
        line_raw(line, number);
    } else if (log_state.format == LOG_LOGFMT && is_plain(field->text)) {
        line_raw(line, field->text);
    } else {
        line_quoted(line, field->text);
    }
}

static void
timestamp(char text[32])
{
    uint64_t unix_ms = clock_unix_ms();
    time_t seconds = (time_t) (unix_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char day[24];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, 32, "%s.%03uZ", day, (unsigned) (unix_ms % 1000));
}

void
log_write(enum log_level level, const char *message, const struct log_field *fields,
    size_t fields_count)
{
    static const char *const level_names[] = { "debug", "info", "warn", "error" };
    if (level < log_state.level) {
        return;
    }
    struct line line = { .size = 0 };
    char when[32];
    timestamp(when);
    if (log_state.format == LOG_JSON) {
        line_char(&line, '{');
    }
    line_field(&line, &LOG_STR("ts", when));
    line_field(&line, &LOG_STR("level", level_names[level]));
    line_field(&line, &LOG_STR("component", log_state.component));
    line_field(&line, &LOG_STR("msg", message));
    for (size_t i = 0; i < fields_count; i++) {
        line_field(&line, &fields[i]);
    }
    if (log_state.format == LOG_JSON) {
        line.bytes[line.size++] = '}';
    }
    line.bytes[line.size++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.bytes, line.size);
    (void) written; /* nobody is left to tell */
}

bool
log_level_from_text(const char *text, enum log_level *ret_level)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_level = (enum log_level) i;
            return true;
        }
    }
    return false;
}

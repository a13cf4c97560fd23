/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/out.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_LINE_SIZE_MAX 2048
#define OUT_MS_MAX        3.6e12 /* a million hours; also of what comes from strangers */

static struct {
    const char *command;
    bool is_quiet;
    bool is_color_off;
} out_state = { .command = "hedgerow" };

void
out_init(const char *command)
{
    out_state.command = command;
}

void
out_set_quiet(bool is_quiet)
{
    out_state.is_quiet = is_quiet;
}

void
out_set_color_off(void)
{
    out_state.is_color_off = true;
}

const char *
out_command(void)
{
    return out_state.command;
}

bool
out_stderr_is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

static bool
is_colored(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (out_state.is_color_off || (no_color != NULL && no_color[0] != '\0') || term == NULL ||
        strcmp(term, "dumb") == 0) {
        return false;
    }
    return isatty(fileno(stream)) == 1;
}

const char *
out_begin(FILE *stream, enum out_color color)
{
    static const char *const escapes[] = {
        [OUT_PLAIN] = "",
        [OUT_BOLD] = "\033[1m",
        [OUT_DIM] = "\033[2m",
        [OUT_RED] = "\033[31m",
        [OUT_GREEN] = "\033[32m",
        [OUT_YELLOW] = "\033[33m",
        [OUT_BLUE] = "\033[34m",
        [OUT_MAGENTA] = "\033[35m",
        [OUT_CYAN] = "\033[36m",
    };
    return is_colored(stream) ? escapes[color] : "";
}

const char *
out_end(FILE *stream)
{
    return is_colored(stream) ? "\033[0m" : "";
}

void
out_sanitize(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char) *text;
        if (byte < 0x20 || byte == 0x7f) {
            *text = '?';
        }
    }
}

/* One write, so that the lines of threads do not mix. */
static void line_print(const char *front, enum out_color color, const char *format,
    va_list arguments) __attribute__((format(printf, 3, 0)));

static void
line_print(const char *front, enum out_color color, const char *format, va_list arguments)
{
    char line[OUT_LINE_SIZE_MAX];
    char text[OUT_LINE_SIZE_MAX - 128];
    vsnprintf(text, sizeof text, format, arguments);
    out_sanitize(text);
    int size = snprintf(line, sizeof line, "%s%s%s%s\n", out_begin(stderr, color), front,
        out_end(stderr), text);
    if (size > 0) {
        fwrite(line, 1, (size_t) size < sizeof line ? (size_t) size : sizeof line - 1, stderr);
        fflush(stderr);
    }
}

void
out_error(const char *format, ...)
{
    char front[128];
    snprintf(front, sizeof front, "%s: ", out_state.command);
    va_list arguments;
    va_start(arguments, format);
    line_print(front, OUT_RED, format, arguments);
    va_end(arguments);
}

void
out_hint(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    line_print("  ", OUT_PLAIN, format, arguments);
    va_end(arguments);
}

void
out_note(const char *format, ...)
{
    if (out_state.is_quiet) {
        return;
    }
    char front[128];
    snprintf(front, sizeof front, "%s: ", out_state.command);
    va_list arguments;
    va_start(arguments, format);
    line_print(front, OUT_DIM, format, arguments);
    va_end(arguments);
}

bool
out_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void
out_ms_text(double ms, char text[OUT_NUMBER_SIZE_MAX])
{
    ms = ms > 0 ? ms : 0;
    ms = ms < OUT_MS_MAX ? ms : OUT_MS_MAX;
    if (ms > 0 && ms < 0.995) {
        snprintf(text, OUT_NUMBER_SIZE_MAX, "%.2f ms", ms);
    } else if (ms < 9.95) {
        snprintf(text, OUT_NUMBER_SIZE_MAX, "%.1f ms", ms);
    } else if (ms < 999.5) {
        snprintf(text, OUT_NUMBER_SIZE_MAX, "%.0f ms", ms);
    } else if (ms < 9995) {
        snprintf(text, OUT_NUMBER_SIZE_MAX, "%.2f s", ms / 1000);
    } else if (ms < 59950) {
        snprintf(text, OUT_NUMBER_SIZE_MAX, "%.1f s", ms / 1000);
    } else {
        uint64_t seconds = (uint64_t) (ms / 1000 + 0.5);
        uint64_t minutes = seconds / 60;
        if (minutes < 60) {
            snprintf(text, OUT_NUMBER_SIZE_MAX, "%um%02us", (unsigned) minutes,
                (unsigned) (seconds % 60));
        } else {
            snprintf(text, OUT_NUMBER_SIZE_MAX, "%uh%02um", (unsigned) (minutes / 60),
                (unsigned) (minutes % 60));
        }
    }
}

void
out_size_text(uint64_t size, char text[OUT_NUMBER_SIZE_MAX])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    if (size < 1024) {
        snprintf(text, OUT_NUMBER_SIZE_MAX, "%u B", (unsigned) size);
        return;
    }
    double scaled = (double) size / 1024;
    unsigned unit = 0;
    while (scaled >= 1023.95 && unit + 1 < ARRAY_COUNT(units)) {
        scaled /= 1024;
        unit++;
    }
    snprintf(text, OUT_NUMBER_SIZE_MAX, "%.1f %s", scaled, units[unit]);
}

/* ---- tables ---------------------------------------------------------------------------- */

/* Characters, for text in UTF-8: continuation bytes take no room. */
static unsigned
width_of(const char *text)
{
    unsigned width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char) *text & 0xc0) != 0x80;
    }
    return width;
}

void
out_table_init(struct out_table *table, const char *const *headers)
{
    *table = (struct out_table){ 0 };
    for (; headers[table->columns_count] != NULL; table->columns_count++) {
        CHECK(table->columns_count < OUT_COLUMNS_MAX);
        table->is_right[table->columns_count] = headers[table->columns_count][0] == '>';
    }
    for (unsigned i = 0; i < table->columns_count; i++) {
        out_table_add(table, "%s", headers[i] + (table->is_right[i] ? 1 : 0));
    }
}

void
out_table_fini(struct out_table *table)
{
    free(table->cells);
    table->cells = NULL;
}

void
out_table_add(struct out_table *table, const char *format, ...)
{
    if (table->cells_count == table->cells_room) {
        size_t room = table->cells_room > 0 ? table->cells_room * 2 : 64;
        void *cells = realloc(table->cells, room * OUT_CELL_SIZE_MAX);
        if (cells == NULL) {
            return; /* a table that ends early is all that is lost */
        }
        table->cells = cells;
        table->cells_room = room;
    }
    char *cell = table->cells[table->cells_count];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cell, OUT_CELL_SIZE_MAX, format, arguments);
    va_end(arguments);
    out_sanitize(cell);
    unsigned column = (unsigned) (table->cells_count % table->columns_count);
    unsigned width = width_of(cell);
    if (width > table->widths[column]) {
        table->widths[column] = width;
    }
    table->cells_count++;
}

void
out_table_print(const struct out_table *table, FILE *stream)
{
    for (size_t i = 0; i + table->columns_count <= table->cells_count;
         i += table->columns_count) {
        fputs(i == 0 ? out_begin(stream, OUT_DIM) : "", stream);
        for (unsigned column = 0; column < table->columns_count; column++) {
            const char *cell = table->cells[i + column];
            unsigned pad = table->widths[column] - width_of(cell);
            bool is_last = column + 1 == table->columns_count;
            if (table->is_right[column]) {
                fprintf(stream, "%*s%s", (int) pad, "", cell);
            } else {
                fprintf(stream, "%s%*s", cell, is_last ? 0 : (int) pad, "");
            }
            fputs(is_last ? "" : "  ", stream);
        }
        fputs(i == 0 ? out_end(stream) : "", stream);
        fputc('\n', stream);
    }
}

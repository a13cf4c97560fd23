/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/out.h - what people read: messages on stderr, tables on stdout.
 *
 * Colours only on a terminal, without NO_COLOR, TERM=dumb and --no-color.
 *
 * THREADS    messages: any (a line is one write); tables: one.
 * MEMORY     a table holds at most OUT_COLUMNS_MAX columns, its cells are copied.
 */
#ifndef COORDINATOR_CLI_OUT_H
#define COORDINATOR_CLI_OUT_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OUT_COLUMNS_MAX   12
#define OUT_CELL_SIZE_MAX 128

/* "hedgerow run": the front of every message. */
void out_init(const char *command);
void out_set_quiet(bool is_quiet);
void out_set_color_off(void);
const char *out_command(void);
bool out_stderr_is_terminal(void);

enum out_color {
    OUT_PLAIN,
    OUT_BOLD,
    OUT_DIM,
    OUT_RED,
    OUT_GREEN,
    OUT_YELLOW,
    OUT_BLUE,
    OUT_MAGENTA,
    OUT_CYAN
};
/* The escape to begin, or "" when the stream (stdout or stderr) is not coloured. */
const char *out_begin(FILE *stream, enum out_color color);
const char *out_end(FILE *stream);

/* hedgerow run: <what is wrong> */
void out_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "  <what to do next>", below an error. */
void out_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What is good to know; not with --quiet. */
void out_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True when the locale's characters are UTF-8: bars may be blocks. */
bool out_is_utf8(void);

/* Makes text from outside safe for a terminal: control characters become '?'. */
void out_sanitize(char *text);

/* "0.42 ms", "4.1 ms", "41 ms", "1.50 s", "2m05s": three digits are enough for people. */
#define OUT_NUMBER_SIZE_MAX 32
void out_ms_text(double ms, char text[OUT_NUMBER_SIZE_MAX]);
/* "812 B", "4.0 MiB". */
void out_size_text(uint64_t size, char text[OUT_NUMBER_SIZE_MAX]);

struct out_table {
    unsigned columns_count;
    unsigned widths[OUT_COLUMNS_MAX];
    bool is_right[OUT_COLUMNS_MAX];
    char (*cells)[OUT_CELL_SIZE_MAX];
    size_t cells_count;
    size_t cells_room;
};

/* Headers end with NULL; one that begins with '>' heads a right-aligned column. */
void out_table_init(struct out_table *table, const char *const *headers);
void out_table_fini(struct out_table *table);
/* Fills the next cell, row by row. */
void out_table_add(struct out_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void out_table_print(const struct out_table *table, FILE *stream);

#endif

/* SPDX-License-Identifier: MIT
 *
 * common/sys/settings.h - what a program was told to do: flag > environment > file > default.
 *
 *     static struct settings settings;
 *     int exit_code;
 *     if (!settings_start(&settings, &source, &exit_code)) {
 *         return exit_code;                 --help, --check-config, or a refusal on stderr
 *     }
 *     listen_on(settings.http_listen);
 *
 * The table of all settings is common/sys/settings_list.h: each is a field here by the same
 * words.  One key, three spellings:
 *
 *     jobs.timeout_max: 2h                in the YAML file (--config FILE, HEDGEROW_CONFIG)
 *     HEDGEROW_JOBS_TIMEOUT_MAX=2h        in the environment
 *     --jobs-timeout-max 2h               as a flag (also --jobs-timeout-max=2h)
 *
 * handlers.exec.NAME (a command, run by /bin/sh -c) is a map: HEDGEROW_HANDLERS_EXEC has
 * one NAME=COMMAND a line, --exec NAME=COMMAND may be repeated.  What the @words at the front
 * of a command mean is in worker/handlers/exec.h.
 *
 * Everything wrong is found in one go, each with its origin (file:line), its range and its
 * unit; unknown keys, flags and HEDGEROW_ variables are refused with the nearest name.  File
 * and environment may carry keys of the other binary, so that both can share them; a flag
 * must be the program's own.  A secret is never a value: only the name of its file is.
 *
 * INVARIANTS  S1  after settings_load() without a problem every field is within its range.
 *             S2  of two origins the stronger one holds, whatever the order of reading.
 * OWNERSHIP   all strings live in struct settings; it is large: make it static.
 * THREADS     written once, at start; read by any.
 * REJECTED    libcyaml: a flat typed table with three spellings, nearest names and line
 *             numbers would need a second schema in its terms.
 */
#ifndef COMMON_SYS_SETTINGS_H
#define COMMON_SYS_SETTINGS_H

#include "common/pure/err.h"
#include "common/pure/units.h"
#include "common/sys/settings_list.h"

#include <stdint.h>
#include <stdio.h>

#define SETTINGS_TEXT_SIZE_MAX    (64 * 1024) /* all values together */
#define SETTINGS_VALUE_SIZE_MAX   4096
#define SETTINGS_EXECS_MAX        32
#define SETTINGS_PROBLEMS_MAX     16
#define SETTINGS_PROBLEM_SIZE_MAX 320

/* Of hedge_delay, by its words. */
#define SETTINGS_DELAY_AUTO (-1)
#define SETTINGS_DELAY_OFF  (-2)

enum settings_log_format {
    SETTINGS_LOG_AUTO,
    SETTINGS_LOG_LOGFMT,
    SETTINGS_LOG_JSON
};

enum settings_id {
#define SETTINGS_ID(type, field, ...) SETTINGS_ID_##field,
    SETTINGS_LIST(SETTINGS_ID)
#undef SETTINGS_ID
    SETTINGS_ID_COUNT
};

enum settings_from {
    SETTINGS_FROM_DEFAULT,
    SETTINGS_FROM_FILE,
    SETTINGS_FROM_ENVIRONMENT,
    SETTINGS_FROM_FLAG
};

struct settings_origin {
    enum settings_from from;
    uint32_t line;    /* of the file */
    const char *text; /* the value as it was written */
};

/* A share of attempts that are stalled for so long; share 0: none. */
struct settings_stall {
    double share;
    duration_t pause;
};

struct settings_exec {
    const char *name;
    const char *command;
    struct settings_origin origin;
};

#define SETTINGS_TYPE_STRING   const char *
#define SETTINGS_TYPE_FILE     const char *
#define SETTINGS_TYPE_U32      uint32_t
#define SETTINGS_TYPE_SIZE     uint64_t
#define SETTINGS_TYPE_DURATION duration_t
#define SETTINGS_TYPE_DOUBLE   double
#define SETTINGS_TYPE_BOOL     bool
#define SETTINGS_TYPE_ENUM     uint32_t
#define SETTINGS_TYPE_STALL    struct settings_stall

struct settings {
#define SETTINGS_FIELD(type, field, ...) SETTINGS_TYPE_##type field;
    SETTINGS_LIST(SETTINGS_FIELD)
#undef SETTINGS_FIELD
    struct settings_exec execs[SETTINGS_EXECS_MAX];
    uint32_t execs_count;

    const char *config_file; /* "" for none */
    bool wants_help;
    bool wants_version;
    bool wants_check;
    bool wants_print;

    struct settings_origin origins[SETTINGS_ID_COUNT];
    char problems[SETTINGS_PROBLEMS_MAX][SETTINGS_PROBLEM_SIZE_MAX];
    uint32_t problems_count; /* also those that found no room above */
    char text[SETTINGS_TEXT_SIZE_MAX];
    uint32_t text_size;
};

/* One key of a configuration file: "jobs.timeout", "30s", line 12. */
typedef void settings_entry_fn(void *user, const char *key, const char *value, uint32_t line);
/* Reads a file and tells its entries in order (common/edge/yaml.h: yaml_read).  On failure
 * *ret_line (0: the file as a whole) and message say what is wrong. */
struct settings_file_error {
    uint32_t line;
    char message[160];
};
typedef err_t settings_read_fn(const char *path, settings_entry_fn *on_entry, void *user,
    struct settings_file_error *ret_error);

struct settings_source {
    unsigned program;  /* SETTINGS_C or SETTINGS_W; both: any key (for `hedgerow config`) */
    const char *name;  /* the binary's, for --help */
    const char *about; /* one sentence, for --help */
    int argc;
    char **argv;        /* argv[0] is not looked at; may be NULL with argc 0 */
    char **environment; /* "NAME=value"..., NULL at the end; may be NULL */
    settings_read_fn *read_file;
};

/* Fill in everything.  Errors: INVALID (problems[] say why; every field holds a value). */
err_t settings_load(struct settings *settings, const struct settings_source *source) MUST_USE;
/* settings_load, then what --help, --version, --check-config and --print-config ask for, on
 * stdout; problems on stderr.  true: run the program.  false: end it with *ret_exit_code. */
bool settings_start(struct settings *settings, const struct settings_source *source,
    int *ret_exit_code) MUST_USE;
/* log_init() as log.level and log.format say. */
void settings_log_init(const struct settings *settings, const char *component);

/* A valid configuration file of what holds; with_origin: and where each came from. */
void
settings_print(const struct settings *settings, unsigned program, bool with_origin, FILE *out);
void settings_help(const struct settings_source *source, FILE *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Settings for people: --help, and a configuration file of what holds.
 */
#include "common/sys/settings_value.h"

#include <string.h>

/* Plain where YAML reads it back as the same text, else in double quotes. */
static void
print_scalar(const char *text, FILE *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "./_-%";
    if (text[0] != '\0' && text[0] != '-' && text[0] != '%' &&
        strspn(text, plain) == strlen(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char letter = (unsigned char) *text;
        if (letter == '"' || letter == '\\') {
            fprintf(out, "\\%c", letter);
        } else if (letter < 0x20) {
            fprintf(out, "\\x%02x", letter);
        } else {
            fputc(letter, out);
        }
    }
    fputc('"', out);
}

static void
print_origin(const struct settings *settings, const struct settings_origin *origin,
    const char *variable, FILE *out)
{
    switch (origin->from) {
    case SETTINGS_FROM_DEFAULT: fputs("  # default", out); break;
    case SETTINGS_FROM_FILE:
        fprintf(out, "  # %s:%u", settings->config_file, origin->line);
        break;
    case SETTINGS_FROM_ENVIRONMENT: fprintf(out, "  # %s", variable); break;
    case SETTINGS_FROM_FLAG: fputs("  # flag", out); break;
    }
}

/* The key's last word, after the heading of its group where a new one begins. */
static const char *
print_group(const char *key, char *group, size_t group_size, FILE *out)
{
    const char *dot = strchr(key, '.');
    size_t size = dot != NULL ? (size_t) (dot - key) : 0;
    if (size != strlen(group) || strncmp(group, key, size) != 0) {
        snprintf(group, group_size, "%.*s", (int) size, key);
        if (size > 0) {
            fprintf(out, "%s:\n", group);
        }
    }
    return dot != NULL ? dot + 1 : key;
}

/* A group whose rows do not stand together gets its heading again, which reads back well. */
void
settings_print(const struct settings *settings, unsigned program, bool with_origin, FILE *out)
{
    char group[64] = "";
    for (size_t i = 0; i < SETTINGS_ID_COUNT; i++) {
        const struct settings_row *row = &settings_rows[i];
        if ((row->programs & program) == 0) {
            continue;
        }
        const char *word = print_group(row->key, group, sizeof group, out);
        fprintf(out, "%s%s: ", group[0] != '\0' ? "  " : "", word);
        print_scalar(settings->origins[i].text, out);
        if (with_origin) {
            char variable[96];
            settings_value_variable(row->key, variable, sizeof variable);
            print_origin(settings, &settings->origins[i], variable, out);
        }
        fputc('\n', out);
    }
    if ((program & SETTINGS_W) != 0 && settings->execs_count > 0) {
        fputs("handlers:\n  exec:\n", out);
        for (uint32_t i = 0; i < settings->execs_count; i++) {
            const struct settings_exec *exec = &settings->execs[i];
            fprintf(out, "    %s: ", exec->name);
            print_scalar(exec->command, out);
            if (with_origin) {
                print_origin(settings, &exec->origin, "HEDGEROW_HANDLERS_EXEC", out);
            }
            fputc('\n', out);
        }
    }
}

static void
help_row(const struct settings_row *row, FILE *out)
{
    char flag[96];
    char range[128];
    settings_value_flag(row->key, flag, sizeof flag);
    settings_value_range(row, range, sizeof range);
    fprintf(out, "  --%s=%s\n        %s", flag, range, row->help);
    if (row->fallback[0] != '\0') {
        fprintf(out, " (default %s%s%s)", row->fallback, row->unit[0] != '\0' ? " " : "",
            row->unit);
    }
    fputc('\n', out);
}

void
settings_help(const struct settings_source *source, FILE *out)
{
    fprintf(out, "usage: %s [--SETTING=VALUE]...\n\n%s\n\n", source->name, source->about);
    fputs(
        "A setting is taken from its flag, else from the environment (--jobs-timeout is\n"
        "HEDGEROW_JOBS_TIMEOUT), else from the YAML file (jobs: timeout:), else its default.\n"
        "\n",
        out);
    for (size_t i = 0; i < SETTINGS_ID_COUNT; i++) {
        if ((settings_rows[i].programs & source->program) != 0) {
            help_row(&settings_rows[i], out);
        }
    }
    if ((source->program & SETTINGS_W) != 0) {
        fputs("  --exec=NAME=COMMAND\n"
              "        offer a handler that runs a command: input on stdin, result on stdout;\n"
              "        @idempotent in front: it may run twice, so it is hedged; @cpu: one a "
              "core;\n"
              "        may be repeated (file: handlers: exec: NAME: COMMAND)\n",
            out);
    }
    fputs("\n"
          "  --config=FILE     read settings from this YAML file (HEDGEROW_CONFIG)\n"
          "  --check-config    say whether the settings are right, and end\n"
          "  --print-config    print the settings that hold and where each is from, and end\n"
          "  --help, --version\n",
        out);
}

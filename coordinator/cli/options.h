/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/options.h - what every subcommand's command line has in common.
 *
 * A subcommand has an argp of its own whose first child is options_argp, and a struct whose
 * first member is struct options.  Flags that argp does not know are refused here, before
 * argp sees them: its message has no suggestion.
 *
 * What is wrong on the command line ends the process with CLI_USAGE, from anywhere below
 * options_parse(): nothing has been started yet.
 */
#ifndef COORDINATOR_CLI_OPTIONS_H
#define COORDINATOR_CLI_OPTIONS_H

#include "common/pure/units.h"

#include <argp.h>
#include <stdbool.h>

enum output {
    OUTPUT_RAW, /* a result's bytes */
    OUTPUT_TABLE,
    OUTPUT_JSON,
    OUTPUT_JSONL,
    OUTPUT_ID,
    OUTPUT_NONE
};
#define OUTPUT_BIT(output) (1u << (output))

struct options {
    unsigned outputs; /* bits of what makes sense here; set before parsing */
    enum output output;
    const char *server;
    const char *token_file; /* NULL: none */
    bool is_quiet;
    bool is_verbose;
};

extern const struct argp options_argp;

/* The first child of every subcommand's argp. */
#define OPTIONS_CHILD                       \
    {                                       \
        &options_argp, 0, "Everywhere:", 90 \
    }

/* input begins with a struct options whose outputs and output are set; argv[0] is
 * "hedgerow NAME". */
void options_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Say what is wrong and where help is, and exit with CLI_USAGE. */
_Noreturn void options_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For a word that is none of a known list (ends with NULL): says the nearest. */
_Noreturn void
options_fail_choice(const char *what, const char *word, const char *const *known);

/* Values of flags, or exit. */
duration_t options_duration(const char *flag, const char *text);
unsigned options_count(const char *flag, const char *text, unsigned max);

#endif

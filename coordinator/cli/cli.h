/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/cli.h - the command `hedgerow`: one table of subcommands.
 *
 *     hedgerow run sha256 @file
 *              '-- cli_commands[] --> run_command(argc, argv) --> exit code
 *
 * stdout is data, stderr is messages.  A message says what is wrong, and then what to do
 * next.  Nothing moves when nobody watches (not a terminal), nothing is coloured under
 * NO_COLOR.  What ended badly has a number of its own:
 *
 * REJECTED  prefixes of commands ("hedgerow ru"): a new command would break scripts.
 */
#ifndef COORDINATOR_CLI_CLI_H
#define COORDINATOR_CLI_CLI_H

#include "common/pure/err.h"
#include "coordinator/client/hedgerow.h"

#include <stdbool.h>

/* X(word, number, sentence): the numbers are a promise to scripts. */
#define CLI_EXIT_LIST(X)                                                      \
    X(DONE, 0, "the job succeeded; the command did what it says")             \
    X(FAILED, 1, "the job failed: its handler said so")                       \
    X(USAGE, 2, "the command line or the input is not valid")                 \
    X(NOT_FOUND, 3, "no such job or handler")                                 \
    X(DENIED, 4, "not allowed")                                               \
    X(CANCELLED, 5, "somebody cancelled the job")                             \
    X(UNAVAILABLE, 6, "no coordinator answers, or no worker has the handler") \
    X(OVERLOADED, 7, "refused: the service has too much to do")               \
    X(DEADLINE, 124, "time ran out (--timeout, or the service's default)")    \
    X(INTERRUPTED, 130, "interrupted (Ctrl-C); the job was cancelled")

enum cli_exit {
#define CLI_EXIT_ENUM(word, number, sentence) CLI_##word = (number),
    CLI_EXIT_LIST(CLI_EXIT_ENUM)
#undef CLI_EXIT_ENUM
};

struct cli_command {
    const char *name;
    const char *summary;
    /* argv[0] is "hedgerow NAME". */
    int (*run)(int argc, char **argv);
    bool is_first; /* among the few that a newcomer needs */
};

extern const struct cli_command cli_commands[];
extern const unsigned cli_commands_count;

int cli_main(int argc, char **argv);
int cli_exit_of(enum hedgerow_outcome outcome);

/* The commands, each in the file of its name or of its kind. */
int dev_command(int argc, char **argv);
int run_command(int argc, char **argv);
int submit_command(int argc, char **argv);
int wait_command(int argc, char **argv);
int result_command(int argc, char **argv);
int get_command(int argc, char **argv);
int list_command(int argc, char **argv);
int cancel_command(int argc, char **argv);
int explain_command(int argc, char **argv);
int tune_command(int argc, char **argv);
int workers_command(int argc, char **argv);
int handlers_command(int argc, char **argv);
int worker_command(int argc, char **argv);
int bench_command(int argc, char **argv);
int health_command(int argc, char **argv);
int version_command(int argc, char **argv);
int help_command(int argc, char **argv);

#endif

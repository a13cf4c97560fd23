/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/cli.h"

#include "common/pure/nearest.h"
#include "coordinator/cli/out.h"

#include <argp.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_command cli_commands[] = {
    { "dev", "start a coordinator and workers in this terminal", dev_command, true },
    { "run", "run a job, wait, print its result", run_command, true },
    { "explain", "show a job's race: which copy went where, who won, why", explain_command,
        true },
    { "cancel", "stop a job", cancel_command, true },
    { "handlers", "what can be run here, and how it does", handlers_command, true },
    { "workers", "who runs it", workers_command, true },
    { "tune", "which hedging would have served a handler best", tune_command, false },
    { "submit", "hand a job over, print its id", submit_command, false },
    { "wait", "wait until jobs are over", wait_command, false },
    { "result", "the result of a job that is over", result_command, false },
    { "get", "one job", get_command, false },
    { "list", "jobs, newest first", list_command, false },
    { "worker", "turn a command into a handler: worker exec NAME -- COMMAND", worker_command,
        false },
    { "bench", "jobs at a steady rate, with and without hedging: does it pay?", bench_command,
        false },
    { "health", "is the coordinator there and ready?", health_command, false },
    { "version", "of this command and of the coordinator", version_command, false },
    { "help", "about a command, or about exit-codes", help_command, false },
};
const unsigned cli_commands_count = ARRAY_COUNT(cli_commands);

int
cli_exit_of(enum hedgerow_outcome outcome)
{
    switch (outcome) {
    case HEDGEROW_OK: return CLI_DONE;
    case HEDGEROW_FAILED: return CLI_FAILED;
    case HEDGEROW_INVALID: return CLI_USAGE;
    case HEDGEROW_NOT_FOUND: return CLI_NOT_FOUND;
    case HEDGEROW_DENIED: return CLI_DENIED;
    case HEDGEROW_CANCELLED: return CLI_CANCELLED;
    case HEDGEROW_UNAVAILABLE: return CLI_UNAVAILABLE;
    case HEDGEROW_OVERLOADED: return CLI_OVERLOADED;
    case HEDGEROW_DEADLINE: return CLI_DEADLINE;
    case HEDGEROW_INTERRUPTED: return CLI_INTERRUPTED;
    case HEDGEROW_BROKEN: return CLI_UNAVAILABLE;
    }
    CHECK_UNREACHABLE();
}

static const struct cli_command *
find_command(const char *name)
{
    for (unsigned i = 0; i < cli_commands_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

static void
commands_print(bool is_first, FILE *stream)
{
    for (unsigned i = 0; i < cli_commands_count; i++) {
        if (cli_commands[i].is_first == is_first) {
            fprintf(stream, "  %s%-10s%s  %s\n", out_begin(stream, OUT_BOLD),
                cli_commands[i].name, out_end(stream), cli_commands[i].summary);
        }
    }
}

static void
help_print(FILE *stream)
{
    fprintf(stream,
        "Hedgerow runs a job on one of several workers, sends a second copy to another when\n"
        "the first is slow, takes the first good reply, and stops the rest.\n\n"
        "Usage: hedgerow COMMAND [OPTION...]\n\n"
        "Begin here:\n"
        "  hedgerow dev                  a coordinator and three workers, in this terminal\n"
        "  hedgerow run sha256 hello     a job, in another one\n"
        "  hedgerow explain --last       what became of it, and why\n\n"
        "Commands:\n");
    commands_print(/* is_first= */ true, stream);
    fputc('\n', stream);
    commands_print(/* is_first= */ false, stream);
    fprintf(stream,
        "\nThe coordinator is looked for at http://127.0.0.1:8080, or where --server URL or\n"
        "HEDGEROW_SERVER says.  'hedgerow COMMAND --help' tells more, with examples.\n");
}

static void
exit_codes_print(FILE *stream)
{
    fprintf(stream, "What the number that hedgerow exits with means:\n\n");
#define EXIT_PRINT(word, number, sentence) fprintf(stream, "  %3d  %s\n", number, sentence);
    CLI_EXIT_LIST(EXIT_PRINT)
#undef EXIT_PRINT
}

static int
fail_unknown(const char *name)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < cli_commands_count; i++) {
        nearest_offer(&nearest, cli_commands[i].name);
    }
    const char *meant = nearest_word(&nearest);
    if (meant != NULL) {
        out_error("there is no command '%s'; did you mean '%s'?", name, meant);
    } else {
        out_error("there is no command '%s'", name);
    }
    out_hint("All commands:  hedgerow --help");
    return CLI_USAGE;
}

static int
command_run(const struct cli_command *command, int argc, char **argv)
{
    static char name[64];
    snprintf(name, sizeof name, "hedgerow %s", command->name);
    argv[0] = name;
    out_init(name);
    return command->run(argc, argv);
}

int
help_command(int argc, char **argv)
{
    static char help_flag[] = "--help";
    if (argc < 2 || strcmp(argv[1], help_flag) == 0) {
        help_print(stdout);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "exit-codes") == 0) {
        exit_codes_print(stdout);
        return CLI_DONE;
    }
    const struct cli_command *command = find_command(argv[1]);
    if (command == NULL) {
        return fail_unknown(argv[1]);
    }
    argv[1] = help_flag;
    return command_run(command, 2, argv);
}

int
cli_main(int argc, char **argv)
{
    /* Characters as the user's locale has them, but numbers as the API writes them. */
    (void) setlocale(LC_CTYPE, "");
    out_init("hedgerow");
    if (argc < 2) {
        help_print(stdout);
        return CLI_DONE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "-?") == 0) {
        help_print(stdout);
        return CLI_DONE;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("hedgerow %s\n", HEDGEROW_VERSION);
        return CLI_DONE;
    }
    if (word[0] == '-') {
        out_error("the command comes first, then its flags: hedgerow run %s ...", word);
        out_hint("All commands:  hedgerow --help");
        return CLI_USAGE;
    }
    const struct cli_command *command = find_command(word);
    return command != NULL ? command_run(command, argc - 1, argv + 1) : fail_unknown(word);
}

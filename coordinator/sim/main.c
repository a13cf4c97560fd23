/* SPDX-License-Identifier: MIT
 *
 * hedgerow-sim - the coordinator's core in virtual time.
 */
#include "coordinator/sim/faults.h"
#include "coordinator/sim/tail.h"
#include "coordinator/sim/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
};

static const struct subcommand subcommands[] = {
    { "faults", faults_main, "seeds of a faulty cluster against the contract" },
    { "tail", tail_main, "a workload's latency under a policy" },
    { "tune", tune_main, "recorded samples under other policies" },
};

static int
print_usage(FILE *out)
{
    fputs("usage: hedgerow-sim COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        fprintf(out, "  %-8s %s\n", subcommands[i].name, subcommands[i].text);
    }
    fputs("\n`hedgerow-sim COMMAND --help` tells more.\n", out);
    return out == stdout ? EXIT_SUCCESS : 2;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        return print_usage(stderr);
    }
    if (strcmp(argv[1], "--help") == 0) {
        return print_usage(stdout);
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("hedgerow-sim " HEDGEROW_VERSION);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            return subcommands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "hedgerow-sim: no command '%s'\n", argv[1]);
    return print_usage(stderr);
}
